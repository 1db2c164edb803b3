//! Tasks that end while they are being started.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runtime_core::{Ended, Pool, Slot};

use crate::support::{Call, check, options, pool};

/// Runs `test` where a recursion of a few thousand frames would end the process.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(test);
    thread.unwrap().join().unwrap();
}

fn end(slot: Slot<Call>) {
    slot.finish(Ended::Completed);
}

#[test]
fn a_million_queued_tasks_that_end_at_once_need_no_deep_stack() {
    on_a_small_stack(|| {
        let pool = pool(options(1, usize::MAX));
        let held = Arc::new(std::sync::Mutex::new(None));
        let first = Arc::clone(&held);
        pool.try_submit(Call::new(move |slot| *first.lock().unwrap() = Some(slot)), 0).unwrap();
        for _ in 0..1_000_000 {
            pool.try_submit(Call::new(end), 0).unwrap();
        }
        let slot: Option<Slot<Call>> = held.lock().unwrap().take();
        end(slot.unwrap());
        let stats = pool.stats();
        assert_eq!((stats.completed, stats.active, stats.queued), (1_000_001, 0, 0));
    });
}

#[test]
fn a_chain_of_tasks_that_submit_the_next_needs_no_deep_stack() {
    fn link(pool: &Pool<Call>, left: usize) {
        let next = pool.clone();
        let submitted = pool.try_submit(
            Call::new(move |slot| {
                end(slot);
                if left > 0 {
                    link(&next, left - 1);
                }
            }),
            0,
        );
        assert!(submitted.is_ok());
    }
    on_a_small_stack(|| {
        // Without a queue: what is submitted inside a start must be accepted for the slot that is free again.
        let pool = pool(options(1, 0));
        link(&pool, 100_000);
        assert_eq!(pool.stats().completed, 100_001);
        check(&pool.stats());
    });
}

#[test]
fn two_pools_that_feed_each_other_need_no_deep_stack() {
    fn bounce(one: &Pool<Call>, other: &Pool<Call>, left: usize) {
        let (back, here) = (other.clone(), one.clone());
        let call = Call::new(move |slot| {
            end(slot);
            if left > 0 {
                bounce(&back, &here, left - 1);
            }
        });
        assert!(one.try_submit(call, 0).is_ok());
    }
    on_a_small_stack(|| {
        let (one, other) = (pool(options(1, 1)), pool(options(1, 1)));
        bounce(&one, &other, 100_000);
        assert_eq!(one.stats().completed + other.stats().completed, 100_001);
    });
}

#[test]
fn a_panic_in_a_start_fails_that_task_alone() {
    let pool = pool(options(1, 10));
    let ran = Arc::new(AtomicUsize::new(0));
    let inner = pool.clone();
    let count = Arc::clone(&ran);
    pool.try_submit(
        Call::new(move |slot| {
            for _ in 0..5 {
                let count = Arc::clone(&count);
                let queued = inner.try_submit(
                    Call::new(move |slot| {
                        count.fetch_add(1, Ordering::SeqCst);
                        end(slot);
                    }),
                    0,
                );
                assert!(queued.is_ok());
            }
            let _slot = slot;
            panic!("a test panics in start");
        }),
        0,
    )
    .unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 5);
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.failed, stats.active), (5, 1, 0));
}
