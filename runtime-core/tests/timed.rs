//! Channels that give values as time passes, on a clock that the tests move.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use runtime_core::conformance::MovedClock;
use runtime_core::testing::BareBackend;
use runtime_core::{Backend, Channel, Happened, Select, Selected, TryReceiveError, block_on};

const SECOND: Duration = Duration::from_secs(1);

fn clock() -> (MovedClock, Instant) {
    let clock = MovedClock::new(Arc::new(BareBackend::new()));
    let start = clock.now();
    (clock, start)
}

fn after(clock: &MovedClock, time: Duration) -> Channel<Instant> {
    Channel::after(Arc::new(clock.clone()), Some(clock.now() + time), |at| at)
}

fn ticker(clock: &MovedClock, every: Duration) -> Channel<Instant> {
    Channel::ticker(Arc::new(clock.clone()), every, |at| at)
}

#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn one_value_comes_when_its_time_has_come() {
    let (clock, start) = clock();
    let channel = after(&clock, SECOND);
    assert_eq!((channel.len(), channel.try_receive()), (0, Err(TryReceiveError::Empty)));
    clock.advance(SECOND);
    assert_eq!(channel.len(), 1);
    assert_eq!(channel.try_receive(), Ok(start + SECOND));
    clock.advance(100 * SECOND);
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
    assert!(!channel.is_closed());
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn who_waits_is_woken_by_a_timer_of_its_own() {
    let (clock, start) = clock();
    let channel = after(&clock, SECOND);
    let mut receive = channel.receive();
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    assert!(Pin::new(&mut receive).poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(clock.sleepers(), 1);
    clock.advance(SECOND / 2);
    assert_eq!(alarm.0.load(Ordering::SeqCst), 0);
    clock.advance(SECOND / 2);
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut receive), Poll::Ready(Some(start + SECOND)));
}

#[test]
fn nothing_is_left_behind_when_it_is_dropped() {
    let (clock, _) = clock();
    let channel = ticker(&clock, SECOND);
    assert_eq!(clock.sleepers(), 0);
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    assert_eq!(clock.sleepers(), 1);
    drop(receive);
    assert_eq!((clock.sleepers(), channel.waiting()), (0, (0, 0)));
    let mut select = Select::new();
    select.receive(&channel);
    assert!(poll(&mut select).is_pending());
    drop(select);
    assert_eq!((clock.sleepers(), channel.waiting()), (0, (0, 0)));
}

#[test]
fn a_ticker_skips_what_nobody_took() {
    let (clock, start) = clock();
    let channel = ticker(&clock, SECOND);
    clock.advance(SECOND * 7 / 2);
    // The first is there, the second and third found no room.
    assert_eq!(channel.try_receive(), Ok(start + SECOND));
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
    clock.advance(SECOND / 2);
    assert_eq!(channel.try_receive(), Ok(start + 4 * SECOND));
    clock.advance(SECOND);
    assert_eq!(channel.try_receive(), Ok(start + 5 * SECOND));
}

#[test]
fn a_ticker_gives_one_each_time_to_who_waits() {
    let (clock, start) = clock();
    let channel = ticker(&clock, SECOND);
    let thread = std::thread::spawn({
        let (clock, channel) = (clock.clone(), channel.clone());
        move || [(); 3].map(|()| block_on(&clock, channel.receive()))
    });
    for _ in 0..3 {
        clock.wait_for_sleepers(1);
        clock.advance(SECOND);
    }
    let ticks = thread.join().unwrap();
    assert_eq!(ticks, [1, 2, 3].map(|n| Some(start + n * SECOND)));
}

#[test]
fn each_tick_goes_to_one_of_those_who_wait() {
    let (clock, _) = clock();
    let channel = ticker(&clock, SECOND);
    let (mut first, mut second) = (channel.receive(), channel.receive());
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    clock.advance(SECOND);
    // The timer of the second may well ring first: the tick is the first's.
    assert!(poll(&mut second).is_pending());
    assert!(poll(&mut first).is_ready());
    clock.advance(SECOND);
    assert!(poll(&mut second).is_ready());
}

#[test]
fn a_ticker_that_is_stopped_or_closed_ticks_no_more() {
    let (clock, start) = clock();
    let channel = ticker(&clock, SECOND);
    clock.advance(SECOND);
    assert!(channel.stop());
    assert!(!channel.stop());
    clock.advance(5 * SECOND);
    assert_eq!(channel.try_receive(), Ok(start + SECOND));
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
    assert!(!channel.is_closed());

    let channel = ticker(&clock, SECOND);
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    channel.close();
    assert_eq!(poll(&mut receive), Poll::Ready(None));
    drop(receive);
    clock.advance(5 * SECOND);
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Closed));
    assert!(!Channel::<u8>::new(1).stop());
}

#[test]
fn one_that_is_stopped_while_somebody_waits_wakes_nobody() {
    let (clock, _) = clock();
    let channel = ticker(&clock, SECOND);
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    channel.stop();
    clock.advance(SECOND);
    assert!(poll(&mut receive).is_pending());
    // Its last timer was in vain, and there is no other.
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn never_is_never() {
    let (clock, _) = clock();
    let channel = Channel::after(Arc::new(clock.clone()), None, |at| at);
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_select_takes_the_first_of_several() {
    let (clock, start) = clock();
    let (late, early, every) = (after(&clock, 3 * SECOND), after(&clock, SECOND), ticker(&clock, 2 * SECOND));
    let mut cases = Vec::new();
    for _ in 0..3 {
        let mut select = Select::new();
        for channel in [&late, &early, &every] {
            select.receive(channel);
        }
        assert!(poll(&mut select).is_pending());
        assert_eq!(clock.sleepers(), 1);
        clock.advance(SECOND);
        let Poll::Ready(selected) = poll(&mut select) else { panic!("its time has come") };
        cases.push(selected);
    }
    let received = |case, n| Selected { case, happened: Happened::Received(Some(start + n * SECOND)) };
    assert_eq!(cases, [received(1, 1), received(2, 2), received(0, 3)]);
}
