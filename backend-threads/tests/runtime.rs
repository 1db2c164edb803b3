//! `runtime_core::Runtime`, on std threads and on tokio.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use backend_threads::Threads;
use backend_tokio::Tokio;
use futures_lite::future::yield_now;
use runtime_core::{Backend, Handle, Outcome, Runtime, Status, TaskError, Unfinished, block_on, deadline};

const PATIENCE: Duration = Duration::from_secs(30);

type Task<T = ()> = Handle<T, TaskError<&'static str>>;

/// A test for each backend.
macro_rules! on_both {
    ($(fn $promise:ident($backend:ident) $test:block)*) => {
        mod promises {
            use super::*;
            $(pub(super) fn $promise($backend: Arc<dyn Backend>) $test)*
        }
        mod threads {
            use super::*;
            $(#[test] fn $promise() { promises::$promise(Arc::new(Threads::new())) })*
        }
        mod tokio {
            use super::*;
            $(#[test] fn $promise() { promises::$promise(Arc::new(Tokio::new())) })*
        }
    };
}

fn start(backend: &Arc<dyn Backend>, workers: usize) -> Runtime {
    Runtime::new(Arc::clone(backend), workers).unwrap()
}

/// How the task ends, for a while.
fn end_of<T: Clone + 'static>(runtime: &Runtime, task: &Task<T>) -> Outcome<T, TaskError<&'static str>> {
    end_on(runtime.backend(), task)
}

fn end_on<T: Clone + 'static>(backend: &dyn Backend, task: &Task<T>) -> Outcome<T, TaskError<&'static str>> {
    let limit = Some(backend.now() + PATIENCE);
    let ended = block_on(backend, deadline(backend, limit, task.wait()));
    assert!(ended.is_some(), "waited in vain for {task:?}");
    task.outcome().unwrap().clone()
}

/// A panic that the panic hook does not print, for it is meant.
fn panic_quietly(message: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(message))
}

/// A task that blocks the thread of its worker until the sender is dropped, and that has begun.
fn blocked(runtime: &Runtime) -> (Task, flume::Sender<()>) {
    let (release, released) = flume::bounded::<()>(0);
    let (begin, begun) = flume::bounded(1);
    let task = runtime.spawn(move || async move {
        begin.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    });
    begun.recv_timeout(PATIENCE).unwrap();
    (task, release)
}

/// A task that waits at an `await` until it is told to go, and then blocks its worker until the second sender is dropped.
fn parked(runtime: &Runtime) -> (Task, flume::Sender<()>, flume::Sender<()>) {
    let (release, released) = flume::bounded::<()>(0);
    let (go, told) = flume::bounded(1);
    let task: Task = runtime.spawn(move || async move {
        let _ = told.recv_async().await;
        let _ = released.recv();
        Ok(())
    });
    while task.status() != Status::Waiting {
        thread::yield_now();
    }
    (task, go, release)
}

on_both! {
    fn a_task_gives_its_value_or_its_error(backend) {
        let runtime = start(&backend, 2);
        let done: Task<u32> = runtime.spawn(|| async { Ok(42) });
        let failed: Task = runtime.spawn(|| async { Err("no") });
        assert_eq!(end_of(&runtime, &done), Outcome::Done(42));
        assert_eq!(end_of(&runtime, &failed), Outcome::Failed(TaskError::Failed("no")));
        assert_eq!(runtime.shutdown(PATIENCE), Ok(()));
    }

    fn a_panic_is_a_failure_with_its_message(backend) {
        let runtime = start(&backend, 1);
        let in_make: Task = runtime.spawn(|| {
            if true {
                panic_quietly("made badly");
            }
            pending()
        });
        let in_future: Task = runtime.spawn(|| async {
            yield_now().await;
            panic_quietly("ran badly")
        });
        let panicked = |message: &str| Outcome::Failed(TaskError::Panicked(message.to_owned()));
        assert_eq!(end_of(&runtime, &in_make), panicked("made badly"));
        assert_eq!(end_of(&runtime, &in_future), panicked("ran badly"));
        let after: Task = runtime.spawn(|| async { Ok(()) });
        assert_eq!(end_of(&runtime, &after), Outcome::Done(()));
    }

    fn a_future_stays_on_its_worker_and_need_not_be_send(backend) {
        let runtime = start(&backend, 4);
        let tasks: Vec<Task<bool>> = (0..100).map(|_| runtime.spawn(|| async {
            let (moves, here) = (Rc::new(Cell::new(0)), thread::current().id());
            for _ in 0..100 {
                yield_now().await;
                moves.set(moves.get() + u32::from(thread::current().id() != here));
            }
            Ok(moves.get() == 0)
        })).collect();
        assert!(tasks.iter().all(|task| end_of(&runtime, task) == Outcome::Done(true)));
    }

    fn a_task_may_sleep_and_use_blocking_jobs(backend) {
        let runtime = start(&backend, 1);
        let own = Arc::clone(&backend);
        let task: Task<u32> = runtime.spawn(move || async move {
            own.sleep_until(own.now() + Duration::from_millis(5)).await;
            let (done, result) = flume::bounded(1);
            own.run_blocking(Box::new(move || done.send(7).unwrap()));
            result.recv_async().await.map_err(|_| "the job is gone")
        });
        assert_eq!(end_of(&runtime, &task), Outcome::Done(7));
    }

    fn as_many_tasks_run_at_once_as_there_are_workers(backend) {
        for _ in 0..20 {
            let runtime = start(&backend, 4);
            let meet = Arc::new(Barrier::new(4));
            let tasks: Vec<Task> = (0..4).map(|_| {
                let meet = Arc::clone(&meet);
                runtime.spawn(move || async move {
                    // Blocks its worker until the other three have theirs.
                    meet.wait();
                    Ok(())
                })
            }).collect();
            assert!(tasks.iter().all(|task| end_of(&runtime, task) == Outcome::Done(())));
        }
    }

    fn no_task_waits_for_a_busy_worker_while_another_is_free(backend) {
        let runtime = start(&backend, 2);
        for _ in 0..20 {
            let (busy, release) = blocked(&runtime);
            for _ in 0..20 {
                let task: Task = runtime.spawn(|| async { Ok(()) });
                assert_eq!(end_of(&runtime, &task), Outcome::Done(()));
            }
            drop(release);
            assert_eq!(end_of(&runtime, &busy), Outcome::Done(()));
        }
    }

    fn a_start_passes_by_a_worker_that_becomes_busy_in_that_moment(backend) {
        let runtime = start(&backend, 2);
        for _ in 0..200 {
            let (parked, go, release) = parked(&runtime);
            // It races with the start, which may have chosen the same worker, and blocks until that task has run.
            go.send(()).unwrap();
            let task: Task = runtime.spawn(move || async move {
                drop(release);
                Ok(())
            });
            assert_eq!(end_of(&runtime, &task), Outcome::Done(()));
            assert_eq!(end_of(&runtime, &parked), Outcome::Done(()));
        }
    }

    fn what_was_started_while_all_were_busy_begins_when_one_is_free(backend) {
        let runtime = start(&backend, 1);
        let (parked, go, release) = parked(&runtime);
        go.send(()).unwrap();
        while parked.status() != Status::Running {
            thread::yield_now();
        }
        let task: Task = runtime.spawn(|| async { Ok(()) });
        drop(release);
        assert_eq!(end_of(&runtime, &task), Outcome::Done(()));
        assert_eq!(end_of(&runtime, &parked), Outcome::Done(()));
    }

    fn tasks_that_start_tasks_all_end(backend) {
        let runtime = Arc::new(start(&backend, 2));
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let (inner, ran) = (Arc::clone(&runtime), Arc::clone(&ran));
            let _: Task = runtime.spawn(move || async move {
                for _ in 0..100 {
                    let ran = Arc::clone(&ran);
                    let _: Task = inner.spawn(move || async move {
                        yield_now().await;
                        ran.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    });
                }
                Ok(())
            });
        }
        // The tasks drop their references at their ends, the last one perhaps after this thread has asked.
        let limit = Instant::now() + PATIENCE;
        let mut shared = runtime;
        let alone = loop {
            match Arc::try_unwrap(shared) {
                Ok(runtime) => break runtime,
                Err(still_shared) => shared = still_shared,
            }
            assert!(Instant::now() < limit, "tasks keep the runtime");
            thread::yield_now();
        };
        assert_eq!(alone.shutdown(PATIENCE), Ok(()));
        assert_eq!(ran.load(Ordering::SeqCst), 10_000);
    }

    fn cancelling_drops_the_future_at_its_next_await(backend) {
        let runtime = start(&backend, 1);
        let owned = Arc::new(());
        let (begin, begun) = flume::bounded(1);
        let inner = Arc::clone(&owned);
        let task: Task = runtime.spawn(move || async move {
            let _inner = inner;
            begin.send(()).unwrap();
            pending().await
        });
        begun.recv_timeout(PATIENCE).unwrap();
        assert!(task.cancel(Some("enough")));
        assert_eq!(end_of(&runtime, &task), Outcome::Cancelled(Some("enough".into())));
        assert_eq!(Arc::strong_count(&owned), 1, "what the task owned is gone when its end is known");
    }

    fn a_task_that_is_cancelled_before_its_turn_is_never_made(backend) {
        let runtime = start(&backend, 1);
        let (_busy, release) = blocked(&runtime);
        let task: Task = runtime.spawn(|| -> std::future::Pending<_> { panic!("it was made") });
        task.cancel(None);
        drop(release);
        assert_eq!(end_of(&runtime, &task), Outcome::Cancelled(None));
    }

    fn shutdown_waits_for_tasks_and_ends_the_workers(backend) {
        let runtime = start(&backend, 2);
        let own = Arc::clone(&backend);
        let task: Task = runtime.spawn(move || async move {
            own.sleep_until(own.now() + Duration::from_millis(20)).await;
            Ok(())
        });
        assert_eq!(runtime.shutdown(PATIENCE), Ok(()));
        assert_eq!(task.outcome(), Some(&Outcome::Done(())));
    }

    fn shutdown_cancels_what_has_not_ended_by_its_bound(backend) {
        let runtime = start(&backend, 2);
        let parked: Task = runtime.spawn(|| async { pending().await });
        let (busy, release) = blocked(&runtime);
        let begun = Instant::now();
        assert_eq!(runtime.shutdown(Duration::from_millis(20)), Err(Unfinished { tasks: 2 }));
        assert!(begun.elapsed() < PATIENCE, "a blocked worker is not waited for");
        drop(release);
        let reason = Outcome::Cancelled(Some("its runtime was shut down".into()));
        assert_eq!(end_on(&*backend, &parked), reason);
        // It came to its end before it came to an await.
        assert_eq!(end_on(&*backend, &busy), Outcome::Done(()));
    }

    fn dropping_it_cancels_and_waits_for_nobody(backend) {
        let runtime = start(&backend, 1);
        let parked: Task = runtime.spawn(|| async { pending().await });
        let (_busy, release) = blocked(&runtime);
        let queued: Task = runtime.spawn(|| async { Ok(()) });
        drop(runtime);
        let reason = Outcome::Cancelled(Some("its runtime was shut down".into()));
        assert_eq!(end_on(&*backend, &queued), reason, "a task that has not begun ends at once");
        drop(release);
        assert_eq!(end_on(&*backend, &parked), reason);
    }

    fn a_runtime_without_workers_is_an_error(backend) {
        let error = Runtime::new(backend, 0).unwrap_err();
        assert_eq!(error.to_string(), "a runtime needs a worker");
    }
}
