//! A channel under many threads, with sends and receives that are given up in the middle of their wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;

use futures_lite::future::poll_once;
use runtime_core::channel::Receive;
use runtime_core::testing::BareBackend;
use runtime_core::{Channel, block_on};

const PRODUCERS: usize = 8;
const CONSUMERS: usize = 4;
const EACH: usize = 25_000;

/// Writes down what became of it: received, dropped on the way, and how often.
struct Message {
    number: usize,
    fates: Arc<Vec<AtomicU8>>,
    received: bool,
}

const RECEIVED: u8 = 1;
const DROPPED: u8 = 16;

impl Message {
    fn receive(mut self) -> usize {
        self.received = true;
        self.fates[self.number].fetch_add(RECEIVED, Ordering::Relaxed);
        self.number
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if !self.received {
            self.fates[self.number].fetch_add(DROPPED, Ordering::Relaxed);
        }
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Sends, giving up now and then. `true`: it went in, or was withdrawn on purpose; `false`: the channel is closed.
async fn send(channel: &Channel<Message>, mut message: Message, dice: &mut Dice) -> bool {
    loop {
        let mut send = channel.send(message);
        match dice.roll(6) {
            0 => {
                let polled = poll_once(&mut send).await;
                thread::yield_now();
                match polled {
                    Some(result) => return result.is_ok(),
                    None => drop(send),
                }
                return true;
            }
            1 | 2 => {
                if let Some(result) = poll_once(&mut send).await {
                    return result.is_ok();
                }
                thread::yield_now();
                match send.cancel() {
                    Some(back) => message = back,
                    None => return true,
                }
            }
            _ => return send.await.is_ok(),
        }
    }
}

/// Receives, giving up now and then.
async fn receive(channel: &Channel<Message>, dice: &mut Dice) -> Option<Message> {
    loop {
        let mut receive = channel.receive();
        match dice.roll(6) {
            roll @ 0..=2 => {
                if let Some(result) = poll_once(&mut receive).await {
                    return result;
                }
                thread::yield_now();
                if roll == 0 {
                    if let Some(message) = receive.cancel() {
                        return Some(message);
                    }
                } else {
                    drop(receive);
                }
            }
            _ => return receive.await,
        }
    }
}

/// Runs producers and consumers; a consumer closes the channel after `close_after` messages, or else the last producer
/// does. Returns what became of every message, and how many sends found the channel closed.
fn rush(capacity: usize, close_after: Option<usize>) -> (Vec<u8>, usize) {
    let channel = Channel::new(capacity);
    let fates: Arc<Vec<AtomicU8>> = Arc::new((0..PRODUCERS * EACH).map(|_| AtomicU8::new(0)).collect());
    let received = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    let producing = AtomicUsize::new(PRODUCERS);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (channel, fates, refused, producing) = (&channel, &fates, &refused, &producing);
            scope.spawn(move || {
                block_on(&BareBackend::new(), async {
                    let mut dice = Dice(0x9E37_79B9 + producer as u64);
                    for number in producer * EACH..(producer + 1) * EACH {
                        let message = Message { number, fates: Arc::clone(fates), received: false };
                        if !send(channel, message, &mut dice).await {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                if producing.fetch_sub(1, Ordering::SeqCst) == 1 {
                    channel.close();
                }
            });
        }
        for consumer in 0..CONSUMERS {
            let (channel, received) = (&channel, &received);
            scope.spawn(move || {
                block_on(&BareBackend::new(), async {
                    let mut dice = Dice(0xC0FF_EE00 + consumer as u64);
                    while let Some(message) = receive(channel, &mut dice).await {
                        message.receive();
                        if Some(received.fetch_add(1, Ordering::SeqCst) + 1) == close_after {
                            assert!(channel.close());
                        }
                    }
                });
            });
        }
    });
    assert!(channel.is_empty() && channel.is_closed());
    let fates = fates.iter().map(|fate| fate.load(Ordering::Relaxed)).collect();
    (fates, refused.into_inner())
}

#[test]
fn nothing_is_lost_and_nothing_doubled_when_waits_are_given_up() {
    for capacity in [0, 3] {
        let (fates, refused) = rush(capacity, None);
        assert_eq!(refused, 0);
        assert!(fates.iter().all(|fate| [RECEIVED, DROPPED].contains(fate)));
        // One in six is dropped on purpose if it has to wait, and no other.
        let received = fates.iter().filter(|fate| **fate == RECEIVED).count();
        assert!(received >= fates.len() * 3 / 4, "{received}");
    }
}

#[test]
fn nothing_is_lost_and_nothing_doubled_when_it_closes_in_between() {
    for capacity in [0, 3, 64] {
        let (fates, refused) = rush(capacity, Some(PRODUCERS * EACH / 3));
        assert!(fates.iter().all(|fate| [RECEIVED, DROPPED].contains(fate)));
        assert!(refused > 0);
        let dropped = fates.iter().filter(|fate| **fate == DROPPED).count();
        assert!(dropped >= refused);
    }
}

#[test]
fn one_receiver_sees_each_senders_values_in_order_whatever_it_gives_up() {
    let channel = Channel::new(2);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let channel = channel.clone();
            scope.spawn(move || {
                block_on(&BareBackend::new(), async {
                    for n in 0..2_000 {
                        channel.send((producer, n)).await.unwrap();
                    }
                });
            });
        }
        let mut next = [0; PRODUCERS];
        let mut see = |(producer, n): (usize, usize)| {
            assert_eq!(n, next[producer]);
            next[producer] += 1;
            next.iter().sum::<usize>() < PRODUCERS * 2_000
        };
        let mut dice = Dice(7);
        let mut more = true;
        while more {
            // Several receives in line at once, up to the first that is ready.
            let mut line = Vec::new();
            let mut ready = None;
            while ready.is_none() && line.len() < 4 {
                let mut receive = channel.receive();
                ready = block_on(&BareBackend::new(), poll_once(&mut receive)).flatten();
                line.push(receive);
            }
            thread::yield_now();
            if ready.is_some() || dice.roll(2) == 0 {
                for message in line.into_iter().filter_map(Receive::cancel) {
                    more = see(message);
                }
                if let Some(message) = ready {
                    more = see(message);
                }
            } else {
                while !line.is_empty() {
                    drop(line.swap_remove(dice.roll(line.len() as u64) as usize));
                }
            }
        }
    });
}
