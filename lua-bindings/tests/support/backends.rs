//! The backends that tests run under: all that are among the features.

use std::sync::Arc;

use goroutine::Backend;

/// A new backend of this name.
pub(crate) fn backend(name: &str) -> Arc<dyn Backend> {
    match name {
        #[cfg(feature = "backend-async-std")]
        "async-std" => Arc::new(goroutine::backend_async_std::AsyncStd::new()),
        #[cfg(feature = "backend-smol")]
        "smol" => Arc::new(goroutine::backend_smol::Smol::new()),
        #[cfg(feature = "backend-threads")]
        "threads" => Arc::new(goroutine::backend_threads::Threads::new()),
        #[cfg(feature = "backend-tokio")]
        "tokio" => Arc::new(goroutine::backend_tokio::Tokio::new()),
        other => panic!("the backend {other} is not among the features"),
    }
}

/// A module for each backend, with what the macro `$tests` makes of its name and `$what`; without the feature, with a test
/// that is ignored.
macro_rules! each_backend {
    ($tests:ident! { $($what:tt)* }) => {
        each_backend! { @one async_std "backend-async-std" "async-std" $tests { $($what)* } }
        each_backend! { @one smol "backend-smol" "smol" $tests { $($what)* } }
        each_backend! { @one threads "backend-threads" "threads" $tests { $($what)* } }
        each_backend! { @one tokio "backend-tokio" "tokio" $tests { $($what)* } }
    };
    (@one $module:ident $feature:tt $name:tt $tests:ident { $($what:tt)* }) => {
        #[cfg(feature = $feature)]
        mod $module {
            $tests! { $name $($what)* }
        }

        #[cfg(not(feature = $feature))]
        mod $module {
            #[test]
            #[ignore = "the feature of this backend is off"]
            fn nothing_is_tested_here() {}
        }
    };
}
