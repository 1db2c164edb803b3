//! Selects under every interleaving of their locks:
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-core --test loom_select --release`.
#![cfg(loom)]

mod explore;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use explore::{model, model_of_three};
use loom::future::block_on;
use loom::thread;
use runtime_core::{Channel, Happened, Select, Selected, TryReceiveError};

use Happened::{Received, Sent};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn receiving(channels: &[Channel<u32>]) -> Select<u32> {
    let mut select = Select::new();
    for channel in channels {
        select.receive(channel);
    }
    select
}

fn waiting(channels: &[Channel<u32>]) -> Select<u32> {
    let mut select = receiving(channels);
    assert!(poll(&mut select).is_pending());
    select
}

fn two() -> [Channel<u32>; 2] {
    [Channel::new(0), Channel::new(0)]
}

fn nobody_waits(channels: &[Channel<u32>]) {
    for channel in channels {
        assert_eq!(channel.waiting(), (0, 0));
        assert_eq!(channel.try_receive().ok(), None);
    }
}

#[test]
fn two_selects_meet_once() {
    model(|| {
        let channels = two();
        let other = thread::spawn({
            let channels = channels.clone();
            move || {
                let mut select = Select::new();
                select.send(&channels[0], 10);
                select.send(&channels[1], 11);
                block_on(select)
            }
        });
        let received = block_on(receiving(&channels));
        let sent = other.join().unwrap();
        assert_eq!(received.case, sent.case);
        assert_eq!(received.happened, Received(Some(10 + sent.case as u32)));
        assert_eq!(sent.happened, Sent(Ok(())));
        nobody_waits(&channels);
    });
}

#[test]
fn two_selects_that_both_send_and_receive_meet_one_way_round() {
    // Each sends on the channel that the other receives from, and the other way round.
    model(|| {
        let channels = two();
        let act = |channels: [Channel<u32>; 2], value: u32| {
            let mut select = Select::new();
            select.receive(&channels[0]);
            select.send(&channels[1], value);
            block_on(select)
        };
        let [a, b] = channels.clone();
        let other = thread::spawn(move || act([b, a], 2));
        let here = act(channels.clone(), 1);
        let there = other.join().unwrap();
        match here.happened {
            Received(value) => assert_eq!((value, there.happened), (Some(2), Sent(Ok(())))),
            _ => assert_eq!((here.happened, there.happened), (Sent(Ok(())), Received(Some(1)))),
        }
        nobody_waits(&channels);
    });
}

#[test]
fn two_selects_on_one_channel_meet_one_way_round() {
    model(|| {
        let channel = Channel::new(0);
        let act = |channel: &Channel<u32>, value: u32| {
            let mut select = Select::new();
            select.receive(channel);
            select.send(channel, value);
            block_on(select).happened
        };
        let other = thread::spawn({
            let channel = channel.clone();
            move || act(&channel, 2)
        });
        match (act(&channel, 1), other.join().unwrap()) {
            (Received(Some(2)), Sent(Ok(()))) | (Sent(Ok(())), Received(Some(1))) => {}
            neither => panic!("{neither:?}"),
        }
        nobody_waits(&[channel]);
    });
}

#[test]
fn two_sends_meet_a_select_that_takes_one() {
    model_of_three(|| {
        let channels = two();
        let send = |channel: &Channel<u32>, value| {
            let channel = channel.clone();
            thread::spawn(move || channel.try_send(value).is_ok())
        };
        let mut select = waiting(&channels);
        let senders = [send(&channels[0], 0), send(&channels[1], 1)];
        let sent = senders.map(|sender| sender.join().unwrap());
        assert!(sent[0] != sent[1]);
        let case = usize::from(sent[1]);
        let happened = Received(Some(case as u32));
        assert_eq!(poll(&mut select), Poll::Ready(Selected { case, happened }));
        nobody_waits(&channels);
    });
}

#[test]
fn closing_meets_a_select() {
    model_of_three(|| {
        let channels = two();
        let closer = thread::spawn({
            let channel = channels[0].clone();
            move || channel.close()
        });
        let sender = thread::spawn({
            let channel = channels[1].clone();
            move || block_on(channel.send(7)).is_ok()
        });
        let selected = block_on(receiving(&channels));
        match selected.happened {
            Received(None) => {
                assert_eq!(selected.case, 0);
                // The value is still to be had.
                assert_eq!(block_on(channels[1].receive()), Some(7));
            }
            happened => assert_eq!((selected.case, happened), (1, Received(Some(7)))),
        }
        assert!(closer.join().unwrap() && sender.join().unwrap());
        assert_eq!(channels.map(|channel| channel.waiting()), [(0, 0); 2]);
    });
}

#[test]
fn closing_meets_a_select_that_sends() {
    model(|| {
        let channels = two();
        let closer = thread::spawn({
            let channels = channels.clone();
            move || {
                let got = channels[1].try_receive();
                channels[0].close();
                got.ok()
            }
        });
        let mut select = Select::new();
        select.send(&channels[0], 5);
        select.send(&channels[1], 6);
        let selected = block_on(select);
        match closer.join().unwrap() {
            Some(value) => assert_eq!((value, selected.case, selected.happened), (6, 1, Sent(Ok(())))),
            None => {
                let refused = Sent(Err(runtime_core::SendError(5)));
                assert_eq!((selected.case, selected.happened), (0, refused));
            }
        }
        assert_eq!(channels.map(|channel| channel.waiting()), [(0, 0); 2]);
    });
}

/// What a timeout does when it wins: gives up, exactly.
#[test]
fn a_send_meets_a_select_whose_time_is_up() {
    model(|| {
        let channels = two();
        let select = waiting(&channels);
        let sender = thread::spawn({
            let channel = channels[1].clone();
            move || channel.try_send(1).is_ok()
        });
        let happened = select.cancel();
        let sent = sender.join().unwrap();
        let wanted = Selected { case: 1, happened: Received(Some(1)) };
        assert_eq!(happened, sent.then_some(wanted));
        nobody_waits(&channels);
    });
}

#[test]
fn an_event_meets_a_send() {
    model_of_three(|| {
        let (channel, gate) = (Channel::new(0), Channel::<()>::new(0));
        let opener = thread::spawn({
            let gate = gate.clone();
            move || gate.close()
        });
        let sender = thread::spawn({
            let channel = channel.clone();
            move || channel.try_send(1).is_ok()
        });
        let mut select = receiving(std::slice::from_ref(&channel));
        let opened = gate.receive();
        select.event(false, async move {
            opened.await;
        });
        let selected = block_on(select);
        opener.join().unwrap();
        let sent = sender.join().unwrap();
        assert_eq!(selected.happened, if sent { Received(Some(1)) } else { Happened::Event });
        nobody_waits(&[channel]);
    });
}

#[test]
fn a_send_meets_a_select_that_is_being_dropped() {
    model(|| {
        let channels = two();
        let select = waiting(&channels);
        let sender = thread::spawn({
            let channel = channels[1].clone();
            move || channel.try_send(1).is_ok()
        });
        drop(select);
        let sent = sender.join().unwrap();
        let left = channels[1].try_receive();
        assert_eq!(left, if sent { Ok(1) } else { Err(TryReceiveError::Empty) });
        nobody_waits(&channels);
    });
}

#[test]
fn the_value_of_a_claimed_select_that_is_dropped_wakes_the_next() {
    model(|| {
        let channels = two();
        let claimed = waiting(&channels);
        channels[1].try_send(1).unwrap();
        let next = thread::spawn({
            let channels = channels.clone();
            move || block_on(receiving(&channels))
        });
        drop(claimed);
        assert_eq!(next.join().unwrap(), Selected { case: 1, happened: Received(Some(1)) });
        nobody_waits(&channels);
    });
}
