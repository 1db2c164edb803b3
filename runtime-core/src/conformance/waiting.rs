//! What this crate's objects mean on a backend: handles and wait groups across workers, deadlines on a moved clock.

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::time::Duration;

use super::MovedClock;
use super::kit::{Event, OnDrop, elsewhere, join, work, yield_now};
use crate::{Backend, Handle, Outcome, Reporting, Status, WaitGroup, block_on, deadline};

const SECOND: Duration = Duration::from_secs(1);

fn task() -> (Handle<u32, String>, crate::Completer<u32, String>) {
    Handle::new(crate::next_id(), Reporting::Never)
}

/// Those who wait on workers and on threads all hear of the end.
pub fn a_handle_is_completed_from_another_worker(backend: Arc<dyn Backend>) {
    let (handle, completer) = task();
    let heard = Event::new("the end of a task");
    let mut workers = Vec::new();
    for _ in 0..2 {
        let (handle, heard) = (handle.clone(), heard.clone());
        workers.push(work(&backend, move |spawner| async move {
            let all = WaitGroup::new();
            assert!(all.add(10).is_ok());
            for _ in 0..10 {
                let (handle, heard, all) = (handle.clone(), heard.clone(), all.clone());
                spawner.spawn_local(Box::pin(async move {
                    handle.wait().await;
                    heard.say(handle.outcome().cloned());
                    assert!(all.done().is_ok());
                }));
            }
            handle.wait().await;
            all.wait().await;
        }));
    }
    workers.push(work(&backend, move |_| async move {
        completer.running();
        yield_now().await;
        completer.complete(Outcome::Done(42));
    }));
    let waiting = (Arc::clone(&backend), handle.clone());
    elsewhere("the end of a task, on a thread", move || block_on(&*waiting.0, waiting.1.wait()));
    workers.into_iter().for_each(join);
    assert_eq!(handle.outcome(), Some(&Outcome::Done(42)));
    for _ in 0..20 {
        assert_eq!(heard.wait(), Some(Outcome::Done(42)));
    }
}

/// Cancelling from a foreign thread wakes the future that runs the task.
pub fn a_cancelled_task_hears_of_it(backend: Arc<dyn Backend>) {
    let (handle, completer) = task();
    let parked = Event::new("the task's first poll");
    let say = parked.clone();
    let worker = work(&backend, move |_| async move {
        completer.waiting();
        let mut said = false;
        poll_fn(|cx| {
            let poll = completer.poll_cancelled(cx);
            if !std::mem::replace(&mut said, true) {
                say.say(());
            }
            poll
        })
        .await;
        let reason = completer.cancelled().flatten();
        completer.complete(Outcome::Cancelled(reason));
    });
    parked.wait();
    assert_eq!(handle.status(), Status::Waiting);
    assert!(handle.cancel(Some("enough")), "the first to cancel");
    join(worker);
    assert_eq!(handle.outcome(), Some(&Outcome::Cancelled(Some("enough".into()))));
}

/// A task that is under way when its worker ends is cancelled, so that nobody waits for it for ever.
pub fn a_task_whose_worker_ends_is_cancelled(backend: Arc<dyn Backend>) {
    let (handle, completer) = task();
    let worker = work(&backend, move |spawner| async move {
        spawner.spawn_local(Box::pin(async move {
            completer.running();
            pending::<()>().await;
        }));
        yield_now().await;
    });
    let waiting = handle.clone();
    elsewhere("the end of a task that can't end", move || block_on(&*backend, waiting.wait()));
    join(worker);
    assert_eq!(handle.status(), Status::Cancelled);
}

/// Four workers count to a thousand each; who waits goes on at zero and not before.
pub fn a_wait_group_counts_workers_down(backend: Arc<dyn Backend>) {
    let group = WaitGroup::new();
    assert!(group.add(4000).is_ok());
    let mut workers = Vec::new();
    for _ in 0..4 {
        let group = group.clone();
        workers.push(work(&backend, move |spawner| async move {
            for _ in 0..1000 {
                let group = group.clone();
                spawner.spawn_local(Box::pin(async move {
                    yield_now().await;
                    assert!(group.done().is_ok());
                }));
            }
            group.wait().await;
        }));
    }
    let waiting = group.clone();
    elsewhere("a wait group at zero", move || block_on(&*backend, waiting.wait()));
    assert_eq!(group.count(), 0);
    workers.into_iter().for_each(join);
}

