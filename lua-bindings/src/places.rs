//! [`Places`]: where the handles that a state has made lie in its list of objects.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::goroutine::GoroutineHandle;

/// The places of handles in a state's list of objects ([`OBJECTS`](crate::state::vital::OBJECTS)): whole numbers from 1 on, so that
/// Lua has an array of them. A table that found them by their addresses would be larger, and looked through at random, which
/// is most of what making a handle takes where there are a hundred thousand.
///
/// A handle has a place as long as the userdata lives that was made with it. Its task knows the place, together with the
/// number of the state ([`GoroutineHandle::mark`]): for other states it means nothing, and neither here if nothing lies there any more.
/// Then it lies under its address, if anywhere, as the other objects do.
pub(crate) struct Places {
    state: u32,
    /// The last place that was ever used.
    end: Cell<u32>,
    free: RefCell<Vec<u32>>,
}

impl Places {
    pub(crate) fn new() -> Self {
        static STATES: AtomicU32 = AtomicU32::new(1);
        Self { state: STATES.fetch_add(1, Ordering::Relaxed), end: Cell::new(0), free: RefCell::default() }
    }

    /// A place for a handle that was just made, and that no other state knows.
    pub(crate) fn claim(&self, handle: &GoroutineHandle) -> usize {
        let free = self.free.borrow_mut().pop();
        let place = free.unwrap_or_else(|| {
            self.end.set(self.end.get() + 1);
            self.end.get()
        });
        handle.set_mark(u64::from(self.state) << 32 | u64::from(place));
        place as usize
    }

    /// The place that this handle has in this state.
    pub(crate) fn of(&self, handle: &GoroutineHandle) -> Option<usize> {
        let mark = handle.mark();
        ((mark >> 32) as u32 == self.state).then_some(mark as u32 as usize)
    }

    /// The userdata that was made for this handle is gone.
    pub(crate) fn give_back(&self, handle: &GoroutineHandle) {
        if let Some(place) = self.of(handle) {
            handle.set_mark(0);
            self.free.borrow_mut().push(place as u32);
        }
    }
}
