//! Handles and wait groups under every interleaving:
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-core --test loom --release`.
//!
//! All that they are made of is modelled: atomics, fences, locks, `OnceLock`, `AtomicWaker` (the last two by what they
//! promise, see `src/sync.rs`), and event-listener by its own loom feature. A lost wake-up shows as a deadlock.
#![cfg(loom)]

mod explore;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use explore::{model, model_of_three};
use loom::future::block_on;
use loom::thread;
use runtime_core::{Completer, Handle, Outcome, Queued, Report, Reporting, Status, WaitGroup};

type Task = Handle<u32, u32>;

fn task() -> (Task, Completer<u32, u32>) {
    Handle::new(1, Reporting::Never)
}

/// A task whose unseen failure is counted. Not a loom atomic: it is read when all threads are joined.
fn reported() -> (Handle<u32, Counted>, Completer<u32, Counted>, Counted) {
    let report: Report<Counted> = |failure| {
        failure.0.fetch_add(1, Ordering::SeqCst);
    };
    let (handle, completer) = Handle::new(1, Reporting::IfUnseen(report));
    (handle, completer, Counted(Arc::default()))
}

/// A failure that counts how often it was reported.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

#[test]
fn who_waits_for_a_task_hears_of_its_end() {
    model(|| {
        let (handle, completer) = task();
        let runner = thread::spawn(move || completer.complete(Outcome::Done(7)));
        block_on(handle.wait());
        assert_eq!(handle.outcome(), Some(&Outcome::Done(7)));
        runner.join().unwrap();
    });
}

#[test]
fn what_hears_first_of_the_end_has_heard_when_a_waiter_goes_on_and_finds_the_task_ended() {
    model(|| {
        let (handle, completer) = task();
        let counted = loom::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let (counter, seen) = (counted.clone(), handle.clone());
        let runner = thread::spawn(move || {
            completer.complete_then(Outcome::Done(7), || {
                // As somebody would find it who is woken here.
                assert_eq!(seen.status(), Status::Done);
                counter.store(1, Ordering::SeqCst);
            });
        });
        // Whether it finds the end at once or is woken.
        block_on(handle.wait());
        assert_eq!(counted.load(Ordering::SeqCst), 1);
        assert_eq!(handle.status(), Status::Done);
        runner.join().unwrap();
    });
}

#[test]
fn a_task_whose_outcome_can_be_seen_has_ended() {
    model(|| {
        let (handle, completer) = task();
        completer.running();
        let runner = thread::spawn(move || completer.complete(Outcome::Done(7)));
        if handle.peek().is_some() {
            assert_eq!(handle.status(), Status::Done);
        }
        runner.join().unwrap();
    });
}

#[test]
fn all_who_wait_hear_of_it() {
    model_of_three(|| {
        let (handle, completer) = task();
        let other = handle.clone();
        let waiter = thread::spawn(move || {
            block_on(other.wait());
            other.outcome().cloned()
        });
        let runner = thread::spawn(move || completer.complete(Outcome::Done(7)));
        block_on(handle.wait());
        assert_eq!(waiter.join().unwrap(), Some(Outcome::Done(7)));
        runner.join().unwrap();
    });
}

#[test]
fn nobody_waits_for_a_runner_that_is_gone() {
    model(|| {
        let (handle, completer) = task();
        let runner = thread::spawn(move || drop(completer));
        block_on(handle.wait());
        assert!(matches!(handle.outcome(), Some(Outcome::Cancelled(Some(_)))));
        runner.join().unwrap();
    });
}

#[test]
fn a_runner_hears_of_cancelling() {
    model(|| {
        let (handle, completer) = task();
        let runner = thread::spawn(move || {
            block_on(poll_fn(|cx| completer.poll_cancelled(cx)));
            completer.complete(Outcome::Cancelled(None));
        });
        assert!(handle.cancel(None));
        block_on(handle.wait());
        assert_eq!(handle.outcome(), Some(&Outcome::Cancelled(None)));
        runner.join().unwrap();
    });
}

#[test]
fn one_of_two_cancels_is_the_first() {
    model(|| {
        let (handle, completer) = task();
        let other = handle.clone();
        let canceller = thread::spawn(move || other.cancel(Some("other")));
        let here = handle.cancel(Some("here"));
        let there = canceller.join().unwrap();
        assert!(here != there);
        let reason = if here { "here" } else { "other" };
        assert_eq!(completer.cancelled(), Some(Some(reason.into())));
    });
}

#[test]
fn a_failure_that_nobody_can_see_any_more_is_reported_once() {
    model(|| {
        let (handle, completer, reports) = reported();
        let other = handle.clone();
        let failure = reports.clone();
        let runner = thread::spawn(move || completer.complete(Outcome::Failed(failure)));
        let dropper = thread::spawn(move || drop(other));
        drop(handle);
        runner.join().unwrap();
        dropper.join().unwrap();
        assert_eq!(reports.0.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_failure_that_was_seen_is_not_reported() {
    model(|| {
        let (handle, completer, reports) = reported();
        let failure = reports.clone();
        let runner = thread::spawn(move || completer.complete(Outcome::Failed(failure)));
        block_on(handle.wait());
        assert!(matches!(handle.outcome(), Some(Outcome::Failed(_))));
        drop(handle);
        runner.join().unwrap();
        assert_eq!(reports.0.load(Ordering::SeqCst), 0);
    });
}

/// What a task needs to run; it counts those that were told of being cancelled.
struct Load(Arc<AtomicUsize>);

impl Queued for Load {
    fn cancelled(self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_queued_task_either_starts_or_is_cancelled() {
    model(|| {
        let told = Arc::new(AtomicUsize::new(0));
        let (handle, completer) = Handle::<u32, u32, Load>::new(1, Reporting::Never);
        let other = handle.clone();
        let canceller = thread::spawn(move || other.cancel(None));
        completer.queue(Load(Arc::clone(&told)));
        let runs = completer.unqueue().is_some();
        match runs {
            true => completer.complete(Outcome::Done(7)),
            // What is dropped here must not tell the end before the one who cancels does.
            false => drop(completer),
        }
        let first = canceller.join().unwrap();
        assert_eq!(told.load(Ordering::SeqCst), usize::from(!runs));
        assert!(runs || first);
        let expected = if runs { Outcome::Done(7) } else { Outcome::Cancelled(None) };
        assert_eq!(handle.outcome(), Some(&expected));
    });
}

#[test]
fn who_waits_for_a_task_that_is_cancelled_in_the_queue_hears_of_it_there() {
    model(|| {
        let told = Arc::new(AtomicUsize::new(0));
        let (handle, completer) = Handle::<u32, u32, Load>::new(1, Reporting::Never);
        completer.queue(Load(Arc::clone(&told)));
        let other = handle.clone();
        let canceller = thread::spawn(move || other.cancel(None));
        block_on(handle.wait());
        assert_eq!(handle.outcome(), Some(&Outcome::Cancelled(None)));
        assert_eq!(told.load(Ordering::SeqCst), 1);
        assert!(canceller.join().unwrap());
        drop(completer);
    });
}

#[test]
fn who_waits_for_a_group_goes_on_at_zero() {
    model(|| {
        let group = WaitGroup::new();
        group.add(2).unwrap();
        let workers = [group.clone(), group.clone()].map(|group| thread::spawn(move || group.done()));
        block_on(group.wait());
        assert_eq!(group.count(), 0);
        for worker in workers {
            assert_eq!(worker.join().unwrap(), Ok(()));
        }
    });
}

#[test]
fn all_who_wait_for_a_group_go_on() {
    model_of_three(|| {
        let group = WaitGroup::new();
        group.add(1).unwrap();
        let other = group.clone();
        let waiter = thread::spawn(move || block_on(other.wait()));
        let last = group.clone();
        let worker = thread::spawn(move || last.done());
        block_on(group.wait());
        assert_eq!(worker.join().unwrap(), Ok(()));
        waiter.join().unwrap();
    });
}

#[test]
fn the_counter_never_goes_below_zero() {
    model(|| {
        let group = WaitGroup::new();
        group.add(1).unwrap();
        let other = group.clone();
        let worker = thread::spawn(move || other.done().is_ok());
        let here = group.done().is_ok();
        assert!(here != worker.join().unwrap());
        assert_eq!(group.count(), 0);
    });
}
