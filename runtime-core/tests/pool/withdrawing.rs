//! Tasks that are taken out of the queue.

use std::sync::Arc;

use runtime_core::Close;

use crate::support::{Alarm, Yard, check, options, poll, poll_with, pool};

#[test]
fn a_queued_task_comes_back_and_counts_as_cancelled() {
    let yard = Yard::new();
    let pool = pool(options(1, 5));
    for name in 0..6 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    for name in [3, 5, 1] {
        assert_eq!(pool.withdraw(u64::from(name)).map(|job| job.name), Some(name));
        check(&pool.stats());
    }
    assert_eq!((pool.stats().queued, pool.stats().cancelled), (2, 3));
    for name in [0, 2, 4] {
        yard.end(name);
    }
    assert_eq!((yard.started(), yard.dropped()), (vec![0, 2, 4], vec![]));
    assert_eq!((pool.stats().completed, pool.stats().submitted), (3, 6));
}

#[test]
fn what_is_not_in_the_queue_cannot_be_withdrawn() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let mut blocked = pool.submit(yard.job(2), 0, None);
    assert!(poll(&mut blocked).is_pending());
    for name in [0, 2, 3] {
        assert!(pool.withdraw(name).is_none());
    }
    assert!(pool.withdraw(1).is_some());
    assert!(pool.withdraw(1).is_none());
    check(&pool.stats());
}

#[test]
fn its_room_goes_to_the_first_submit_that_waits() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let alarm = Arc::new(Alarm::default());
    let mut blocked = pool.submit(yard.job(2), 0, None);
    assert!(poll_with(&mut blocked, &alarm).is_pending());
    assert!(pool.withdraw(1).is_some());
    assert_eq!(alarm.rung(), 1);
    assert!(poll(&mut blocked).is_ready());
    assert!(pool.try_submit(yard.job(3), 0).is_err());
    yard.end(0);
    assert_eq!(yard.started(), [0, 2]);
    check(&pool.stats());
}

#[test]
fn who_waits_for_the_end_goes_on_when_nothing_is_left() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let mut closed = Box::pin(pool.close(Close::Finish));
    assert!(pool.withdraw(1).is_some());
    assert!(poll(&mut closed).is_pending());
    yard.end(0);
    assert!(poll(&mut closed).is_ready());
    assert_eq!((pool.stats().completed, pool.stats().cancelled), (1, 1));
}
