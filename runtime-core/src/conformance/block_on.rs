//! Blocking a thread on a future.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::kit::{Event, elsewhere, join, panic_quietly, work, yield_now};
use crate::{Backend, block_on};

/// The thread sleeps meanwhile: the future is polled a few times, not again and again.
pub fn block_on_parks_until_its_future_is_ready(backend: Arc<dyn Backend>) {
    elsewhere("the end of block_on", move || {
        let mut polls = 0;
        let mut sleep = backend.sleep_until(backend.now() + Duration::from_millis(50));
        let counted = poll_fn(|cx| {
            polls += 1;
            sleep.as_mut().poll(cx)
        });
        assert_eq!(block_on(&*backend, async { (counted.await, 7).1 }), 7);
        // One to register and one to find it over; more are legal, but a thread that spins makes millions.
        assert!(polls < 100, "the future was polled {polls} times in 50 ms");
    });
}

/// A thread that is being blocked on a future, or is a worker, may be blocked on another one.
pub fn block_on_may_be_nested(backend: Arc<dyn Backend>) {
    let foreign = Arc::clone(&backend);
    elsewhere("block_on in block_on", move || {
        let event = Event::new("an event for the inner one");
        let say = event.clone();
        let thread = std::thread::spawn(move || say.say(5));
        let inner = async { block_on(&*foreign, async { (yield_now().await, event.heard().await).1 }) };
        assert_eq!(block_on(&*foreign, inner), 5);
        assert!(thread.join().is_ok());
    });
    let over = Event::new("block_on on a worker");
    let (say, blocking) = (over.clone(), Arc::clone(&backend));
    join(work(&backend, move |_| async move {
        let event = Event::new("an event for a blocked worker");
        let other = event.clone();
        let helper = work(&blocking, move |_| async move { other.say(6) });
        say.say(block_on(&*blocking, event.heard()));
        join(helper);
    }));
    assert_eq!(over.wait(), 6);
}

/// A panic in the future reaches who is blocked on it, and the thread can be blocked again.
pub fn block_on_lets_a_panic_through(backend: Arc<dyn Backend>) {
    elsewhere("block_on after a panic", move || {
        let panics = || block_on(&*backend, async { panic_quietly() });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics));
        assert!(caught.is_err(), "block_on swallowed a panic");
        assert_eq!(block_on(&*backend, async { (yield_now().await, 8).1 }), 8);
    });
}

/// A thread, and a worker, blocked on a future that is woken again and again, and on many one after the other.
pub fn block_on_serves_a_thousand_wakes(backend: Arc<dyn Backend>) {
    let blocking = Arc::clone(&backend);
    let serve = move || {
        let mut left = 1000;
        let wakes_itself = poll_fn(|cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        block_on(&*blocking, wakes_itself);
        for _ in 0..300 {
            block_on(&*blocking, blocking.sleep_until(blocking.now() + Duration::from_micros(10)));
        }
    };
    elsewhere("a thousand wakes of a blocked thread", serve.clone());
    join(work(&backend, |_| async move { serve() }));
}
