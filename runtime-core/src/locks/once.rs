//! [`Once`]: something that is done by the first who comes.

use std::fmt;
use std::future::Future;

use event_listener::Event;

use super::{HeldByCaller, Holder, TryLockError};
use crate::sync::{Arc, Mutex};

/// Something that is done once, as Go's `sync.Once`. Clones are the same.
///
/// The first who [begins](Self::begin) has the turn; the others wait until that one has [finished](Self::finish). If it
/// ends without having finished (its [`Holder`] is dropped), that counts as done: nobody tries again.
///
/// **Who wakes whom.** Finishing, or the end of the holder, wakes all who wait, once. A waiter registers before it looks
/// for the last time, so it cannot miss that; one that is dropped takes its listener with it.
///
/// ```
/// # use runtime_core::{block_on, locks::{Holder, Once, Turn}, testing::BareBackend};
/// let once = Once::new();
/// let first = Holder::new();
/// assert_eq!(once.try_begin(&first), Ok(Turn::Run));
/// let other = { let once = once.clone(); std::thread::spawn(move || {
///     block_on(&BareBackend::new(), once.begin(&Holder::new()))
/// }) };
/// once.finish(&first);
/// assert_eq!(other.join().unwrap(), Ok(Turn::Done));
/// ```
#[derive(Clone, Default)]
pub struct Once {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    step: Mutex<Step>,
    done: Event,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    New,
    Running,
    Done,
}

/// What is left to do for one who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// To do it, and then to [finish](Once::finish).
    Run,
    /// Nothing.
    Done,
}

impl Once {
    /// Something that nobody has begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins, if nobody has; says what is left to do if that can be said at once.
    ///
    /// # Errors
    /// While another runs it, and when the caller itself does.
    pub fn try_begin(&self, holder: &Holder) -> Result<Turn, TryLockError> {
        {
            let mut step = self.shared.step.lock();
            match *step {
                Step::New => *step = Step::Running,
                Step::Done => return Ok(Turn::Done),
                Step::Running if holder.runs_once(self.address()) => return Err(TryLockError::HeldByCaller),
                Step::Running => return Err(TryLockError::Busy),
            }
        }
        holder.hold_once(Running(Arc::clone(&self.shared)));
        Ok(Turn::Run)
    }

    /// Begins, if nobody has; else waits until it is done.
    pub fn begin(
        &self,
        holder: &Holder,
    ) -> impl Future<Output = Result<Turn, HeldByCaller>> + Send + 'static + use<> {
        let (once, holder) = (self.clone(), holder.clone());
        async move {
            loop {
                match once.try_begin(&holder) {
                    Ok(turn) => return Ok(turn),
                    Err(TryLockError::HeldByCaller) => return Err(HeldByCaller),
                    Err(TryLockError::Busy) => {}
                }
                let done = once.shared.done.listen();
                // It may have been done between the look and the registration.
                if !once.is_done() {
                    done.await;
                }
            }
        }
    }

    /// Says that it is done. Without effect if this holder has not begun it.
    pub fn finish(&self, holder: &Holder) {
        drop(holder.take_once(self.address()));
    }

    /// Whether it is done.
    pub fn is_done(&self) -> bool {
        *self.shared.step.lock() == Step::Done
    }

    /// An address that is this one's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }
}

/// What the one who runs it holds: dropped, it is done.
pub(super) struct Running(Arc<Shared>);

impl Running {
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.step.lock() = Step::Done;
        self.0.done.notify(usize::MAX);
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("done", &self.is_done()).finish_non_exhaustive()
    }
}
