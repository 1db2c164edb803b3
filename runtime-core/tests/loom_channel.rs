//! A channel under every interleaving of its locks:
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-core --test loom_channel --release`.
#![cfg(loom)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::model::Builder;
use loom::{model, thread};
use runtime_core::channel::{Receive, Send as SendFuture};
use runtime_core::{Channel, SendError, TryReceiveError};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn waiting_receive(channel: &Channel<u32>) -> Receive<u32> {
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    receive
}

fn waiting_send(channel: &Channel<u32>, value: u32) -> SendFuture<u32> {
    let mut send = channel.send(value);
    assert!(poll(&mut send).is_pending());
    send
}

#[test]
fn a_rendezvous_wakes_both() {
    model(|| {
        let channel = Channel::new(0);
        let sender = thread::spawn({
            let channel = channel.clone();
            move || block_on(channel.send(1))
        });
        assert_eq!(block_on(channel.receive()), Some(1));
        assert_eq!(sender.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_stream_through_one_slot_arrives_in_order_and_ends() {
    // Too long to be explored in full: every way with up to three preemptions.
    let mut bounded = Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let channel = Channel::new(1);
        let sender = thread::spawn({
            let channel = channel.clone();
            move || {
                for n in 0..3 {
                    block_on(channel.send(n)).unwrap();
                }
                channel.close();
            }
        });
        for n in 0..3 {
            assert_eq!(block_on(channel.receive()), Some(n));
        }
        assert_eq!(block_on(channel.receive()), None);
        sender.join().unwrap();
    });
}

#[test]
fn a_send_meets_a_receive_that_is_being_dropped() {
    model(|| {
        let channel = Channel::new(0);
        let receive = waiting_receive(&channel);
        let sender = thread::spawn({
            let channel = channel.clone();
            move || channel.try_send(1).is_ok()
        });
        drop(receive);
        let sent = sender.join().unwrap();
        let left = channel.try_receive();
        assert_eq!(left, if sent { Ok(1) } else { Err(TryReceiveError::Empty) });
        assert!(channel.try_send(2).is_err());
    });
}

#[test]
fn a_send_meets_a_receive_that_is_being_cancelled() {
    model(|| {
        let channel = Channel::new(0);
        let receive = waiting_receive(&channel);
        let sender = thread::spawn({
            let channel = channel.clone();
            move || channel.try_send(1).is_ok()
        });
        let received = receive.cancel();
        assert_eq!(received.is_some(), sender.join().unwrap());
        assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
    });
}

#[test]
fn the_value_of_a_claimed_receive_that_is_dropped_wakes_the_next() {
    model(|| {
        let channel = Channel::new(0);
        let claimed = waiting_receive(&channel);
        channel.try_send(1).unwrap();
        let next = thread::spawn({
            let channel = channel.clone();
            move || block_on(channel.receive())
        });
        drop(claimed);
        assert_eq!(next.join().unwrap(), Some(1));
        assert!(channel.is_empty());
    });
}

#[test]
fn a_value_that_comes_back_while_others_send_keeps_its_order() {
    model(|| {
        let channel = Channel::new(1);
        let claimed = waiting_receive(&channel);
        channel.try_send(1).unwrap();
        let sender = thread::spawn({
            let channel = channel.clone();
            move || block_on(channel.send(2))
        });
        drop(claimed);
        assert_eq!(block_on(channel.receive()), Some(1));
        assert_eq!(block_on(channel.receive()), Some(2));
        assert_eq!(sender.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_receive_meets_a_send_that_is_being_cancelled() {
    model(|| {
        let channel = Channel::new(0);
        let send = waiting_send(&channel, 1);
        let receiver = thread::spawn({
            let channel = channel.clone();
            move || channel.try_receive().ok()
        });
        let back = send.cancel();
        let received = receiver.join().unwrap();
        assert_eq!(back.or(received), Some(1));
        assert!(back.is_none() || received.is_none());
    });
}

#[test]
fn closing_meets_a_send() {
    model(|| {
        let channel = Channel::new(1);
        let sender = thread::spawn({
            let channel = channel.clone();
            move || {
                let first = block_on(channel.send(1));
                (first, block_on(channel.send(2)))
            }
        });
        channel.close();
        let (first, second) = sender.join().unwrap();
        assert_eq!(second, Err(SendError(2)));
        let left = channel.try_receive();
        assert_eq!(first.is_ok(), left == Ok(1));
        assert_eq!(channel.try_receive(), Err(TryReceiveError::Closed));
    });
}

#[test]
fn closing_meets_a_receive_and_a_send() {
    model(|| {
        let channel = Channel::new(0);
        let receiver = thread::spawn({
            let channel = channel.clone();
            move || block_on(channel.receive())
        });
        let closer = thread::spawn({
            let channel = channel.clone();
            move || channel.close()
        });
        let sent = block_on(channel.send(1)).is_ok();
        assert_eq!(receiver.join().unwrap(), sent.then_some(1));
        assert!(closer.join().unwrap());
    });
}

#[test]
fn closing_meets_a_receive_that_was_claimed_and_is_dropped() {
    model(|| {
        let channel = Channel::new(0);
        let claimed = waiting_receive(&channel);
        channel.try_send(1).unwrap();
        let closer = thread::spawn({
            let channel = channel.clone();
            move || channel.close()
        });
        drop(claimed);
        assert_eq!(channel.try_receive(), Ok(1));
        assert!(closer.join().unwrap());
        assert_eq!(channel.try_receive(), Err(TryReceiveError::Closed));
    });
}