/// The wait ends at the deadline and is dropped then; the task goes on and can be waited for again.
pub fn a_wait_for_a_handle_is_bounded_by_a_deadline(backend: Arc<dyn Backend>) {
    let clock = MovedClock::new(backend);
    let (handle, completer) = task();
    let (given_up, dropped) = (Event::new("the deadline"), Event::new("the drop of the wait"));
    let (timers, say, say_dropped) = (clock.clone(), given_up.clone(), dropped.clone());
    let on_clock: Arc<dyn Backend> = Arc::new(clock.clone());
    let worker = work(&on_clock, move |_| async move {
        let limit = timers.now() + SECOND;
        let guard = OnDrop(move || say_dropped.say(()));
        let wait = async {
            let _guard = guard;
            handle.wait().await;
        };
        let in_time = deadline(&timers, Some(limit), wait).await.is_some();
        say.say((in_time, timers.now() >= limit));
        let in_time = deadline(&timers, Some(limit + SECOND), handle.wait()).await.is_some();
        say.say((in_time, timers.now() >= limit));
    });
    clock.wait_for_sleepers(1);
    clock.advance(SECOND - Duration::from_nanos(1));
    assert_eq!(given_up.now(), None, "the deadline has not come");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(given_up.wait(), (false, true), "the deadline came first");
    assert_eq!(dropped.now(), Some(()), "the wait is dropped by then");
    completer.complete(Outcome::Done(1));
    assert_eq!(given_up.wait(), (true, true), "the task ended in time");
    join(worker);
    assert_eq!(clock.sleepers(), 0, "a wait that is over leaves no sleep");
}

/// A future that is ready wins against a deadline that has passed.
pub fn what_is_ready_is_preferred_to_a_deadline_that_has_passed(backend: Arc<dyn Backend>) {
    let clock = MovedClock::new(backend);
    elsewhere("a deadline that has passed", move || {
        let limit = clock.now();
        clock.advance(SECOND);
        assert_eq!(block_on(&clock, deadline(&clock, Some(limit), ready(3))), Some(3));
        assert_eq!(block_on(&clock, deadline(&clock, Some(limit), pending::<u8>())), None);
        assert_eq!(clock.sleepers(), 0);
    });
}

/// Without a deadline no sleep is begun.
pub fn a_wait_without_a_deadline_has_no_bound(backend: Arc<dyn Backend>) {
    let clock = MovedClock::new(backend);
    elsewhere("a wait without a deadline", move || {
        let wait = deadline(&clock, None, async { (yield_now().await, 4).1 });
        assert_eq!(block_on(&clock, wait), Some(4));
        assert_eq!(clock.sleepers(), 0);
    });
}

/// However long the backend's own clock goes on, a sleep on a clock that stands is not over.
pub fn a_clock_that_stands_still_ends_no_sleep(backend: Arc<dyn Backend>) {
    let clock = MovedClock::new(Arc::clone(&backend));
    let over = Event::new("the sleep on a moved clock");
    let (say, timers) = (over.clone(), clock.clone());
    let worker = work(&backend, move |_| async move {
        timers.sleep_until(timers.now() + Duration::from_nanos(1)).await;
        say.say(());
    });
    clock.wait_for_sleepers(1);
    elsewhere("a sleep on the backend's own clock", move || {
        block_on(&*backend, backend.sleep_until(backend.now() + Duration::from_millis(5)))
    });
    assert_eq!(over.now(), None, "the clock has not moved");
    clock.advance(Duration::from_nanos(1));
    over.wait();
    join(worker);
}

/// In the order of deadlines, then of falling asleep; those whose time has not come sleep on.
pub fn sleepers_wake_in_the_order_of_a_moved_clock(backend: Arc<dyn Backend>) {
    let clock = MovedClock::new(Arc::clone(&backend));
    let woke = Event::new("the end of a sleep");
    let (ask, settled) = (Event::new("a question"), Event::new("the worker's answer"));
    let (say, timers, told, say_settled) = (woke.clone(), clock.clone(), ask.clone(), settled.clone());
    let worker = work(&backend, move |spawner| async move {
        let start = timers.now();
        let group = WaitGroup::new();
        assert!(group.add(6).is_ok());
        for (n, seconds) in [(4, 4), (1, 1), (5, 9), (2, 2), (6, 9), (3, 2)] {
            let sleep = timers.sleep_until(start + seconds * SECOND);
            let (say, group) = (say.clone(), group.clone());
            spawner.spawn_local(Box::pin(async move {
                sleep.await;
                say.say(n);
                assert!(group.done().is_ok());
            }));
        }
        told.heard().await;
        say_settled.say(());
        group.wait().await;
    });
    clock.wait_for_sleepers(6);
    // The last of them may still be on its way out of its poll, until the worker does something else.
    ask.say(());
    settled.wait();
    clock.advance(3 * SECOND);
    assert_eq!([woke.wait(), woke.wait(), woke.wait()], [1, 2, 3]);
    assert_eq!(clock.sleepers(), 3, "the others sleep on");
    clock.advance(6 * SECOND);
    assert_eq!([woke.wait(), woke.wait(), woke.wait()], [4, 5, 6]);
    join(worker);
}
