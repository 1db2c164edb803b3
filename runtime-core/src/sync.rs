//! The locks and atomics of this crate: parking_lot and std, or loom's when the tests explore interleavings
//! (`RUSTFLAGS="--cfg loom"`).

#[cfg(not(loom))]
mod chosen {
    pub(crate) use atomic_waker::AtomicWaker;
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::{Arc, OnceLock};
}

#[cfg(loom)]
mod chosen {
    use std::task::Waker;

    pub(crate) use loom::sync::atomic;
    use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Arc, MutexGuard};

    /// loom's mutex with the face of parking_lot's.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
    }

    /// What std's promises and no more: a value that is seen is seen whole, and may be seen late, but not by the one
    /// whose own value came too late.
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        is_set: AtomicBool,
        setting: Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                value: std::sync::OnceLock::new(),
                is_set: AtomicBool::new(false),
                setting: Mutex::new(()),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.is_set.load(Ordering::Acquire).then(|| self.value.get()).flatten()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let _setting = self.setting.lock();
            self.value.set(value)?;
            self.is_set.store(true, Ordering::Release);
            Ok(())
        }
    }

    /// What atomic-waker's promises: `wake` wakes the waker that was registered last, or comes before it.
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn register(&self, waker: &Waker) {
            *self.0.lock() = Some(waker.clone());
        }

        pub(crate) fn wake(&self) {
            let waker = self.0.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

pub(crate) use chosen::*;
