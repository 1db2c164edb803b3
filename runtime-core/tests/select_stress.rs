//! Selects under many threads.
//!
//! How much they do is scaled down without optimization; `GOROUTINE_TEST_FULL=1` does all of it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use runtime_core::testing::BareBackend;
use runtime_core::{Channel, Happened, Select, block_on};

const PRODUCERS: usize = 8;
const CONSUMERS: usize = 4;

fn scaled(full: usize) -> usize {
    let all = !cfg!(debug_assertions) || std::env::var_os("GOROUTINE_TEST_FULL").is_some();
    if all { full } else { full / 10 }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

fn nobody_waits<T>(channels: &[Channel<T>]) {
    for channel in channels {
        assert_eq!(channel.waiting(), (0, 0));
    }
}

/// Producers send each number on whichever channel takes it, consumers receive from whichever has one. `close_after`: a
/// consumer closes all channels after so many. Gives how often each number was received, and how many sends were refused.
fn rush(capacities: [usize; 3], messages: usize, close_after: Option<usize>) -> (Vec<u8>, usize) {
    let channels = capacities.map(Channel::new);
    let seen: Vec<AtomicU8> = (0..messages).map(|_| AtomicU8::new(0)).collect();
    let (received, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let producing = AtomicUsize::new(PRODUCERS);
    let close = |channels: &[Channel<usize>]| {
        channels.iter().for_each(|channel| {
            channel.close();
        })
    };
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (channels, refused, producing) = (&channels, &refused, &producing);
            scope.spawn(move || {
                block_on(&BareBackend::new(), async {
                    for number in (producer..messages).step_by(PRODUCERS) {
                        let mut select = Select::new();
                        for channel in channels {
                            select.send(channel, number);
                        }
                        if select.await.happened != Happened::Sent(Ok(())) {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                if producing.fetch_sub(1, Ordering::SeqCst) == 1 {
                    close(channels);
                }
            });
        }
        for _ in 0..CONSUMERS {
            let (channels, seen, received) = (&channels, &seen, &received);
            scope.spawn(move || {
                block_on(&BareBackend::new(), async {
                    let mut open: Vec<_> = channels.iter().collect();
                    while !open.is_empty() {
                        let mut select = Select::new();
                        for channel in &open {
                            select.receive(channel);
                        }
                        let selected = select.await;
                        let Happened::Received(Some(number)) = selected.happened else {
                            open.remove(selected.case);
                            continue;
                        };
                        seen[number].fetch_add(1, Ordering::Relaxed);
                        if Some(received.fetch_add(1, Ordering::SeqCst) + 1) == close_after {
                            close(channels);
                        }
                    }
                });
            });
        }
    });
    nobody_waits(&channels);
    assert!(channels.iter().all(Channel::is_empty));
    (seen.into_iter().map(AtomicU8::into_inner).collect(), refused.into_inner())
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for capacities in [[0, 0, 0], [0, 1, 64]] {
        let (seen, refused) = rush(capacities, scaled(500_000), None);
        assert_eq!(refused, 0);
        assert!(seen.iter().all(|times| *times == 1));
    }
}

#[test]
fn nothing_is_lost_and_nothing_doubled_when_it_closes_in_between() {
    for capacities in [[0, 0, 0], [0, 1, 64]] {
        let messages = scaled(500_000);
        let (seen, refused) = rush(capacities, messages, Some(messages / 3));
        assert!(refused > 0);
        assert!(seen.iter().all(|times| *times <= 1));
        let received: usize = seen.iter().map(|times| usize::from(*times)).sum();
        assert_eq!(received + refused, messages);
    }
}

#[test]
fn a_loop_over_three_channels_leaves_nothing_behind() {
    let channels = [(); 3].map(|()| Channel::<usize>::new(0));
    let rounds = scaled(1_000_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            block_on(&BareBackend::new(), async {
                for round in 0..rounds {
                    // Mostly the first: the places in the queues of the others must not pile up.
                    let channel = if round % 1000 == 0 { &channels[1] } else { &channels[0] };
                    channel.send(round).await.unwrap();
                }
            });
        });
        block_on(&BareBackend::new(), async {
            for round in 0..rounds {
                let mut select = Select::new();
                for channel in &channels {
                    select.receive(channel);
                }
                assert_eq!(select.await.happened, Happened::Received(Some(round)));
                assert!(channels.iter().all(|channel| channel.waiting().1 == 0));
            }
        });
    });
    nobody_waits(&channels);
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Several threads send and receive on some channels by selects, and by themselves, and give up at random moments, by
/// dropping the wait or by cancelling it. The numbers received, and those dropped with what was given up, are all there are.
#[test]
fn waits_that_are_given_up_leave_nobody_behind_and_lose_nothing() {
    let channels = [0, 0, 2].map(Channel::<usize>::new);
    let rounds = scaled(100_000);
    let (sent, received) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for seed in 1..=4 {
            let (channels, sent, received) = (&channels, &sent, &received);
            scope.spawn(move || {
                let mut dice = Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
                let count = |happened: Option<Happened<usize>>| match happened {
                    Some(Happened::Sent(Ok(()))) => drop(sent.fetch_add(1, Ordering::SeqCst)),
                    Some(Happened::Received(Some(_))) => drop(received.fetch_add(1, Ordering::SeqCst)),
                    _ => {}
                };
                for round in 0..rounds / 4 {
                    if dice.roll(4) == 0 {
                        let mut receive = channels[dice.roll(3)].receive();
                        let mut value = match poll(&mut receive) {
                            Poll::Ready(value) => value,
                            Poll::Pending => None,
                        };
                        thread::yield_now();
                        match dice.roll(2) {
                            0 if value.is_none() => value = receive.cancel(),
                            _ => drop(receive),
                        }
                        count(Some(Happened::Received(value)));
                        continue;
                    }
                    let mut select = Select::new();
                    for channel in channels {
                        match dice.roll(3) {
                            // A send that is dropped may have happened, which could not be counted: cancelled ones tell.
                            0 => drop(select.send(channel, round)),
                            1 => drop(select.receive(channel)),
                            _ => drop(select.event(false, pending())),
                        }
                    }
                    if let Poll::Ready(selected) = poll(&mut select) {
                        count(Some(selected.happened));
                        continue;
                    }
                    if dice.roll(2) == 0 {
                        thread::yield_now();
                    }
                    count(select.cancel().map(|selected| selected.happened));
                }
                for _ in 0..rounds / 4 {
                    let mut select = Select::new();
                    for channel in channels {
                        select.receive(channel);
                    }
                    let polled = poll(&mut select);
                    if dice.roll(2) == 0 {
                        thread::yield_now();
                    }
                    match polled {
                        Poll::Ready(selected) => count(Some(selected.happened)),
                        // What it may have been given goes back.
                        Poll::Pending => drop(select),
                    }
                }
            });
        }
    });
    nobody_waits(&channels);
    let left: usize = channels.iter().map(Channel::len).sum();
    assert_eq!(received.load(Ordering::SeqCst) + left, sent.load(Ordering::SeqCst));
    for channel in &channels {
        while channel.try_receive().is_ok() {}
        assert!(channel.is_empty());
    }
}
