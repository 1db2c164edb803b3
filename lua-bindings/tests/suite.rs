//! The Lua tests: every file of `tests/lua` and `tests/lua/complaints`, under every backend that is among the features, and once with all goroutines
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

/// The tests of some files under one backend.
#[cfg(any(feature = "backend-threads", feature = "backend-tokio"))]
macro_rules! tests {
    ($backend:expr, $isolates:expr, $folder:expr, $($name:ident)+) => {
        $(#[test]
        fn $name() {
            let backend = std::sync::Arc::new($backend);
            crate::support::run(concat!($folder, stringify!($name)), backend, $isolates);
        })+
    };
}

macro_rules! files {
    ($($name:ident)+; $folder:ident: $($inside:ident)+) => {
        const FILES: &[&str] = &[$(stringify!($name)),+];
        const INSIDE: (&str, &[&str]) = (stringify!($folder), &[$(stringify!($inside)),+]);

        #[cfg(feature = "backend-threads")]
        mod threads {
            use goroutine::backend_threads::Threads;

            tests! { Threads::new(), super::MANY, "", $($name)+ }
            mod $folder {
                use super::Threads;
                tests! { Threads::new(), crate::MANY, concat!(stringify!($folder), "/"), $($inside)+ }
            }
        }

        #[cfg(feature = "backend-tokio")]
        mod tokio {
            use goroutine::backend_tokio::Tokio;

            tests! { Tokio::new(), super::MANY, "", $($name)+ }
            mod $folder {
                use super::Tokio;
                tests! { Tokio::new(), crate::MANY, concat!(stringify!($folder), "/"), $($inside)+ }
            }
        }

        #[cfg(feature = "backend-tokio")]
        mod one_isolate {
            use goroutine::backend_tokio::Tokio;

            tests! { Tokio::new(), 1, "", $($name)+ }
            mod $folder {
                use super::Tokio;
                tests! { Tokio::new(), 1, concat!(stringify!($folder), "/"), $($inside)+ }
            }
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
    shipping_prototypes
    shipping_random
    shipping_values
    timeout
    wait_group;
    // What people who use other libraries for this complain of, one file for each complaint.
    complaints:
    cancelled_work
    cancelling_cleans_up
    classes_stay_classes
    copied_tables
    finalizers
    globals_and_functions
    knowing_when_all_is_done
    late_answers
    library_functions
    no_hang_at_exit
    sending_holds_no_lock
    shared_variables
    strangers_bytes
    undecodable_messages
    updates_in_one_step
    warm_states
}

#[test]
fn every_lua_file_is_in_the_list() {
    let (folder, inside) = INSIDE;
    for (folder, listed) in [(support::folder(), FILES), (support::folder().join(folder), inside)] {
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "lua"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        found.sort();
        assert_eq!(found, listed, "the lists in suite.rs are sorted, and have every file of tests/lua");
    }
}
