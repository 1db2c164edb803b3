//! What a [`Backend`](crate::Backend) promises, as tests.
//!
//! A backend, also a stranger's, runs all of them with one macro call, in a file under its `tests/`:
//!
//! ```ignore
//! use std::sync::Arc;
//! use runtime_core::Backend;
//!
//! fn threads() -> Arc<dyn Backend> {
//!     Arc::new(backend_threads::Threads::new())
//! }
//!
//! runtime_core::conformance_tests!(threads);
//! ```
//!
//! The argument is the path of a function that takes nothing and makes a new backend. The macro expands to a module
//! `conformance` with a `#[test]` for each promise, named for it. (Call it in modules of your own to test several
//! ways of making a backend.) A test calls the function of the same name in here, which panics with a sentence that
//! says what was not as promised. So the functions are not for use outside tests.
//!
//! Whatever is waited for is given up after 30 s: a lost wake-up fails a test and does not hang it. No
//! test sleeps to "let it happen". Those on the wall clock allow a machine to be slow, but not a sleep to be short; what
//! depends on time alone runs on [`MovedClock`], which can also serve other tests that need to own the clock.

mod block_on;
mod blocking;
mod futures;
mod instances;
mod kit;
mod moved_clock;
mod sleeps;
mod waiting;
mod workers;

pub use block_on::*;
pub use blocking::*;
pub use futures::*;
pub use instances::*;
pub use moved_clock::MovedClock;
pub use sleeps::*;
pub use waiting::*;
pub use workers::*;

/// A module `conformance` of tests that hold a backend to its promises; see the [module](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    ($make:path) => {
        mod conformance {
            #[allow(unused_imports, reason = "the path may be absolute")]
            use super::*;

            $crate::conformance_tests! { @one $make;
                a_worker_runs_its_body_on_a_thread_of_that_name
                a_worker_ends_with_its_body
                join_gives_up_at_its_bound_and_can_be_repeated
                a_worker_whose_handle_is_dropped_goes_on
                a_worker_outlives_its_backend
                pending_futures_are_dropped_on_their_worker_before_it_has_ended
                a_future_that_spawns_while_it_is_dropped_is_harmless
                a_panic_in_a_body_ends_the_worker_and_join_returns
                a_name_with_a_zero_byte_is_an_error
                workers_run_at_the_same_time
                workers_end_under_load

                futures_run_on_their_workers_thread_and_need_not_be_send
                futures_start_in_the_order_they_were_spawned
                a_hundred_thousand_futures_run
                futures_that_always_yield_take_turns
                a_busy_worker_hears_other_threads
                a_busy_worker_keeps_its_timers
                who_yields_after_long_polls_lets_other_threads_wakes_pass
                who_yields_after_long_polls_lets_timers_pass
                a_panic_in_a_future_ends_it_alone
                a_wake_from_another_thread_is_never_lost
                a_waker_may_outlive_its_worker

                a_sleep_is_never_short
                a_sleep_into_the_past_is_over
                sleeps_end_in_the_order_of_their_deadlines
                an_earlier_sleep_begun_later_is_over_first
                a_dropped_sleep_is_forgotten
                a_sleep_wakes_who_polled_it_last
                a_far_sleep_neither_panics_nor_ends
                ten_thousand_sleeps_end
                a_sleep_may_be_made_and_polled_anywhere
                a_sleep_outlives_the_worker_that_polled_it
                a_sleep_outlives_its_backend
                a_worker_may_be_blocked_on_a_sleep

                a_blocking_job_runs_off_its_worker
                blocking_jobs_may_wait_for_each_other
                a_panic_in_a_blocking_job_ends_it_alone
                a_blocking_job_runs_though_its_backend_is_dropped

                block_on_parks_until_its_future_is_ready
                block_on_may_be_nested
                block_on_lets_a_panic_through
                block_on_serves_a_thousand_wakes

                a_backend_may_be_dropped_on_its_own_worker
                a_handle_is_completed_from_another_worker
                a_cancelled_task_hears_of_it
                a_task_whose_worker_ends_is_cancelled
                a_wait_group_counts_workers_down
                a_wait_for_a_handle_is_bounded_by_a_deadline
                what_is_ready_is_preferred_to_a_deadline_that_has_passed
                a_wait_without_a_deadline_has_no_bound
                a_clock_that_stands_still_ends_no_sleep
                sleepers_wake_in_the_order_of_a_moved_clock
            }
            $crate::conformance_tests! { @two $make;
                two_backends_wait_for_each_other
                a_worker_may_block_on_another_backend
                dropping_a_backend_leaves_another_alone
            }
        }
    };
    (@one $make:path; $($promise:ident)*) => {
        $(#[test] fn $promise() { $crate::conformance::$promise($make()); })*
    };
    (@two $make:path; $($promise:ident)*) => {
        $(#[test] fn $promise() { $crate::conformance::$promise($make(), $make()); })*
    };
}
