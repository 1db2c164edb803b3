//! What Rust programs may rely on: which types cross threads, and that errors are errors.
#![cfg(test)]

use std::error::Error;
use std::fmt::Debug;

use goroutine::{
    BuildError, Builder, Goroutines, InstallError, Living, Observer, Packet, Shutdown, Trust, WireError,
};

fn crosses_threads<T: Send + Sync + Debug>() {}
fn is_an_error<T: Error + Send + Sync + 'static>() {}

#[test]
fn a_runtime_is_shared_by_threads_and_its_parts_can_be_printed() {
    crosses_threads::<Goroutines>();
    crosses_threads::<Observer>();
    crosses_threads::<Living>();
    crosses_threads::<Packet>();
    crosses_threads::<Shutdown>();
    crosses_threads::<Trust>();
}

#[test]
fn a_builder_can_be_printed() {
    fn can_be_printed<T: Debug>() {}
    can_be_printed::<Builder>();
}

#[test]
fn what_fails_gives_an_error_that_goes_into_a_box() {
    is_an_error::<BuildError>();
    is_an_error::<InstallError>();
    is_an_error::<WireError>();
}
