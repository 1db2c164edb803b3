//! The locks and atomics of this crate: parking_lot and std, or loom's when the tests explore interleavings
//! (`RUSTFLAGS="--cfg loom"`).

#[cfg(not(loom))]
mod chosen {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic;
}

#[cfg(loom)]
mod chosen {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic;

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
}

pub(crate) use chosen::*;
