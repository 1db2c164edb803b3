//! What stands on top of the rest promises: backing off, limiting rates, breaking circuits, broadcasting. By a clock that
//! the tests move.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use runtime_core::conformance::MovedClock;
use runtime_core::testing::BareBackend;
use runtime_core::{
    Backoff, Breaker, Broadcaster, CircuitBreaker, Ending, RateLimiter, TryReceiveError, block_on,
};

const MS: Duration = Duration::from_millis(1);

fn clock() -> MovedClock {
    MovedClock::new(Arc::new(BareBackend::new()))
}

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(n - 1)
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn delays_grow_to_the_longest_and_jitter_only_shortens() {
    let plain = Backoff { initial: 10 * MS, max: 1000 * MS, multiplier: 3.0, jitter: false };
    assert_eq!([1, 2, 3, 5, 6, u32::MAX].map(|n| plain.delay(n).as_millis()), [10, 30, 90, 810, 1000, 1000]);
    let random = Backoff { jitter: true, ..plain };
    for attempt in [1, 3, 1000] {
        let whole = plain.delay(attempt);
        for _ in 0..100 {
            assert!((whole / 2..=whole).contains(&random.delay(attempt)));
        }
    }
}

#[test]
fn a_limiter_lets_through_what_its_rate_allows() {
    let clock = clock();
    let limiter = RateLimiter::new(Arc::new(clock.clone()), 10 * MS, count(3));
    let through = |limiter: &RateLimiter| (0..10).filter(|_| limiter.try_now()).count();
    assert_eq!(through(&limiter), 3);
    clock.advance(10 * MS);
    assert_eq!(through(&limiter), 1);
    clock.advance(25 * MS);
    assert_eq!(through(&limiter), 2);
    clock.advance(5 * MS);
    assert_eq!(through(&limiter), 1);
    clock.advance(1000 * MS);
    assert_eq!(through(&limiter), 3);
}

#[test]
fn waits_go_through_in_their_order_and_those_that_leave_take_nothing() {
    let clock = clock();
    let limiter = RateLimiter::new(Arc::new(clock.clone()), 10 * MS, count(1));
    assert!(limiter.try_now());
    let mut waits: Vec<_> = (0..4).map(|_| Box::pin(limiter.wait())).collect();
    for wait in &mut waits {
        assert!(poll(wait).is_pending());
    }
    assert_eq!((clock.sleepers(), limiter.waiting()), (1, 3));
    // The first leaves while it sleeps, another in the line.
    drop(waits.remove(0));
    drop(waits.remove(1));
    assert!(poll(&mut waits[0]).is_pending());
    clock.advance(10 * MS);
    assert!(!limiter.try_now());
    assert!(poll(&mut waits[1]).is_pending());
    assert!(poll(&mut waits[0]).is_ready());
    assert!(poll(&mut waits[1]).is_pending());
    clock.advance(10 * MS);
    assert!(poll(&mut waits[1]).is_ready());
    assert!(!limiter.try_now());
    drop(waits);
    assert_eq!((clock.sleepers(), limiter.waiting()), (0, 0));
    clock.advance(10 * MS);
    assert!(limiter.try_now());
}

fn breaker(clock: &MovedClock, threshold: usize, half_open_max: usize) -> CircuitBreaker {
    CircuitBreaker::new(Arc::new(clock.clone()), count(threshold), 100 * MS, count(half_open_max))
}

fn call(breaker: &CircuitBreaker, ending: Ending) {
    match breaker.begin() {
        Some(call) => breaker.end(call, ending),
        None => panic!("no call may go through"),
    }
}

#[test]
fn failures_in_a_row_open_a_breaker_and_a_success_starts_anew() {
    let clock = clock();
    let breaker = breaker(&clock, 3, 1);
    for ending in [Ending::Failure, Ending::Failure, Ending::Success, Ending::Failure, Ending::GivenUp] {
        call(&breaker, ending);
    }
    call(&breaker, Ending::Failure);
    assert_eq!(breaker.state(), Breaker::Closed);
    let late = breaker.begin().unwrap();
    call(&breaker, Ending::Failure);
    assert_eq!((breaker.state(), breaker.begin()), (Breaker::Open, None));
    // What began before says nothing of what is now.
    breaker.end(late, Ending::Success);
    assert_eq!(breaker.state(), Breaker::Open);
    clock.advance(99 * MS);
    assert_eq!(breaker.begin(), None);
    clock.advance(MS);
    call(&breaker, Ending::Failure);
    assert_eq!(breaker.state(), Breaker::Open);
    clock.advance(100 * MS);
    call(&breaker, Ending::Success);
    assert_eq!(breaker.state(), Breaker::Closed);
}

#[test]
fn as_many_try_a_half_open_breaker_as_may_and_those_that_never_come_back_are_not_waited_for() {
    let clock = clock();
    let breaker = breaker(&clock, 1, 2);
    call(&breaker, Ending::Failure);
    clock.advance(100 * MS);
    let first = breaker.begin().unwrap();
    assert!(breaker.begin().is_some());
    assert_eq!(breaker.begin(), None);
    breaker.end(first, Ending::GivenUp);
    assert!(breaker.begin().is_some());
    assert_eq!(breaker.begin(), None);
    clock.advance(100 * MS);
    call(&breaker, Ending::Success);
    assert_eq!(breaker.state(), Breaker::Closed);
}

#[test]
fn a_broadcast_reaches_all_who_are_there() {
    let news = Broadcaster::new();
    let (one, two, gone) = (news.subscribe(1), news.subscribe(1), news.subscribe(0));
    drop(gone);
    assert_eq!(block_on(&BareBackend::new(), news.broadcast(|| 1)), 2);
    let late = news.subscribe(1);
    assert_eq!(one.try_receive(), Ok(1));
    let mut waiting = Box::pin(news.broadcast(|| 2));
    assert!(poll(&mut waiting).is_pending());
    assert_eq!(two.try_receive(), Ok(1));
    assert_eq!(poll(&mut waiting), Poll::Ready(3));
    assert_eq!([&one, &two, &late].map(|channel| channel.try_receive()), [Ok(2); 3]);
    assert!(news.close() && !news.close());
    assert_eq!(late.try_receive(), Err(TryReceiveError::Closed));
    assert!(news.subscribe(1).is_closed());
    assert_eq!(block_on(&BareBackend::new(), news.broadcast(|| 3)), 0);
}
