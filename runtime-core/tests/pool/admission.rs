//! Who gets in, and when.

use std::sync::Arc;
use std::task::Poll;

use runtime_core::{PoolOptions, SubmitErrorKind, next_id};

use crate::support::{Alarm, Call, Yard, check, options, poll, poll_with, pool, refusing};

#[test]
fn as_many_run_as_there_are_workers_and_the_others_wait_in_order() {
    let yard = Yard::new();
    let pool = pool(options(2, 3));
    for name in 0..5 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    assert_eq!(yard.started(), [0, 1]);
    assert_eq!((pool.stats().active, pool.stats().queued), (2, 3));
    yard.end(1);
    assert_eq!(yard.started(), [0, 1, 2]);
    yard.end(0);
    yard.end(2);
    assert_eq!(yard.started(), [0, 1, 2, 3, 4]);
    yard.end(3);
    yard.end(4);
    assert_eq!((pool.stats().active, pool.stats().completed), (0, 5));
}

#[test]
fn there_are_four_workers_and_eight_places_unless_set() {
    let yard = Yard::new();
    let pool = pool(PoolOptions::default());
    for name in 0..12 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    assert!(pool.try_submit(yard.job(12), 0).is_err());
    assert_eq!((pool.stats().workers, pool.stats().active), (4, 4));
}

#[test]
fn there_is_always_one_worker() {
    let yard = Yard::new();
    let pool = pool(options(0, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    assert_eq!((pool.stats().workers, yard.started()), (1, vec![0]));
}

#[test]
fn a_task_that_is_refused_comes_back() {
    let yard = Yard::new();
    let pool = pool(refusing(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let error = pool.try_submit(yard.job(2), 0).unwrap_err();
    assert_eq!((error.kind, error.task.name), (SubmitErrorKind::Full, 2));
    assert_eq!(error.to_string(), "pool queue is full");
    let Poll::Ready(Err(error)) = poll(&mut pool.submit(yard.job(3), 0, None)) else {
        panic!("it should be refused");
    };
    assert_eq!((error.kind, error.task.name), (SubmitErrorKind::Full, 3));
    assert_eq!((pool.stats().rejected, pool.stats().submitted), (2, 2));
}

#[test]
fn without_a_queue_only_a_free_worker_will_do() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    assert!(pool.try_submit(yard.job(1), 0).is_err());
    let mut blocked = pool.submit(yard.job(2), 0, None);
    assert!(poll(&mut blocked).is_pending());
    yard.end(0);
    assert!(poll(&mut blocked).is_ready());
    assert_eq!(yard.started(), [0, 2]);
    yard.end(2);
    pool.try_submit(yard.job(3), 0).unwrap();
    assert_eq!(yard.started(), [0, 2, 3]);
}

#[test]
fn submits_that_wait_are_let_in_in_order_and_only_those_are_woken() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let alarms: Vec<_> = (0..3).map(|_| Arc::new(Alarm::default())).collect();
    let mut submits: Vec<_> = (2..5).map(|name| pool.submit(yard.job(name), 0, None)).collect();
    for (submit, alarm) in submits.iter_mut().zip(&alarms) {
        assert!(poll_with(submit, alarm).is_pending());
    }
    assert_eq!(pool.stats().submitted, 2);
    for n in 0..3 {
        yard.end(n);
        let rung: Vec<_> = alarms.iter().map(|alarm| alarm.rung()).collect();
        assert_eq!(rung, (0..3).map(|m| usize::from(m <= n)).collect::<Vec<_>>());
        assert!(matches!(poll(&mut submits[n as usize]), Poll::Ready(Ok(_))));
        // Nobody overtakes those who wait.
        assert!(pool.try_submit(yard.job(99), 0).is_err());
    }
    yard.end(3);
    yard.end(4);
    assert_eq!(yard.started(), [0, 1, 2, 3, 4]);
    check(&pool.stats());
}

#[test]
fn a_submit_that_is_dropped_was_never_made() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    drop(pool.submit(yard.job(9), 0, None));
    pool.try_submit(yard.job(0), 0).unwrap();
    let mut dropped = pool.submit(yard.job(1), 0, None);
    let mut kept = pool.submit(yard.job(2), 0, None);
    assert!(poll(&mut dropped).is_pending());
    assert!(poll(&mut kept).is_pending());
    drop(dropped);
    yard.end(0);
    assert_eq!((yard.started(), yard.dropped()), (vec![0, 2], vec![]));
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.rejected), (2, 0));
}

#[test]
fn a_submit_that_was_accepted_is_not_undone_by_dropping_it() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    let mut submit = pool.submit(yard.job(1), 0, None);
    assert!(poll(&mut submit).is_pending());
    yard.end(0);
    drop(submit);
    yard.end(1);
    assert_eq!(pool.stats().completed, 2);
}

#[test]
fn nothing_is_submitted_before_the_first_poll() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    let mut submit = pool.submit(yard.job(0), 0, None);
    assert_eq!(pool.stats().submitted, 0);
    assert!(poll(&mut submit).is_ready());
    assert_eq!(yard.started(), [0]);
}

#[test]
fn what_was_accepted_runs_when_the_pool_is_gone() {
    let yard = Yard::new();
    let pool = pool(options(1, 2));
    for name in 0..3 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    drop(pool);
    for name in 0..3 {
        yard.end(name);
    }
    assert_eq!(yard.started(), [0, 1, 2]);
}

#[test]
fn task_ids_are_unique_in_the_process_and_say_what_they_are() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    let before = next_id();
    let first = pool.try_submit(yard.job(0), 0).unwrap();
    let second = pool.try_submit(yard.job(1), 0).unwrap();
    assert!(before < first.number() && first < second);
    assert_eq!(first.to_string(), format!("task-{}", first.number()));
    assert_eq!(yard.slot(0).task_id(), first);
}

#[test]
fn its_futures_go_anywhere() {
    fn anywhere<T: Send + 'static>(_: &T) {}
    let pool = pool(options(1, 1));
    anywhere(&pool);
    anywhere(&pool.submit(Call::new(drop), 0, None));
    anywhere(&pool.wait());
    anywhere(&pool.close(runtime_core::Close::Finish));
}
