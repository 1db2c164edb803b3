//! Jobs that block their thread.

use std::sync::{Arc, Barrier};
use std::thread;

use super::kit::{Event, join, panic_quietly, work};
use crate::Backend;

/// A job runs on a thread that is not the worker's, and the worker goes on while the job blocks.
pub fn a_blocking_job_runs_off_its_worker(backend: Arc<dyn Backend>) {
    let over = Event::new("a job that a worker waited for");
    let say = over.clone();
    let jobs = Arc::clone(&backend);
    join(work(&backend, move |_| async move {
        let (go, thread) = (Event::new("the word to go on"), Event::new("the job"));
        let (told, say_thread) = (go.clone(), thread.clone());
        jobs.run_blocking(Box::new(move || {
            // Blocks until the worker, which can't be blocked by this, says so.
            told.wait();
            say_thread.say(thread::current().id());
        }));
        go.say(());
        say.say(thread.heard().await != thread::current().id());
    }));
    assert!(over.wait(), "the job ran on the worker's thread");
}

/// Threads are added as they are needed: 64 jobs that all wait for the last one.
pub fn blocking_jobs_may_wait_for_each_other(backend: Arc<dyn Backend>) {
    let met = Event::new("64 jobs that wait for each other");
    // Twice: with threads to be started, and with threads that idle.
    for _ in 0..2 {
        let meet = Arc::new(Barrier::new(64));
        for _ in 0..64 {
            let (meet, met) = (Arc::clone(&meet), met.clone());
            backend.run_blocking(Box::new(move || {
                meet.wait();
                met.say(());
            }));
        }
        for _ in 0..64 {
            met.wait();
        }
    }
}

/// A panic ends a job, and nothing else.
pub fn a_panic_in_a_blocking_job_ends_it_alone(backend: Arc<dyn Backend>) {
    let ran = Event::new("the jobs that do not panic");
    for n in 0..100 {
        let ran = ran.clone();
        backend.run_blocking(Box::new(move || {
            if n % 2 == 0 {
                panic_quietly();
            }
            ran.say(());
        }));
    }
    for _ in 0..50 {
        ran.wait();
    }
}

/// A job that was accepted runs, though its backend is dropped.
pub fn a_blocking_job_runs_though_its_backend_is_dropped(backend: Arc<dyn Backend>) {
    let (go, ran) = (Event::new("the word to go on"), Event::new("the job of a backend that is gone"));
    for _ in 0..10 {
        let (told, ran) = (go.clone(), ran.clone());
        backend.run_blocking(Box::new(move || {
            told.wait();
            ran.say(());
        }));
    }
    drop(backend);
    for _ in 0..10 {
        go.say(());
    }
    for _ in 0..10 {
        ran.wait();
    }
}

/// However many are queued at once, by whichever threads.
pub fn a_thousand_blocking_jobs_of_several_threads_run(backend: Arc<dyn Backend>) {
    let ran = Event::new("a thousand jobs");
    for _ in 0..4 {
        let (backend, ran) = (Arc::clone(&backend), ran.clone());
        thread::spawn(move || {
            for _ in 0..250 {
                let ran = ran.clone();
                backend.run_blocking(Box::new(move || ran.say(())));
            }
        });
    }
    for _ in 0..1000 {
        ran.wait();
    }
}
