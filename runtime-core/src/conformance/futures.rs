//! Futures on a worker: order, fairness, panics and wake-ups.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use super::kit::{Event, OnDrop, join, panic_quietly, work, yield_now};
use crate::Backend;

/// Ready when `done` is true; yields until then.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        yield_now().await;
    }
}

/// A future that is spawned by a body, or by another future, stays on the worker's thread, and may hold an `Rc` while
/// it waits.
pub fn futures_run_on_their_workers_thread_and_need_not_be_send(backend: Arc<dyn Backend>) {
    let ran = Event::new("the spawned futures");
    let say = ran.clone();
    join(work(&backend, move |spawner| async move {
        let here = thread::current().id();
        let left = Rc::new(Cell::new(2));
        let (inner_spawner, inner_left) = (Rc::clone(&spawner), Rc::clone(&left));
        let say_outer = say.clone();
        spawner.spawn_local(Box::pin(async move {
            yield_now().await;
            say_outer.say(thread::current().id() == here);
            let left = Rc::clone(&inner_left);
            inner_spawner.spawn_local(Box::pin(async move {
                yield_now().await;
                say.say(thread::current().id() == here);
                left.set(left.get() - 1);
            }));
            inner_left.set(inner_left.get() - 1);
        }));
        until(|| left.get() == 0).await;
    }));
    assert!(ran.wait() && ran.wait(), "futures are polled on the worker that spawned them");
}

/// A spawned future comes after those that were spawned before it.
pub fn futures_start_in_the_order_they_were_spawned(backend: Arc<dyn Backend>) {
    let order = Event::new("the order");
    let say = order.clone();
    join(work(&backend, move |spawner| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        for n in 0..1000 {
            let order = Rc::clone(&order);
            spawner.spawn_local(Box::pin(async move { order.borrow_mut().push(n) }));
        }
        until(|| order.borrow().len() == 1000).await;
        say.say(order.take());
    }));
    assert!(order.wait().is_sorted(), "futures start in the order they were spawned");
}

/// There is no limit to how many futures a worker has.
pub fn a_hundred_thousand_futures_run(backend: Arc<dyn Backend>) {
    let count = Event::new("the count");
    let say = count.clone();
    join(work(&backend, move |spawner| async move {
        let ran = Rc::new(Cell::new(0));
        for _ in 0..100_000 {
            let ran = Rc::clone(&ran);
            spawner.spawn_local(Box::pin(async move {
                yield_now().await;
                ran.set(ran.get() + 1);
            }));
        }
        until(|| ran.get() == 100_000).await;
        say.say(ran.get());
    }));
    assert_eq!(count.wait(), 100_000);
}

/// Of two futures that are always ready neither gets twice as many turns as the other, nor does the body starve.
pub fn futures_that_always_yield_take_turns(backend: Arc<dyn Backend>) {
    let turns = Event::new("a thousand turns of the body");
    let say = turns.clone();
    join(work(&backend, move |spawner| async move {
        let turns = Rc::new([Cell::new(0_u32), Cell::new(0)]);
        for who in 0..2 {
            let turns = Rc::clone(&turns);
            spawner.spawn_local(Box::pin(async move {
                loop {
                    turns[who].set(turns[who].get() + 1);
                    yield_now().await;
                }
            }));
        }
        for _ in 0..1000 {
            yield_now().await;
        }
        say.say([turns[0].get(), turns[1].get()]);
    }));
    let [a, b] = turns.wait();
    assert!(a.max(b) >= 100, "the body yields, and the futures have had {a} and {b} turns");
    assert!(a.abs_diff(b) <= a.min(b), "unfair: {a} turns against {b}");
}

/// Wake-ups from other threads reach a worker whose futures are always ready.
pub fn a_busy_worker_hears_other_threads(backend: Arc<dyn Backend>) {
    let (ball, back) = (Event::new("the ball"), Event::new("the ball back from a busy worker"));
    let (told, say) = (ball.clone(), back.clone());
    let worker = work(&backend, move |spawner| async move {
        for _ in 0..2 {
            spawner.spawn_local(Box::pin(until(|| false)));
        }
        while told.heard().await {
            say.say(());
        }
    });
    for _ in 0..100 {
        ball.say(true);
        back.wait();
    }
    ball.say(false);
    join(worker);
}

