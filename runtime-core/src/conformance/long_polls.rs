//! Futures that compute for long in each poll, and go on once the others had their turn.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::kit::{Event, join, work};
use crate::{Backend, LocalSpawn};

const LONG: Duration = Duration::from_millis(2);
const ROUNDS: usize = 21;

/// How many long polls others may have to wait through, as a rule: one, and some for a machine that is busy. A runtime that looks
/// elsewhere every few dozen polls takes far more.
const FEW: u32 = 8;

/// Computes for a while in each poll, tells, and lets everything else pass; for ever.
async fn compute(spawner: Rc<dyn LocalSpawn>, polled: impl Fn()) {
    poll_fn(|cx| {
        let start = Instant::now();
        while start.elapsed() < LONG {
            std::hint::spin_loop();
        }
        polled();
        spawner.wake_after_others(cx.waker());
        Poll::<()>::Pending
    })
    .await;
}

fn median(mut counts: Vec<u32>) -> u32 {
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// What another thread wakes has its turn after the poll that is under way.
pub fn who_yields_after_long_polls_lets_other_threads_wakes_pass(backend: Arc<dyn Backend>) {
    let polls = Arc::new(AtomicU32::new(0));
    let (asked, answer, counts) =
        (Event::new("a question"), Event::new("an answer"), Event::new("the counts"));
    let (ask, answered, say, counter) = (asked.clone(), answer.clone(), counts.clone(), Arc::clone(&polls));
    let worker = work(&backend, move |spawner| async move {
        let counting = Arc::clone(&counter);
        spawner.spawn_local(Box::pin(compute(Rc::clone(&spawner), move || {
            counting.fetch_add(1, Ordering::SeqCst);
        })));
        let mut counts = Vec::new();
        for _ in 0..ROUNDS {
            ask.say(());
            let sent: u32 = answered.heard().await;
            counts.push(counter.load(Ordering::SeqCst) - sent);
        }
        say.say(counts);
    });
    for _ in 0..ROUNDS {
        asked.wait();
        answer.say(polls.load(Ordering::SeqCst));
    }
    let counts = counts.wait();
    join(worker);
    assert!(median(counts.clone()) <= FEW, "wake-ups waited through so many long polls: {counts:?}");
}

/// A sleep that is over ends after the poll that is under way.
pub fn who_yields_after_long_polls_lets_timers_pass(backend: Arc<dyn Backend>) {
    let counts = Event::new("the counts");
    let (say, timers) = (counts.clone(), Arc::clone(&backend));
    join(work(&backend, move |spawner| async move {
        let (deadline, overdue) = (Rc::new(Cell::new(timers.now())), Rc::new(Cell::new(0)));
        let (until, late, clock) = (Rc::clone(&deadline), Rc::clone(&overdue), Arc::clone(&timers));
        spawner.spawn_local(Box::pin(compute(Rc::clone(&spawner), move || {
            if clock.now() >= until.get() {
                late.set(late.get() + 1);
            }
        })));
        let mut counts = Vec::new();
        for _ in 0..ROUNDS {
            deadline.set(timers.now() + LONG);
            overdue.set(0);
            timers.sleep_until(deadline.get()).await;
            counts.push(overdue.get());
        }
        say.say(counts);
    }));
    let counts = counts.wait();
    assert!(median(counts.clone()) <= FEW, "sleeps were late by so many long polls: {counts:?}");
}
