//! What Rust programs may rely on: which types cross threads, and that errors are errors.
#![cfg(test)]

use std::error::Error;
use std::fmt::Debug;

use runtime_core::locks::{Barrier, Cond, Mutex, Once, RwMutex, Semaphore};
use runtime_core::{
    Alarm, AtomicInt, Backend, Broadcaster, Channel, CircuitBreaker, Context, Handle, NegativeCounter,
    PoolStats, RateLimiter, Runtime, SendError, TaskError, TryReceiveError, TrySendError, Unfinished,
    WaitGroup,
};

fn crosses_threads<T: Send + Sync + Debug>() {}
fn is_an_error<T: Error + Send + Sync + 'static>() {}

#[test]
fn objects_are_shared_by_threads_and_can_be_printed() {
    crosses_threads::<Alarm>();
    crosses_threads::<AtomicInt>();
    crosses_threads::<Barrier>();
    crosses_threads::<Broadcaster<u8>>();
    crosses_threads::<Channel<u8>>();
    crosses_threads::<CircuitBreaker>();
    crosses_threads::<Cond>();
    crosses_threads::<Context>();
    crosses_threads::<Handle<u8, u8>>();
    crosses_threads::<Mutex>();
    crosses_threads::<Once>();
    crosses_threads::<PoolStats>();
    crosses_threads::<RateLimiter>();
    crosses_threads::<Runtime>();
    crosses_threads::<RwMutex>();
    crosses_threads::<Semaphore>();
    crosses_threads::<WaitGroup>();
}

#[test]
fn what_fails_gives_an_error_that_goes_into_a_box() {
    is_an_error::<NegativeCounter>();
    is_an_error::<SendError<u8>>();
    is_an_error::<TaskError<std::fmt::Error>>();
    is_an_error::<TryReceiveError>();
    is_an_error::<TrySendError<u8>>();
    is_an_error::<Unfinished>();
}

#[test]
fn a_backend_is_chosen_by_value() {
    fn is_object_safe(_: &dyn Backend) {}
    is_object_safe(&runtime_core::testing::BareBackend::new());
}
