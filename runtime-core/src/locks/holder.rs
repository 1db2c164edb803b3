//! [`Holder`]: one who can hold locks.

use std::fmt;

use super::gate::Gate;
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
    /// In the order of locking. Mostly there are one or two: looked through from the end.
    held: Mutex<Vec<Held>>,
}

/// Something that is held.
enum Held {
    /// Permits of a gate. `times`: how often a reader has come in with them.
    Permits {
        gate: Arc<Gate>,
        permits: usize,
        times: u32,
    },
    Once(Running),
}

impl Default for Holder {
    fn default() -> Self {
        Self { shared: Arc::new(Shared { held: Mutex::new(Vec::new()) }) }
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
        self.shared.held.lock().len()
    }

    pub(super) fn hold(&self, gate: &Arc<Gate>, permits: usize) {
        self.shared.held.lock().push(Held::Permits { gate: Arc::clone(gate), permits, times: 1 });
    }

    /// Whether it has permits of this gate.
    pub(super) fn holds(&self, gate: &Arc<Gate>) -> bool {
        self.shared.held.lock().iter().any(|held| held.is_of(gate))
    }

    /// Comes in once more with the permits that it has, if they are a part of all.
    pub(super) fn enter_again(&self, gate: &Arc<Gate>) -> bool {
        let all = gate.permits();
        let mut held = self.shared.held.lock();
        for held in held.iter_mut().rev().filter(|held| held.is_of(gate)) {
            if let Held::Permits { permits, times, .. } = held
                && *permits < all
                && let Some(more) = times.checked_add(1)
            {
                *times = more;
                return true;
            }
        }
        false
    }

    /// Goes out with so many permits of this gate. `None`: it does not have these. Else how many are given back, which
    /// are none if it had come in more often.
    pub(super) fn let_go(&self, gate: &Arc<Gate>, wanted: usize) -> Option<usize> {
        let mut list = self.shared.held.lock();
        for index in (0..list.len()).rev() {
            if !list[index].is_of(gate) {
                continue;
            }
            if let Held::Permits { permits, times, .. } = &mut list[index]
                && *permits == wanted
            {
                *times -= 1;
                if *times > 0 {
                    return Some(0);
                }
                // The caller has a reference to the gate, so nothing but the count goes here.
                list.remove(index);
                return Some(wanted);
            }
        }
        None
    }

    pub(super) fn hold_once(&self, running: Running) {
        self.shared.held.lock().push(Held::Once(running));
    }

    pub(super) fn runs_once(&self, address: usize) -> bool {
        self.shared.held.lock().iter().any(|held| held.is_once(address))
    }

    /// What it runs of the once with this address: dropped by the caller, it is done.
    pub(super) fn take_once(&self, address: usize) -> Option<Running> {
        let mut list = self.shared.held.lock();
        let index = list.iter().rposition(|held| held.is_once(address))?;
        match list.remove(index) {
            Held::Once(running) => Some(running),
            Held::Permits { .. } => None,
        }
    }
}

impl Held {
    fn is_of(&self, of: &Arc<Gate>) -> bool {
        matches!(self, Self::Permits { gate, .. } if Arc::ptr_eq(gate, of))
    }

    fn is_once(&self, address: usize) -> bool {
        matches!(self, Self::Once(running) if running.address() == address)
    }
}

impl Shared {
    fn release_all(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        // What was locked last is given back first, as if the holder had unwound.
        for held in held.into_iter().rev() {
            match held {
                Held::Permits { gate, permits, .. } => {
                    // Only one who had it alone can have left something half done.
                    gate.leave(permits, permits == gate.permits());
                }
                Held::Once(running) => drop(running),
            }
        }
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
