//! What the Rust API promises to a program that embeds goroutines, under every backend that is among the features.
#![cfg(test)]
#![cfg_attr(
    not(any(feature = "backend-threads", feature = "backend-tokio")),
    allow(dead_code, unused_imports, reason = "without a backend nothing runs")
)]

mod building;
mod errors;
mod foreign;
mod functions;
mod homes;
mod refusing;
mod shutting_down;
mod support;

/// Tests that are functions of a backend, as `#[test]`s under each.
macro_rules! under_each_backend {
    ($($name:ident)+) => {
        #[cfg(feature = "backend-threads")]
        mod threads {
            $(#[test]
            fn $name() {
                super::$name(std::sync::Arc::new(goroutine::backend_threads::Threads::new()));
            })+
        }

        #[cfg(feature = "backend-tokio")]
        mod tokio {
            $(#[test]
            fn $name() {
                super::$name(std::sync::Arc::new(goroutine::backend_tokio::Tokio::new()));
            })+
        }

        #[cfg(not(feature = "backend-threads"))]
        mod threads {
            #[test]
            #[ignore = "the feature backend-threads is off"]
            fn nothing_is_tested_here() {}
        }

        #[cfg(not(feature = "backend-tokio"))]
        mod tokio {
            #[test]
            #[ignore = "the feature backend-tokio is off"]
            fn nothing_is_tested_here() {}
        }
    };
}
pub(crate) use under_each_backend;
