//! The Lua tests: every file of `tests/lua`, under every backend that is among the features, and once with all goroutines
//! in one isolate.
//!
//! `cargo test --test suite tokio::channels` runs one file under one backend. The files are scripts that any interpreter
//! with the module runs, too.
#![cfg(test)]
#![cfg_attr(
    not(any(feature = "backend-threads", feature = "backend-tokio")),
    allow(dead_code, unused_imports, reason = "without a backend nothing runs")
)]

mod support;

/// More isolates than some machines have cores, so that goroutines meet anywhere.
#[cfg(any(feature = "backend-threads", feature = "backend-tokio"))]
const MANY: usize = 4;

macro_rules! files {
    ($($name:ident)+) => {
        const FILES: &[&str] = &[$(stringify!($name)),+];

        #[cfg(feature = "backend-threads")]
        mod threads {
            $(#[test]
            fn $name() {
                super::support::run(stringify!($name), std::sync::Arc::new(goroutine::backend_threads::Threads::new()), super::MANY);
            })+
        }

        #[cfg(feature = "backend-tokio")]
        mod tokio {
            $(#[test]
            fn $name() {
                super::support::run(stringify!($name), std::sync::Arc::new(goroutine::backend_tokio::Tokio::new()), super::MANY);
            })+
        }

        #[cfg(feature = "backend-tokio")]
        mod one_isolate {
            $(#[test]
            fn $name() {
                super::support::run(stringify!($name), std::sync::Arc::new(goroutine::backend_tokio::Tokio::new()), 1);
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

files! {
    atomic_int
    await_many
    awaiting
    bad_arguments
    cancel
    channel_stress
    channel_views
    channels
    classes
    classes_styles
    close_variables
    coroutines
    globals_apart
    handles
    libraries
    modules
    modules_changed
    pool_closing
    pool_map
    pool_stress
    pools
    refusals
    replacing
    reports
    scope
    shipping_functions
    shipping_globals
    shipping_random
    shipping_values
    timeout
    wait_group
}

#[test]
fn every_lua_file_is_in_the_list() {
    let mut found: Vec<String> = std::fs::read_dir(support::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lua"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, FILES, "the list in suite.rs is sorted, and has every file of tests/lua");
}
