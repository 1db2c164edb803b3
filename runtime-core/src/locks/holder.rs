//! [`Holder`]: one who can hold locks.

use std::fmt;

use super::gate::Gate;
use super::held::{Found, Held, HeldList, Look};
use super::once::Running;
use crate::sync::{Arc, Mutex};

/// One who can hold locks: a task, a thread. Clones are the same holder.
///
/// When the last clone is dropped, every lock that it still holds is given back as abandoned, and a
/// [`Once`](super::Once) that it was running counts as done. A wait for a lock is a clone, too. Whoever runs tasks makes a
/// holder when a task first locks something, and drops it when the task has ended, however that was.
///
/// It is for one task at a time: its calls are not meant to be made by several threads at once, though nothing breaks.
///
/// ```
/// # use runtime_core::locks::{Holder, Locked, Mutex};
/// let mutex = Mutex::new();
/// let task = Holder::new();
/// assert_eq!(mutex.try_lock(&task), Ok(Locked::InOrder));
/// drop(task); // ended without unlocking
/// let next = Holder::new();
/// assert_eq!(mutex.try_lock(&next), Ok(Locked::Abandoned));
/// assert_eq!(mutex.unlock(&next), Ok(()));
/// ```
#[derive(Clone)]
pub struct Holder {
    shared: Arc<Shared>,
}

struct Shared {
    held: Mutex<List>,
}

/// What is held.
#[derive(Default)]
struct List {
    held: HeldList,
    /// The gate that was gone out of last, which mostly is the next that is come into: a reference less to make and to drop.
    last: Option<Arc<Gate>>,
}

impl Default for Holder {
    fn default() -> Self {
        Self { shared: Arc::new(Shared { held: Mutex::new(List::default()) }) }
    }
}

impl Holder {
    /// A holder of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives back all that it holds, as abandoned, for one whose last clone is not dropped yet.
    pub fn release_all(&self) {
        self.shared.release_all();
    }

    /// How many locks it holds.
    pub fn held(&self) -> usize {
        self.shared.held.lock().held.len()
    }

    pub(super) fn hold(&self, gate: &Arc<Gate>, permits: usize) {
        let mut list = self.shared.held.lock();
        let gate = list.last.take_if(|last| Arc::ptr_eq(last, gate)).unwrap_or_else(|| Arc::clone(gate));
        list.held.push(Held::Permits { gate, permits, times: 1 });
    }

    /// Whether it has permits of this gate.
    pub(super) fn holds(&self, gate: &Arc<Gate>) -> bool {
        self.has(address(gate), |held| held.is_of(gate))
    }

    fn has(&self, address: usize, is_it: impl Fn(&Held) -> bool) -> bool {
        let look = |held: &mut Held| if is_it(held) { Look::Stays } else { Look::Further };
        matches!(self.shared.held.lock().held.look(address, look), Found::Stays)
    }

    /// Comes in once more with the permits that it has, if they are a part of all.
    pub(super) fn enter_again(&self, gate: &Arc<Gate>) -> bool {
        let all = gate.permits();
        let look = |held: &mut Held| {
            if held.is_of(gate)
                && let Held::Permits { permits, times, .. } = held
                && *permits < all
                && let Some(more) = times.checked_add(1)
            {
                *times = more;
                return Look::Stays;
            }
            Look::Further
        };
        matches!(self.shared.held.lock().held.look(address(gate), look), Found::Stays)
    }

    /// Goes out with so many permits of this gate. `None`: it does not have these. Else how many are given back, which
    /// are none if it had come in more often.
    pub(super) fn let_go(&self, gate: &Arc<Gate>, wanted: usize) -> Option<usize> {
        let look = |held: &mut Held| {
            if let Held::Permits { gate: held, permits, times } = held
                && Arc::ptr_eq(held, gate)
                && *permits == wanted
            {
                *times -= 1;
                return if *times > 0 { Look::Stays } else { Look::Goes };
            }
            Look::Further
        };
        let mut list = self.shared.held.lock();
        match list.held.look(address(gate), look) {
            Found::Nothing => None,
            Found::Stays => Some(0),
            Found::Gone(held) => {
                // The caller has a reference to this gate, and nobody waits at the one that is forgotten: nothing foreign is dropped.
                if let Held::Permits { gate, .. } = held {
                    list.last = Some(gate);
                }
                Some(wanted)
            }
        }
    }

    pub(super) fn hold_once(&self, running: Running) {
        self.shared.held.lock().held.push(Held::Once(running));
    }

    pub(super) fn runs_once(&self, address: usize) -> bool {
        self.has(address, |held| held.is_once(address))
    }

    /// What it runs of the once with this address: dropped by the caller, it is done.
    pub(super) fn take_once(&self, address: usize) -> Option<Running> {
        let look = |held: &mut Held| if held.is_once(address) { Look::Goes } else { Look::Further };
        match self.shared.held.lock().held.look(address, look) {
            Found::Gone(Held::Once(running)) => Some(running),
            _ => None,
        }
    }
}

fn address(gate: &Arc<Gate>) -> usize {
    Arc::as_ptr(gate) as usize
}

impl Shared {
    fn release_all(&self) {
        let List { held, last: _ } = std::mem::take(&mut *self.held.lock());
        // What was locked last is given back first, as if the holder had unwound.
        held.newest_first(|held| match held {
            Held::Permits { gate, permits, .. } => {
                // Only one who had it alone can have left something half done.
                gate.leave(permits, permits == gate.permits());
            }
            Held::Once(running) => drop(running),
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.release_all();
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").field("held", &self.held()).finish_non_exhaustive()
    }
}
