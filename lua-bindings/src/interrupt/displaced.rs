//! Hooks of scripts (a debugger's, a coverage tool's) that ours stands in for.
//!
//! A signal handler writes them down, so they are atomics in a table of fixed size, which all isolates share: each looks at those of
//! its own coroutines only. A place is free again when the hook is put back. If the coroutine never goes on, that never comes:
//! whoever runs a goroutine says with [`own`] that the place is its, and with [`forget`] that the goroutine has ended.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use mlua::ffi::{self, lua_State};

struct Place {
    /// Which coroutine's; null while this place is free. Written last when it is filled.
    state: AtomicPtr<lua_State>,
    hook: AtomicPtr<c_void>,
    mask: AtomicI32,
    count: AtomicI32,
    /// The number of the goroutine; 0 until it is known.
    owner: AtomicU64,
}

/// When they are full, a coroutine that has a hook of the script's is not interrupted.
static PLACES: [Place; 1024] = [const {
    Place {
        state: AtomicPtr::new(ptr::null_mut()),
        hook: AtomicPtr::new(ptr::null_mut()),
        mask: AtomicI32::new(0),
        count: AtomicI32::new(0),
        owner: AtomicU64::new(0),
    }
}; 1024];

/// Places from here on have never been used.
static USED: AtomicUsize = AtomicUsize::new(0);

/// A place that somebody is just filling.
const FILLING: *mut lua_State = ptr::dangling_mut();

/// A script's hook, as `lua_gethook` and its like give it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Displaced {
    hook: *mut c_void,
    mask: c_int,
    count: c_int,
}

impl Displaced {
    /// The hook that this coroutine has.
    ///
    /// # Safety
    /// `state` is alive, and of this thread.
    pub(super) unsafe fn of(state: *mut lua_State, hook: ffi::lua_Hook) -> Self {
        // SAFETY: the caller's promise; these read.
        let (mask, count) = unsafe { (ffi::lua_gethookmask(state), ffi::lua_gethookcount(state)) };
        Self { hook: hook as *mut c_void, mask, count }
    }

    /// Calls it.
    ///
    /// # Safety
    /// That of a hook; it was written down for this coroutine.
    pub(crate) unsafe fn call(self, state: *mut lua_State, record: *mut ffi::lua_Debug) {
        // SAFETY: the caller's promise: the address is a hook's.
        unsafe {
            let hook: ffi::lua_Hook = std::mem::transmute(self.hook);
            hook(state, record);
        }
    }

    /// Gives it back.
    ///
    /// # Safety
    /// `state` is alive, of this thread, and what it had was written down for it or for the coroutine that made it. Our handler does
    /// not interrupt this.
    pub(crate) unsafe fn put_back(self, state: *mut lua_State) {
        // SAFETY: the caller's promise: the address is a hook's.
        unsafe {
            let hook: ffi::lua_Hook = std::mem::transmute(self.hook);
            ffi::lua_sethook(state, Some(hook), self.mask, self.count);
        }
    }
}

fn used() -> &'static [Place] {
    &PLACES[..USED.load(Ordering::Acquire)]
}

fn place_of(state: *mut lua_State) -> Option<&'static Place> {
    used().iter().find(|place| place.state.load(Ordering::Acquire) == state)
}

/// Writes down what this coroutine had. False if there is no room. Called by the handler, on the coroutine's own thread.
pub(super) fn write_down(state: *mut lua_State, displaced: Displaced) -> bool {
    // What is there of this coroutine is out of date: since then it has got another hook, or is another coroutine.
    let place = place_of(state).or_else(|| {
        let taken = PLACES.iter().enumerate().find(|(_, place)| {
            let free =
                place.state.compare_exchange(ptr::null_mut(), FILLING, Ordering::AcqRel, Ordering::Relaxed);
            free.is_ok()
        });
        taken.map(|(index, place)| {
            USED.fetch_max(index + 1, Ordering::AcqRel);
            place
        })
    });
    let Some(place) = place else {
        return false;
    };
    place.hook.store(displaced.hook, Ordering::Relaxed);
    place.mask.store(displaced.mask, Ordering::Relaxed);
    place.count.store(displaced.count, Ordering::Relaxed);
    place.owner.store(0, Ordering::Relaxed);
    place.state.store(state, Ordering::Release);
    true
}

/// What this coroutine of the calling thread had.
pub(crate) fn find(state: *mut lua_State) -> Option<Displaced> {
    let place = place_of(state)?;
    Some(Displaced {
        hook: place.hook.load(Ordering::Relaxed),
        mask: place.mask.load(Ordering::Relaxed),
        count: place.count.load(Ordering::Relaxed),
    })
}

/// The same, and frees the place.
pub(crate) fn take(state: *mut lua_State) -> Option<Displaced> {
    let found = find(state)?;
    place_of(state)?.state.store(ptr::null_mut(), Ordering::Release);
    Some(found)
}

/// Notes whose coroutine this is. False if nothing of it was written down.
pub(super) fn own(state: *mut lua_State, goroutine: u64) -> bool {
    place_of(state).map(|place| place.owner.store(goroutine, Ordering::Relaxed)).is_some()
}

/// Frees what was written down for a goroutine that has ended. Called on the thread that ran it.
pub(super) fn forget(goroutine: u64) {
    for place in used() {
        if place.owner.load(Ordering::Relaxed) == goroutine {
            place.owner.store(0, Ordering::Relaxed);
            place.state.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that no coroutine has.
    fn address(number: usize) -> *mut lua_State {
        ptr::without_provenance_mut(number)
    }

    fn displaced(mask: c_int) -> Displaced {
        Displaced { hook: ptr::null_mut(), mask, count: 7 }
    }

    #[test]
    fn what_is_written_down_is_found_once() {
        let state = address(0x1000);
        assert!(write_down(state, displaced(1)));
        assert_eq!(find(state).unwrap().mask, 1);
        assert_eq!(take(state).unwrap().count, 7);
        assert!(find(state).is_none());
    }

    #[test]
    fn the_last_hook_of_a_coroutine_counts() {
        let state = address(0x2000);
        assert!(write_down(state, displaced(1)));
        assert!(write_down(state, displaced(2)));
        assert_eq!(take(state).unwrap().mask, 2);
        assert!(take(state).is_none());
    }

    #[test]
    fn what_belongs_to_a_goroutine_goes_with_it() {
        let (one, other) = (address(0x3000), address(0x4000));
        assert!(write_down(one, displaced(1)) && write_down(other, displaced(2)));
        assert!(own(one, u64::MAX) && own(other, u64::MAX - 1));
        forget(u64::MAX);
        assert!(find(one).is_none());
        assert!(!own(one, 1));
        assert_eq!(take(other).unwrap().mask, 2);
    }
}
