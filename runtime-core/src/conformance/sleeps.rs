//! Sleeps on the wall clock: never short, forgotten when dropped, and the same wherever they are made and polled.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::kit::{Event, elsewhere, join, work, yield_now};
use crate::{Backend, Sleep, block_on};

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Counts its wake-ups.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls `sleep` once; returns whether it is over.
fn poll_with(waker: &Waker, sleep: &mut Sleep) -> bool {
    sleep.as_mut().poll(&mut Context::from_waker(waker)).is_ready()
}

/// Polls `sleep` once with the waker of the task that this is awaited in.
async fn poll_here(sleep: &mut Sleep) -> bool {
    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await
}

/// When a sleep is over, its deadline has passed on the backend's clock; on a worker and on a foreign thread.
pub fn a_sleep_is_never_short(backend: Arc<dyn Backend>) {
    let check = |backend: Arc<dyn Backend>| async move {
        for micros in [1, 100, 900, 1000, 1001, 5500, 20_000] {
            let deadline = backend.now() + Duration::from_micros(micros);
            backend.sleep_until(deadline).await;
            let now = backend.now();
            assert!(now >= deadline, "a sleep of {micros} µs was {:?} short", deadline - now);
        }
    };
    let over = Event::new("sleeps on a worker that were not short");
    let (say, on_worker) = (over.clone(), check(Arc::clone(&backend)));
    join(work(&backend, |_| async move {
        on_worker.await;
        say.say(());
    }));
    over.wait();
    elsewhere("sleeps on a foreign thread", move || block_on(&*backend, check(Arc::clone(&backend))));
}

/// A deadline that has passed, or passes before the first poll, makes no one wait.
pub fn a_sleep_into_the_past_is_over(backend: Arc<dyn Backend>) {
    elsewhere("sleeps into the past", move || {
        let start = Instant::now();
        let now = backend.now();
        block_on(&*backend, backend.sleep_until(now));
        if let Some(past) = now.checked_sub(Duration::from_secs(1)) {
            block_on(&*backend, backend.sleep_until(past));
        }
        let unpolled = backend.sleep_until(backend.now() + SHORT);
        block_on(&*backend, backend.sleep_until(backend.now() + 2 * SHORT));
        block_on(&*backend, unpolled);
        assert!(start.elapsed() < HOUR);
    });
}

/// Sleeps with deadlines well apart end in the order of the deadlines, not in that of their beginnings.
pub fn sleeps_end_in_the_order_of_their_deadlines(backend: Arc<dyn Backend>) {
    let mut order = Vec::new();
    // A machine that stands still for longer than the deadlines are apart is given another chance.
    for _attempt in 0..5 {
        let ended = Event::new("the end of a sleep");
        let all = Event::new("the end of all sleeps");
        let say = all.clone();
        let timers = Arc::clone(&backend);
        join(work(&backend, move |spawner| async move {
            let start = timers.now();
            for n in [3, 1, 4, 2] {
                let sleep = timers.sleep_until(start + n * 2 * SHORT);
                let ended = ended.clone();
                spawner.spawn_local(Box::pin(async move {
                    sleep.await;
                    ended.say(n);
                }));
            }
            let mut order = Vec::new();
            for _ in 0..4 {
                order.push(ended.heard().await);
            }
            say.say(order);
        }));
        order = all.wait();
        if order == [1, 2, 3, 4] {
            return;
        }
    }
    panic!("sleeps ended in the order {order:?}");
}

/// A sleep that is shorter than all that were begun before it does not wait for them.
pub fn an_earlier_sleep_begun_later_is_over_first(backend: Arc<dyn Backend>) {
    elsewhere("a short sleep beside a long one", move || {
        let mut long = backend.sleep_until(backend.now() + HOUR);
        assert!(!poll_with(Waker::noop(), &mut long));
        for _ in 0..3 {
            block_on(&*backend, backend.sleep_until(backend.now() + SHORT));
        }
        assert!(!poll_with(Waker::noop(), &mut long), "an hour has not passed");
    });
}