/// Sleeps end on a worker whose futures are always ready.
pub fn a_busy_worker_keeps_its_timers(backend: Arc<dyn Backend>) {
    let timers = Arc::clone(&backend);
    join(work(&backend, move |spawner| async move {
        for _ in 0..2 {
            spawner.spawn_local(Box::pin(until(|| false)));
        }
        for _ in 0..10 {
            timers.sleep_until(timers.now() + Duration::from_millis(1)).await;
        }
    }));
}

/// A panic ends the future that panics; the others, the body and the worker go on.
pub fn a_panic_in_a_future_ends_it_alone(backend: Arc<dyn Backend>) {
    let count = Event::new("the survivors");
    let say = count.clone();
    join(work(&backend, move |spawner| async move {
        let ran = Rc::new(Cell::new(0));
        for n in 0..100 {
            let ran = Rc::clone(&ran);
            spawner.spawn_local(Box::pin(async move {
                if n % 3 == 1 {
                    panic_quietly();
                }
                yield_now().await;
                if n % 3 == 2 {
                    panic_quietly();
                }
                ran.set(ran.get() + 1);
            }));
        }
        until(|| ran.get() == 34).await;
        for _ in 0..10 {
            yield_now().await;
        }
        say.say(ran.get());
    }));
    assert_eq!(count.wait(), 34, "each third future did not panic");
}

/// A thread hands a worker a flag and wakes it, ten thousand times, at moments that the worker does not know of.
pub fn a_wake_from_another_thread_is_never_lost(backend: Arc<dyn Backend>) {
    let flag = Arc::new(AtomicBool::new(false));
    let polled = Event::new("a poll that found nothing");
    let round = Event::new("the end of a round");
    let (seen, say_polled, say_round) = (Arc::clone(&flag), polled.clone(), round.clone());
    let worker = work(&backend, move |_| async move {
        for _ in 0..10_000 {
            let mut said = false;
            poll_fn(|cx| {
                if seen.swap(false, Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut said, true) {
                    say_polled.say(cx.waker().clone());
                }
                // From here on the other thread races with the return of this poll.
                Poll::Pending
            })
            .await;
            say_round.say(());
        }
    });
    for _ in 0..10_000 {
        let waker: Waker = polled.wait();
        flag.store(true, Ordering::SeqCst);
        waker.wake();
        round.wait();
    }
    join(worker);
}

/// A waker may be used, and dropped, when its future and its worker are gone; also one woken before.
pub fn a_waker_may_outlive_its_worker(backend: Arc<dyn Backend>) {
    let wakers = Event::new("the wakers");
    let say = wakers.clone();
    join(work(&backend, move |spawner| async move {
        for ends in [true, false] {
            let say = say.clone();
            let mut told = false;
            spawner.spawn_local(Box::pin(poll_fn(move |cx| {
                if !std::mem::replace(&mut told, true) {
                    say.say(cx.waker().clone());
                }
                if ends { Poll::Ready(()) } else { Poll::Pending }
            })));
        }
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        say.say(own);
        yield_now().await;
        yield_now().await;
    }));
    for _ in 0..3 {
        let waker = wakers.wait();
        waker.wake_by_ref();
        drop(waker.clone());
        waker.wake();
    }
}

/// A panic in a destructor, when a future has ended or when its worker does, takes nothing else with it.
pub fn a_panic_while_a_future_is_dropped_goes_no_further(backend: Arc<dyn Backend>) {
    let dropped = Event::new("the drop of a future beside one that panics");
    let say = dropped.clone();
    let worker = work(&backend, move |spawner| async move {
        for n in 0..40 {
            let say = say.clone();
            let guard = OnDrop(move || {
                say.say(());
                panic_quietly();
            });
            spawner.spawn_local(Box::pin(async move {
                let _guard = guard;
                yield_now().await;
                if n % 2 == 0 {
                    pending::<()>().await;
                }
            }));
        }
        let left = Rc::new(Cell::new(true));
        let told = Rc::clone(&left);
        spawner
            .spawn_local(Box::pin(async move { (yield_now().await, yield_now().await, told.set(false)).2 }));
        until(|| !left.get()).await;
    });
    join(worker);
    for _ in 0..40 {
        assert_eq!(dropped.now(), Some(()), "all are dropped by the end of their worker");
    }
}
