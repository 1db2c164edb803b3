//! Waiting until a pool has nothing to do.

use std::sync::Arc;

use crate::support::{Alarm, Yard, options, poll, poll_with, pool};

#[test]
fn a_pool_with_nothing_to_do_is_not_waited_for() {
    let pool = pool::<crate::support::Job>(options(1, 1));
    assert!(poll(&mut Box::pin(pool.wait())).is_ready());
}

#[test]
fn the_last_task_to_end_wakes_all_who_wait() {
    let yard = Yard::new();
    let pool = pool(options(2, 1));
    for name in 0..3 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    let alarm = Arc::new(Alarm::default());
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(pool.wait())).collect();
    for wait in &mut waits {
        assert!(poll_with(wait, &alarm).is_pending());
    }
    yard.end(0);
    yard.end(1);
    assert_eq!(alarm.rung(), 0);
    yard.end(2);
    assert_eq!(alarm.rung(), 3);
    assert!(waits.iter_mut().all(|wait| poll(wait).is_ready()));
}

#[test]
fn an_instant_after_the_call_is_enough() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    let mut before = Box::pin(pool.wait());
    yard.end(0);
    pool.try_submit(yard.job(1), 0).unwrap();
    let mut after = Box::pin(pool.wait());
    assert!(poll(&mut before).is_ready());
    assert!(poll(&mut after).is_pending());
    yard.end(1);
    assert!(poll(&mut after).is_ready());
}

#[test]
fn a_submit_that_waits_is_not_waited_for_but_what_it_submits_is() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    let mut submit = pool.submit(yard.job(1), 0, None);
    assert!(poll(&mut submit).is_pending());
    let mut wait = Box::pin(pool.wait());
    // Its task takes the slot in the same move, so there is no instant at which nothing is active.
    yard.end(0);
    assert!(poll(&mut wait).is_pending());
    yard.end(1);
    assert!(poll(&mut wait).is_ready());
}

#[test]
fn a_wait_that_is_dropped_leaves_no_trace() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    let alarm = Arc::new(Alarm::default());
    let mut wait = Box::pin(pool.wait());
    assert!(poll_with(&mut wait, &alarm).is_pending());
    drop(wait);
    assert_eq!(Arc::strong_count(&alarm), 1);
    yard.end(0);
    assert_eq!(alarm.rung(), 0);
}