/// A dropped sleep wakes nobody, and lets go of its waker at once.
pub fn a_dropped_sleep_is_forgotten(backend: Arc<dyn Backend>) {
    elsewhere("the sleep after a dropped one", move || {
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        let mut sleep = backend.sleep_until(backend.now() + SHORT);
        let over = poll_with(&waker, &mut sleep);
        drop(sleep);
        drop(waker);
        if !over {
            assert_eq!(Arc::strong_count(&counter), 1, "a dropped sleep keeps no waker");
        }
        block_on(&*backend, backend.sleep_until(backend.now() + 2 * SHORT));
        assert!(over || counter.0.load(Ordering::SeqCst) == 0, "a dropped sleep wakes nobody");
    });
}

/// A sleep that is polled with several wakers wakes the last of them.
pub fn a_sleep_wakes_who_polled_it_last(backend: Arc<dyn Backend>) {
    elsewhere("a sleep with two wakers", move || {
        let first = Arc::new(Counter::default());
        let mut sleep = backend.sleep_until(backend.now() + SHORT);
        let over = poll_with(&Waker::from(Arc::clone(&first)), &mut sleep);
        if !over {
            block_on(&*backend, sleep);
        }
        assert_eq!(first.0.load(Ordering::SeqCst), 0, "the first waker was replaced");
    });
}

/// A hundred years are a deadline like others.
pub fn a_far_sleep_neither_panics_nor_ends(backend: Arc<dyn Backend>) {
    elsewhere("a short sleep beside a far one", move || {
        let Some(far) = backend.now().checked_add(Duration::from_secs(100 * 365 * 24 * 3600)) else {
            return;
        };
        let mut sleep = backend.sleep_until(far);
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        assert!(!poll_with(&waker, &mut sleep), "a hundred years have not passed");
        let timers = Arc::clone(&backend);
        join(work(&backend, move |spawner| async move {
            spawner.spawn_local(timers.sleep_until(far));
            timers.sleep_until(timers.now() + SHORT).await;
        }));
        block_on(&*backend, backend.sleep_until(backend.now() + SHORT));
        assert!(!poll_with(&waker, &mut sleep), "a hundred years have not passed");
        assert_eq!(counter.0.load(Ordering::SeqCst), 0, "a far sleep woke somebody");
    });
}

/// Ten thousand sleeps at once, a hundred for each millisecond.
pub fn ten_thousand_sleeps_end(backend: Arc<dyn Backend>) {
    let timers = Arc::clone(&backend);
    join(work(&backend, move |spawner| async move {
        let left = Rc::new(Cell::new(10_000));
        let start = timers.now();
        for n in 0..10_000 {
            let sleep = timers.sleep_until(start + Duration::from_millis(n % 100));
            let left = Rc::clone(&left);
            spawner.spawn_local(Box::pin(async move {
                sleep.await;
                left.set(left.get() - 1);
            }));
        }
        while left.get() > 0 {
            yield_now().await;
        }
    }));
}

/// Made on a foreign thread, on a worker, or on another worker, polled there or not, and waited for at any of them.
pub fn a_sleep_may_be_made_and_polled_anywhere(backend: Arc<dyn Backend>) {
    let made = Event::new("a sleep from a worker");
    for poll_first in [false, true] {
        let make = |backend: &Arc<dyn Backend>| backend.sleep_until(backend.now() + SHORT);
        let from_worker = || {
            let (timers, say) = (Arc::clone(&backend), made.clone());
            let end = Event::new("the word to end");
            let told = end.clone();
            let worker = work(&backend, move |_| async move {
                let mut sleep = make(&timers);
                if poll_first {
                    poll_here(&mut sleep).await;
                }
                say.say(sleep);
                told.heard().await;
            });
            (made.wait(), worker, end)
        };
        let from_here = || {
            let mut sleep = make(&backend);
            if poll_first {
                poll_with(Waker::noop(), &mut sleep);
            }
            sleep
        };
        // The worker that made a sleep still runs meanwhile, and does not matter.
        let (to_here, first, end_first) = from_worker();
        let (to_worker, second, end_second) = from_worker();
        let waiting = Arc::clone(&backend);
        elsewhere("a sleep that a worker made, here", move || block_on(&*waiting, to_here));
        join(work(&backend, |_| to_worker));
        end_first.say(());
        end_second.say(());
        join(first);
        join(second);
        let (to_here, to_worker) = (from_here(), from_here());
        let waiting = Arc::clone(&backend);
        elsewhere("a sleep that was made here, elsewhere", move || block_on(&*waiting, to_here));
        join(work(&backend, |_| to_worker));
    }
}

