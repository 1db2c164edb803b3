//! What the Rust API promises to a program that embeds goroutines, under every backend that is among the features.
#![cfg(test)]
#![cfg_attr(
    not(any(
        feature = "backend-async-std",
        feature = "backend-smol",
        feature = "backend-threads",
        feature = "backend-tokio"
    )),
    allow(dead_code, unused_imports, unused_macros, reason = "without a backend nothing runs")
)]

#[macro_use]
#[path = "../support/backends.rs"]
mod backends;
mod blocking;
mod building;
mod deadlocks;
mod errors;
mod executors;
mod foreign;
mod functions;
mod home;
mod homes;
mod interrupting;
mod local;
mod local_in_place;
mod printing;
mod refusing;
mod shutting_down;
mod support;

/// Tests that are functions of a backend, as `#[test]`s under each.
macro_rules! under_each_backend {
    ($($name:ident)+) => {
        macro_rules! tests {
            ($backend:tt) => {
                $(#[test]
                fn $name() {
                    super::$name(crate::backends::backend($backend));
                })+
            };
        }
        each_backend! { tests! {} }
    };
}
pub(crate) use under_each_backend;
