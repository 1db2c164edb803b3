//! What contexts and alarms promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use runtime_core::conformance::MovedClock;
use runtime_core::testing::BareBackend;
use runtime_core::{Alarm, Backend, Channel, Context, EndOfContext, block_on, fan_out};

const SECOND: Duration = Duration::from_secs(1);

fn clock() -> (MovedClock, Arc<dyn Backend>) {
    let clock = MovedClock::new(Arc::new(BareBackend::new()));
    (clock.clone(), Arc::new(clock))
}

#[test]
fn a_parents_end_ends_its_children_and_theirs() {
    let root = Context::new();
    let (left, right) = (root.with_cancel(), root.with_cancel());
    let below = left.with_cancel();
    assert!(left.cancel());
    assert!(!left.cancel());
    assert_eq!(below.ended(), Some(EndOfContext::Canceled));
    assert_eq!((root.ended(), right.ended()), (None, None));
    assert_eq!(root.children(), 2);
    assert_eq!(left.with_cancel().ended(), Some(EndOfContext::Canceled));
    root.cancel();
    assert_eq!(right.ended(), Some(EndOfContext::Canceled));
    assert_eq!(root.children(), 0);
}

#[test]
fn the_earlier_deadline_counts_and_takes_one_timer() {
    let (clock, backend) = clock();
    let long = Context::new().with_timeout(&backend, 10 * SECOND);
    let short = long.with_timeout(&backend, 5 * SECOND);
    let longer = short.with_timeout(&backend, 20 * SECOND);
    assert_eq!(clock.sleepers(), 2);
    assert_eq!(longer.deadline(), short.deadline());
    clock.advance(5 * SECOND);
    assert_eq!(longer.ended(), Some(EndOfContext::DeadlineExceeded));
    assert_eq!(short.ended(), Some(EndOfContext::DeadlineExceeded));
    assert_eq!((long.ended(), clock.sleepers()), (None, 1));
    assert!(long.cancel());
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn what_nobody_has_any_more_is_gone_with_its_timer() {
    let (clock, backend) = clock();
    let root = Context::new();
    for _ in 0..1000 {
        let made = root.with_timeout(&backend, SECOND).with_cancel().with_timeout(&backend, SECOND / 2);
        assert_eq!(clock.sleepers(), 2);
        drop(made);
        assert_eq!((clock.sleepers(), root.children()), (0, 0));
    }
}

#[test]
fn a_time_that_is_over_is_seen_before_its_timer_has_run() {
    let (_, backend) = clock();
    let over = Context::new().with_timeout(&backend, Duration::ZERO);
    assert_eq!(over.ended(), Some(EndOfContext::DeadlineExceeded));
    let past = Context::new().with_deadline(&backend, SystemTime::now() - SECOND);
    assert!(!past.cancel());
    assert_eq!(past.ended(), Some(EndOfContext::DeadlineExceeded));
    let never = Context::new().with_timeout(&backend, Duration::MAX);
    assert_eq!((never.ended(), never.deadline()), (None, None));
}

#[test]
fn who_waits_hears_of_the_end() {
    let (clock, backend) = clock();
    let context = Context::new().with_timeout(&backend, SECOND).with_cancel();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let wait = context.wait();
            thread::spawn(move || block_on(&BareBackend::new(), wait))
        })
        .collect();
    clock.advance(SECOND);
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), EndOfContext::DeadlineExceeded);
    }
}

#[test]
fn what_is_to_be_done_at_the_end_is_done_once_unless_it_is_taken_back() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = || {
        let done = Arc::clone(&done);
        move |_| {
            done.fetch_add(1, Ordering::SeqCst);
        }
    };
    let context = Context::new();
    let kept = context.at_end(count());
    drop(context.at_end(count()));
    context.cancel();
    assert_eq!(done.load(Ordering::SeqCst), 1);
    let late = context.at_end(count());
    assert_eq!(done.load(Ordering::SeqCst), 2);
    drop((kept, late));
    assert_eq!(Arc::strong_count(&done), 1);
}

#[test]
fn a_line_of_contexts_of_any_length_ends_and_is_dropped() {
    let root = Context::new();
    let mut last = root.clone();
    for _ in 0..100_000 {
        last = last.with_cancel();
    }
    root.cancel();
    assert!(last.ended().is_some());
    let mut last = Context::new();
    for _ in 0..100_000 {
        last = last.with_cancel();
    }
    drop(last);
}

#[test]
fn making_cancelling_and_dropping_at_once_leaves_nothing() {
    let (clock, backend) = clock();
    for _ in 0..300 {
        let root = Context::new();
        let makers: Vec<_> = (0..3)
            .map(|_| {
                let (root, backend) = (root.clone(), Arc::clone(&backend));
                thread::spawn(move || root.with_timeout(&backend, SECOND))
            })
            .collect();
        root.cancel();
        for maker in makers {
            assert_eq!(maker.join().unwrap().ended(), Some(EndOfContext::Canceled));
        }
        assert_eq!((root.children(), clock.sleepers()), (0, 0));
    }
}

#[test]
fn an_alarm_rings_once_or_never() {
    let (clock, _) = clock();
    let rung = Arc::new(AtomicUsize::new(0));
    let set = |after: Duration| {
        let rung = Arc::clone(&rung);
        Alarm::new(&clock, clock.now() + after, move || {
            rung.fetch_add(1, Ordering::SeqCst);
        })
    };
    let (now, later, dropped) = (set(Duration::ZERO), set(SECOND), set(SECOND));
    assert_eq!((rung.load(Ordering::SeqCst), clock.sleepers()), (1, 2));
    drop(dropped);
    assert_eq!(clock.sleepers(), 1);
    clock.advance(2 * SECOND);
    assert_eq!((rung.load(Ordering::SeqCst), clock.sleepers()), (2, 0));
    drop((now, later));
    assert_eq!(Arc::strong_count(&rung), 1);
}

#[test]
fn a_channel_keeps_what_it_was_given_as_long_as_it_is_there() {
    let kept = Arc::new(());
    let channel = Channel::<()>::keeping(0, Arc::clone(&kept));
    let weak = channel.downgrade();
    assert!(weak.upgrade().is_some_and(|again| again.same(&channel)));
    assert_eq!(Arc::strong_count(&kept), 2);
    drop(channel);
    assert!(weak.upgrade().is_none());
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn a_channel_that_keeps_something_is_not_closed_by_those_who_have_it() {
    let channel = Channel::<()>::keeping(0, ());
    assert!(!channel.close() && !channel.is_closed() && !channel.can_be_closed());
    block_on(&BareBackend::new(), fan_out(channel.clone(), Vec::new())); // which closes its input when it ends
    assert!(!channel.is_closed());
    assert!(channel.downgrade().close() && channel.is_closed());
    assert!(!channel.downgrade().close());
}
