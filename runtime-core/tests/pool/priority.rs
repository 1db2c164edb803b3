//! Who goes first.

use runtime_core::Pool;

use crate::support::{Job, Yard, options, poll, pool};

fn by_priority(workers: usize, queue: usize) -> Pool<Job> {
    let mut options = options(workers, queue);
    options.priority = true;
    pool(options)
}

#[test]
fn the_highest_goes_first_and_equals_in_order() {
    let yard = Yard::new();
    let pool = by_priority(1, 10);
    for (name, priority) in [(0, 0), (1, 1), (2, 5), (3, -7), (4, 5), (5, 1), (6, i64::MIN), (7, i64::MAX)] {
        pool.try_submit(yard.job(name), priority).unwrap();
    }
    for name in [0, 7, 2, 4, 1, 5, 3, 6] {
        yard.end(name);
    }
    assert_eq!(yard.started(), [0, 7, 2, 4, 1, 5, 3, 6]);
}

#[test]
fn a_submit_that_waits_and_outranks_the_queue_goes_before_it() {
    let yard = Yard::new();
    let pool = by_priority(1, 1);
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 5).unwrap();
    let mut low = pool.submit(yard.job(2), 1, None);
    let mut equal = pool.submit(yard.job(3), 5, None);
    let mut high = pool.submit(yard.job(4), 9, None);
    assert!(poll(&mut low).is_pending() && poll(&mut equal).is_pending() && poll(&mut high).is_pending());
    for name in [0, 4, 1, 3, 2] {
        yard.end(name);
    }
    assert_eq!(yard.started(), [0, 4, 1, 3, 2]);
    assert!(poll(&mut low).is_ready() && poll(&mut equal).is_ready() && poll(&mut high).is_ready());
}

#[test]
fn priority_counts_only_where_the_pool_was_made_so() {
    let yard = Yard::new();
    let pool = pool(options(1, 2));
    for (name, priority) in [(0, 0), (1, 1), (2, 2)] {
        pool.try_submit(yard.job(name), priority).unwrap();
    }
    yard.end(0);
    yard.end(1);
    assert_eq!(yard.started(), [0, 1, 2]);
}
