//! Tasks that submit to their own pool.

use std::task::Poll;

use runtime_core::{SubmitError, SubmitErrorKind};

use crate::support::{Job, Yard, check, options, poll, pool};

fn refused(polled: Poll<Result<runtime_core::TaskId, SubmitError<Job>>>) -> SubmitError<Job> {
    match polled {
        Poll::Ready(Err(error)) => error,
        _ => panic!("it should be refused"),
    }
}

#[test]
fn the_last_worker_to_block_on_its_own_pool_is_refused_and_the_others_go_on() {
    let yard = Yard::new();
    let pool = pool(options(2, 1));
    for name in 0..3 {
        pool.try_submit(yard.job(name), 0).unwrap();
    }
    let mut first = pool.submit(yard.job(3), 0, Some(yard.slot_id(0)));
    assert!(poll(&mut first).is_pending());
    let error = refused(poll(&mut pool.submit(yard.job(4), 0, Some(yard.slot_id(1)))));
    assert_eq!((error.kind, error.task.name), (SubmitErrorKind::WouldDeadlock, 4));
    let message = error.to_string();
    for part in ["'test'", "workers (2)", "queue (1)", "raise `queue` or `workers`"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(pool.stats().rejected, 1);
    yard.end(1);
    assert!(matches!(poll(&mut first), Poll::Ready(Ok(_))));
    assert_eq!(yard.started(), [0, 1, 2]);
    check(&pool.stats());
}

#[test]
fn the_only_worker_of_a_pool_without_a_queue_is_refused_at_once() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    let inside = Some(yard.slot_id(0));
    let error = refused(poll(&mut pool.submit(yard.job(1), 0, inside)));
    assert_eq!(error.kind, SubmitErrorKind::WouldDeadlock);
}

#[test]
fn a_task_that_submits_where_there_is_room_is_accepted() {
    let yard = Yard::new();
    let pool = pool(options(1, 1));
    pool.try_submit(yard.job(0), 0).unwrap();
    let inside = Some(yard.slot_id(0));
    assert!(matches!(poll(&mut pool.submit(yard.job(1), 0, inside)), Poll::Ready(Ok(_))));
}

#[test]
fn who_submits_from_outside_waits() {
    let yard = Yard::new();
    let (own, other) = (pool(options(1, 0)), pool(options(1, 0)));
    own.try_submit(yard.job(0), 0).unwrap();
    other.try_submit(yard.job(1), 0).unwrap();
    let mut outside = own.submit(yard.job(2), 0, None);
    let mut from_other = own.submit(yard.job(3), 0, Some(yard.slot_id(1)));
    assert!(poll(&mut outside).is_pending() && poll(&mut from_other).is_pending());
}

#[test]
fn a_submit_that_was_withdrawn_blocks_nobody() {
    let yard = Yard::new();
    let pool = pool(options(2, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let mut withdrawn = pool.submit(yard.job(2), 0, Some(yard.slot_id(0)));
    assert!(poll(&mut withdrawn).is_pending());
    drop(withdrawn);
    let mut submit = pool.submit(yard.job(3), 0, Some(yard.slot_id(1)));
    assert!(poll(&mut submit).is_pending());
}

#[test]
fn a_task_that_waits_in_two_submits_counts_once() {
    let yard = Yard::new();
    let pool = pool(options(2, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let inside = Some(yard.slot_id(0));
    let mut submits = [pool.submit(yard.job(2), 0, inside), pool.submit(yard.job(3), 0, inside)];
    assert!(submits.iter_mut().all(|submit| poll(submit).is_pending()));
    yard.end(1);
    let error = refused(poll(&mut pool.submit(yard.job(4), 0, Some(yard.slot_id(2)))));
    assert_eq!(error.kind, SubmitErrorKind::WouldDeadlock);
}

#[test]
fn the_slot_of_a_task_that_has_ended_means_nothing() {
    let yard = Yard::new();
    let pool = pool(options(1, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    let old = yard.slot_id(0);
    yard.end(0);
    pool.try_submit(yard.job(1), 0).unwrap();
    let mut submit = pool.submit(yard.job(2), 0, Some(old));
    assert!(poll(&mut submit).is_pending());
    yard.end(1);
    assert!(matches!(poll(&mut submit), Poll::Ready(Ok(_))));
}

#[test]
fn a_task_may_end_while_its_submit_still_waits() {
    let yard = Yard::new();
    let pool = pool(options(2, 0));
    pool.try_submit(yard.job(0), 0).unwrap();
    pool.try_submit(yard.job(1), 0).unwrap();
    let inside = Some(yard.slot_id(0));
    let mut submits = [pool.submit(yard.job(2), 0, inside), pool.submit(yard.job(3), 0, inside)];
    assert!(submits.iter_mut().all(|submit| poll(submit).is_pending()));
    yard.end(0);
    assert!(matches!(poll(&mut submits[0]), Poll::Ready(Ok(_))));
    let mut submit = pool.submit(yard.job(4), 0, Some(yard.slot_id(2)));
    assert!(poll(&mut submit).is_pending());
}
