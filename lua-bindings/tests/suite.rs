//! The Lua tests: every file of `tests/lua` and `tests/lua/complaints`, under every backend that is among the features, once with all goroutines
//! in one isolate, and with the goroutines of `goroutine.local`, which run in the home state.
//!
//! `cargo test --test suite tokio::channels` runs one file under one backend. The files are scripts that any interpreter
//! with the module runs, too.
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
#[path = "support/backends.rs"]
mod backends;
mod support;

/// More isolates than some machines have cores, so that goroutines meet anywhere.
const MANY: usize = 4;
/// All goroutines in one.
#[cfg(any(feature = "backend-threads", feature = "backend-tokio"))]
const ONE: usize = 1;

/// The tests of some files under one backend.
macro_rules! tests {
    ($backend:tt, $isolates:expr, $way:ident, $folder:expr, $($name:ident)+) => {
        $(#[test]
        fn $name() {
            let backend = crate::backends::backend($backend);
            crate::support::run(concat!($folder, stringify!($name)), backend, $isolates, crate::support::Way::$way);
        })+
    };
}

/// The tests of all files under one backend.
macro_rules! all_files {
    ($backend:tt $isolates:ident $way:ident, $($name:ident)+; $folder:ident: $($inside:ident)+) => {
        tests! { $backend, crate::$isolates, $way, "", $($name)+ }
        mod $folder {
            tests! { $backend, crate::$isolates, $way, concat!(stringify!($folder), "/"), $($inside)+ }
        }
    };
}

macro_rules! files {
    ($($name:ident)+; $folder:ident: $($inside:ident)+) => {
        const FILES: &[&str] = &[$(stringify!($name)),+];
        const INSIDE: (&str, &[&str]) = (stringify!($folder), &[$(stringify!($inside)),+]);

        each_backend! { all_files! { MANY Parallel, $($name)+; $folder: $($inside)+ } }

        #[cfg(feature = "backend-tokio")]
        mod one_isolate {
            all_files! { "tokio" ONE Parallel, $($name)+; $folder: $($inside)+ }
        }

        #[cfg(feature = "backend-tokio")]
        mod local_tokio {
            all_files! { "tokio" ONE Local, $($name)+; $folder: $($inside)+ }
        }

        #[cfg(feature = "backend-tokio")]
        mod in_executor {
            all_files! { "tokio" MANY Executor, $($name)+; $folder: $($inside)+ }
        }

        #[cfg(feature = "backend-threads")]
        mod local_threads {
            all_files! { "threads" ONE Local, $($name)+; $folder: $($inside)+ }
        }
    };
}

files! {
    atomic_int
    await_many
    awaiting
    bad_arguments
    barrier
    blocking
    broadcaster
    cancel
    cancelled_loops
    channel_stress
    channel_views
    channels
    circuit_breaker
    classes
    classes_alike classes_styles
    close_variables
    commands
    cond
    configure
    contexts
    coroutines
    coroutines_parked
    flow
    globals_apart
    handles
    interrupts
    libraries
    local_mixed
    local_older_references
    local_sharing
    lock_stress
    looking_in
    many_values
    modules
    modules_changed
    modules_changed_strings
    mutex
    once
    placement
    pool_closing
    pool_map
    pool_object
    pool_stress
    pools
    positions
    processes
    rate_limiter
    refusals
    replacing
    reports
    retry
    rwmutex
    scope
    select
    select_stress
    semaphore
    shared_memory
    shared_tables
    shipping_functions
    shipping_globals
    shipping_prototypes
    shipping_random
    shipping_values
    standard_messages
    timeout
    timers
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
