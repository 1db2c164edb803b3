//! Workers: their thread, their end, and who waits for it.

use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::kit::{Event, OnDrop, PATIENCE, elsewhere, join, panic_quietly, work, yield_now};
use crate::Backend;

/// A worker is a thread that was not there before, with the name that was asked for.
pub fn a_worker_runs_its_body_on_a_thread_of_that_name(backend: Arc<dyn Backend>) {
    let ran = Event::new("the body");
    let (called, polled) = (ran.clone(), ran.clone());
    let here = || (thread::current().id(), thread::current().name().map(str::to_owned));
    let worker = backend.start_worker(
        "worker-7",
        Box::new(move |_spawner| {
            called.say(here());
            Box::pin(async move { polled.say(here()) })
        }),
    );
    let (thread, name) = ran.wait();
    assert_eq!(name.as_deref(), Some("worker-7"), "the name of the worker's thread");
    assert_ne!(thread, thread::current().id(), "a worker has a thread of its own");
    assert_eq!(ran.wait().0, thread, "the body is called and polled on the same thread");
    match worker {
        Ok(worker) => join(worker),
        Err(error) => panic!("the worker was not started: {error}"),
    }
}

/// The worker ends when its body does, though futures that it spawned never would.
pub fn a_worker_ends_with_its_body(backend: Arc<dyn Backend>) {
    join(work(&backend, |spawner| async move {
        spawner.spawn_local(Box::pin(pending()));
        yield_now().await;
    }));
}

/// `join_timeout` returns false when its bound has passed, and true once the worker has ended.
pub fn join_gives_up_at_its_bound_and_can_be_repeated(backend: Arc<dyn Backend>) {
    let end = Event::new("the word to end");
    let told = end.clone();
    let mut worker = work(&backend, |_| async move { told.heard().await });
    assert!(!worker.join_timeout(Duration::ZERO), "the body has not ended");
    let start = Instant::now();
    assert!(!worker.join_timeout(Duration::from_millis(20)), "the body has not ended");
    assert!(start.elapsed() >= Duration::from_millis(20), "join waits until its bound");
    assert!(!worker.is_finished(), "the body has not ended");
    end.say(());
    // A bound past the end of time is none.
    assert!(worker.join_timeout(Duration::MAX), "the worker has ended");
    assert!(worker.join_timeout(Duration::ZERO), "it stays ended");
    assert!(worker.is_finished(), "it stays ended");
}

/// Dropping the handle detaches the worker.
pub fn a_worker_whose_handle_is_dropped_goes_on(backend: Arc<dyn Backend>) {
    let (go, gone) = (Event::new("the word to go on"), Event::new("the detached worker"));
    let (told, say) = (go.clone(), gone.clone());
    drop(work(&backend, |_| async move {
        told.heard().await;
        say.say(());
    }));
    go.say(());
    gone.wait();
}

/// A worker needs nobody to keep its backend, and can still spawn, sleep and run blocking jobs with a clone.
pub fn a_worker_outlives_its_backend(backend: Arc<dyn Backend>) {
    let (go, gone) = (Event::new("the word to go on"), Event::new("what was spawned"));
    let (told, say) = (go.clone(), gone.clone());
    let worker = work(&backend, |spawner| async move {
        told.heard().await;
        let heard = say.clone();
        spawner.spawn_local(Box::pin(async move { say.say(()) }));
        heard.heard().await;
    });
    drop(backend);
    go.say(());
    join(worker);
}

/// When the body has ended, what still runs is dropped on the worker's thread, before the handle says that the worker
/// has ended.
pub fn pending_futures_are_dropped_on_their_worker_before_it_has_ended(backend: Arc<dyn Backend>) {
    let dropped = Event::new("the drop");
    let say = dropped.clone();
    let id = Event::new("the worker's thread");
    let say_id = id.clone();
    join(work(&backend, move |spawner| async move {
        say_id.say(thread::current().id());
        for polls in 0..3 {
            let say = say.clone();
            let guard = OnDrop(move || say.say(thread::current().id()));
            spawner.spawn_local(Box::pin(async move {
                let _guard = guard;
                for _ in 0..polls {
                    yield_now().await;
                }
                pending::<()>().await;
            }));
        }
        yield_now().await;
    }));
    let worker = id.wait();
    for _ in 0..3 {
        assert_eq!(
            dropped.now(),
            Some(worker),
            "futures are dropped on their worker's thread, before it ends"
        );
    }
}