/// A sleep that was polled on a worker ends though the worker has ended before.
pub fn a_sleep_outlives_the_worker_that_polled_it(backend: Arc<dyn Backend>) {
    let made = Event::new("a sleep from a worker");
    let (say, timers) = (made.clone(), Arc::clone(&backend));
    join(work(&backend, move |_| async move {
        for _ in 0..2 {
            let mut sleep = timers.sleep_until(timers.now() + 2 * SHORT);
            poll_here(&mut sleep).await;
            say.say(sleep);
        }
    }));
    let (to_here, to_worker) = (made.wait(), made.wait());
    let waiting = Arc::clone(&backend);
    elsewhere("a sleep from a worker that has ended", move || block_on(&*waiting, to_here));
    join(work(&backend, |_| to_worker));
}

/// A sleep ends though its backend is gone, whether it was polled before or not.
pub fn a_sleep_outlives_its_backend(backend: Arc<dyn Backend>) {
    let unpolled = backend.sleep_until(backend.now() + 2 * SHORT);
    let mut polled = backend.sleep_until(backend.now() + 2 * SHORT);
    poll_with(Waker::noop(), &mut polled);
    drop(backend);
    elsewhere("sleeps of a backend that is gone", move || {
        futures_lite::future::block_on(polled);
        futures_lite::future::block_on(unpolled);
    });
}

/// A worker's thread may be blocked on a sleep, with the backend's `block_on` or any other, also when the worker has
/// polled the sleep before.
pub fn a_worker_may_be_blocked_on_a_sleep(backend: Arc<dyn Backend>) {
    let timers = Arc::clone(&backend);
    join(work(&backend, move |spawner| async move {
        let done = Rc::new(Cell::new(false));
        let say = Rc::clone(&done);
        let block = move || {
            let sleep = || timers.sleep_until(timers.now() + SHORT);
            block_on(&*timers, sleep());
            futures_lite::future::block_on(sleep());
            let (mut first, mut second) = (sleep(), sleep());
            async move {
                poll_here(&mut first).await;
                poll_here(&mut second).await;
                block_on(&*timers, first);
                futures_lite::future::block_on(second);
            }
        };
        block.clone()().await;
        spawner.spawn_local(Box::pin(async move {
            block().await;
            say.set(true);
        }));
        while !done.get() {
            yield_now().await;
        }
    }));
}

/// Four threads and four workers sleep five hundred times each, all on one backend.
pub fn sleeps_may_be_begun_on_several_threads(backend: Arc<dyn Backend>) {
    let over = Event::new("the sleeps of eight threads");
    let sleeper = |backend: &Arc<dyn Backend>| {
        let (timers, say) = (Arc::clone(backend), over.clone());
        async move {
            let sleeps: Vec<_> = (0..500)
                .map(|n| timers.sleep_until(timers.now() + Duration::from_micros(n * 37 % 5000)))
                .collect();
            for sleep in sleeps {
                sleep.await;
            }
            say.say(());
        }
    };
    let mut workers = Vec::new();
    for _ in 0..4 {
        let (blocking, sleeps) = (Arc::clone(&backend), sleeper(&backend));
        std::thread::spawn(move || block_on(&*blocking, sleeps));
        let sleeps = sleeper(&backend);
        workers.push(work(&backend, |_| sleeps));
    }
    for _ in 0..8 {
        over.wait();
    }
    workers.into_iter().for_each(join);
}
