//! Several backends in one process.

use std::sync::Arc;
use std::time::Duration;

use super::kit::{Event, elsewhere, join, work};
use crate::{Backend, block_on};

/// Their workers talk to each other, and sleep on each other's clocks.
pub fn two_backends_wait_for_each_other(first: Arc<dyn Backend>, second: Arc<dyn Backend>) {
    let (there, back) = (Event::new("there"), Event::new("and back"));
    let player = |mine: &Arc<dyn Backend>, other: &Arc<dyn Backend>, hear: &Event, say: &Event| {
        let (other, hear, say) = (Arc::clone(other), hear.clone(), say.clone());
        work(mine, move |_| async move {
            for n in 0..100 {
                hear.heard().await;
                if n % 10 == 0 {
                    other.sleep_until(other.now() + Duration::from_millis(1)).await;
                }
                say.say(());
            }
        })
    };
    let one = player(&first, &second, &there, &back);
    let two = player(&second, &first, &back, &there);
    there.say(());
    join(one);
    join(two);
}

/// A worker of one backend may be blocked with, and on, another one.
pub fn a_worker_may_block_on_another_backend(first: Arc<dyn Backend>, second: Arc<dyn Backend>) {
    join(work(&Arc::clone(&first), move |_| async move {
        for (with, on) in [(&second, &second), (&second, &first), (&first, &second)] {
            block_on(&**with, on.sleep_until(on.now() + Duration::from_millis(5)));
        }
        let event = Event::new("an event from the other backend's worker");
        let say = event.clone();
        let helper = work(&second, move |_| async move { say.say(()) });
        block_on(&*second, event.heard());
        join(helper);
    }));
}

/// Dropping one backend leaves the sleeps, jobs and workers of another.
pub fn dropping_a_backend_leaves_another_alone(first: Arc<dyn Backend>, second: Arc<dyn Backend>) {
    let short = Duration::from_millis(5);
    let sleeper = second.sleep_until(second.now() + 2 * short);
    elsewhere("both backends", {
        let (first, second) = (Arc::clone(&first), Arc::clone(&second));
        move || {
            block_on(&*first, first.sleep_until(first.now() + short));
            block_on(&*second, second.sleep_until(second.now() + short));
        }
    });
    drop(first);
    elsewhere("the backend that is left", move || {
        block_on(&*second, sleeper);
        block_on(&*second, second.sleep_until(second.now() + short));
        let job = Event::new("a job of the backend that is left");
        let say = job.clone();
        second.run_blocking(Box::new(move || say.say(())));
        job.wait();
        join(work(&second, |_| async {}));
    });
}

/// The last reference to a backend may be dropped inside its own worker, or inside one of its blocking jobs.
pub fn a_backend_may_be_dropped_on_its_own_worker(backend: Arc<dyn Backend>) {
    let dropped = Event::new("the drop of the backend");
    let say = dropped.clone();
    let worker = {
        let own = Arc::clone(&backend);
        work(&backend, move |spawner| async move {
            // Makes it start what it starts when it is needed.
            let sleep = own.sleep_until(own.now() + Duration::from_millis(5));
            block_on(&*own, own.sleep_until(own.now() + Duration::from_millis(1)));
            spawner.spawn_local(Box::pin(async move {
                let ran = Event::new("the job");
                let ready = ran.clone();
                let inner = Arc::clone(&own);
                own.run_blocking(Box::new(move || {
                    drop(inner);
                    ready.say(());
                }));
                ran.heard().await;
                drop(own);
                say.say(());
            }));
            sleep.await;
            dropped.heard().await;
        })
    };
    drop(backend);
    join(worker);
}

/// The last reference goes while workers, sleeps and jobs are under way, and new ones come: all of them go on.
pub fn a_backend_may_be_dropped_under_load(backend: Arc<dyn Backend>) {
    let (over, end) = (Event::new("what was under way"), Event::new("the word to end"));
    let mut workers = Vec::new();
    for _ in 0..4 {
        let (own, say, told) = (Arc::clone(&backend), over.clone(), end.clone());
        workers.push(work(&backend, move |spawner| async move {
            for n in 0..50_u64 {
                let sleep = own.sleep_until(own.now() + Duration::from_micros(n * 100));
                let (own, say) = (Arc::clone(&own), say.clone());
                spawner.spawn_local(Box::pin(async move {
                    sleep.await;
                    let second = own.sleep_until(own.now() + Duration::from_micros(100));
                    let done = say.clone();
                    own.run_blocking(Box::new(move || done.say(())));
                    // The last of them drops the backend on this worker.
                    drop(own);
                    second.await;
                    say.say(());
                }));
            }
            drop(own);
            told.heard().await;
        }));
    }
    drop(backend);
    for _ in 0..2 * 4 * 50 {
        over.wait();
    }
    for _ in &workers {
        end.say(());
    }
    workers.into_iter().for_each(join);
}