/// A future that spawns another while it is dropped: the other is dropped as well, on the same thread.
pub fn a_future_that_spawns_while_it_is_dropped_is_harmless(backend: Arc<dyn Backend>) {
    let dropped = Event::new("the drop of the second");
    let say = dropped.clone();
    join(work(&backend, move |spawner| async move {
        let again = Rc::clone(&spawner);
        let guard = OnDrop(move || {
            let (say, spawner) = (say.clone(), Rc::clone(&again));
            let guard = OnDrop(move || say.say(()));
            again.spawn_local(Box::pin(async move {
                // Also the worker's spawner, which must not keep it alive.
                let _guards = (guard, spawner);
                pending::<()>().await;
            }));
        });
        spawner.spawn_local(Box::pin(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        yield_now().await;
    }));
    assert_eq!(dropped.now(), Some(()), "what is spawned too late is dropped");
}

/// Neither a panic in the call of the body nor one in its future keeps those waiting who join.
pub fn a_panic_in_a_body_ends_the_worker_and_join_returns(backend: Arc<dyn Backend>) {
    let in_call = backend.start_worker("in-call", Box::new(|_spawner| panic_quietly()));
    let in_poll = backend.start_worker("in-poll", Box::new(|_spawner| Box::pin(async { panic_quietly() })));
    for worker in [in_call, in_poll] {
        match worker {
            Ok(worker) => join(worker),
            Err(error) => panic!("the worker was not started: {error}"),
        }
    }
}

/// A name that the operating system can't have is no panic.
pub fn a_name_with_a_zero_byte_is_an_error(backend: Arc<dyn Backend>) {
    match backend.start_worker("zero \0 byte", Box::new(|_spawner| Box::pin(async {}))) {
        Ok(_) => panic!("a worker with a zero byte in its name was started"),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}"),
    }
}

/// Workers are threads: four of them can block until all four are there.
pub fn workers_run_at_the_same_time(backend: Arc<dyn Backend>) {
    elsewhere("four workers that wait for each other", move || {
        let meet = Arc::new(std::sync::Barrier::new(4));
        let workers: Vec<_> = std::iter::repeat_with(|| {
            let meet = Arc::clone(&meet);
            work(&backend, move |_| async move {
                meet.wait();
            })
        })
        .take(4)
        .collect();
        workers.into_iter().for_each(join);
    });
}

/// Bodies that end while their futures yield, sleep, and are woken by other workers, end their workers; everything
/// they owned is dropped.
pub fn workers_end_under_load(backend: Arc<dyn Backend>) {
    let owned = Arc::new(());
    let end = Event::new("the word to end");
    let ball = Event::new("a ball");
    let mut workers = Vec::new();
    for _ in 0..4 {
        let (told, ball, owned) = (end.clone(), ball.clone(), Arc::clone(&owned));
        let timers = Arc::clone(&backend);
        workers.push(work(&backend, move |spawner| async move {
            for n in 0..100_u32 {
                let (ball, owned, timers) = (ball.clone(), Arc::clone(&owned), Arc::clone(&timers));
                spawner.spawn_local(Box::pin(async move {
                    let _owned = owned;
                    loop {
                        match n % 3 {
                            0 => yield_now().await,
                            1 => timers.sleep_until(timers.now() + Duration::from_micros(50)).await,
                            _ => {
                                ball.say(());
                                ball.heard().await;
                                yield_now().await;
                            }
                        }
                    }
                }));
            }
            told.heard().await;
        }));
    }
    for _ in 0..1000 {
        ball.wait();
        ball.say(());
    }
    for _ in &workers {
        end.say(());
    }
    let start = Instant::now();
    workers.into_iter().for_each(join);
    assert!(start.elapsed() < PATIENCE, "the workers end soon");
    drop(ball);
    assert_eq!(Arc::strong_count(&owned), 1, "what the futures owned is dropped by the end");
}

/// Eight threads start a worker each at the same moment, and join it.
pub fn workers_may_be_started_from_several_threads(backend: Arc<dyn Backend>) {
    let (ran, meet) = (Event::new("the workers of eight threads"), Arc::new(std::sync::Barrier::new(8)));
    let threads = std::iter::repeat_with(|| {
        let (backend, ran, meet) = (Arc::clone(&backend), ran.clone(), Arc::clone(&meet));
        thread::spawn(move || {
            meet.wait();
            join(work(&backend, move |_| async move { ran.say(()) }));
        })
    });
    let threads: Vec<_> = threads.take(8).collect();
    for _ in 0..8 {
        ran.wait();
    }
    for thread in threads {
        assert!(thread.join().is_ok(), "a worker that another thread started has not ended");
    }
}
