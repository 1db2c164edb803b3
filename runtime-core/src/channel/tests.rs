//! What a select will stand on: one token in the queues of several channels. Runs under loom too.

use std::task::Waker;

use super::Channel;
use super::state::{Got, NotSent, Told};
use crate::token::{Ticket, Token};

#[cfg(loom)]
use loom::{model, thread};
#[cfg(not(loom))]
use std::thread;

#[cfg(not(loom))]
fn model(test: impl Fn()) {
    test();
}

/// Lets a new token wait to receive from each channel, as one step.
fn wait_in_all(channels: &[Channel<u32>]) -> (super::Arc<Token<Told<u32>>>, Vec<Ticket>) {
    let mut in_order: Vec<_> = channels.iter().collect();
    in_order.sort_by_key(|channel| channel.address());
    let mut locks: Vec<_> = in_order.iter().map(|channel| channel.shared.state.lock()).collect();
    let token = Token::new(Waker::noop());
    let tickets = locks
        .iter_mut()
        .enumerate()
        .map(|(case, state)| state.wait_to_receive(super::Arc::clone(&token), case))
        .collect();
    (token, tickets)
}

#[test]
fn a_token_in_two_channels_is_claimed_through_one() {
    model(|| {
        let channels = [Channel::new(0), Channel::new(0)];
        let (token, tickets) = wait_in_all(&channels);
        let other = channels[1].clone();
        let sender = thread::spawn(move || other.try_send(2).is_ok());
        let sent = channels[0].try_send(1).is_ok();
        let other_sent = sender.join().unwrap();
        assert!(sent != other_sent);
        match token.poll(Waker::noop()) {
            Some((_, Told::Received(handed))) => assert_eq!(handed.value, if sent { 1 } else { 2 }),
            _ => panic!("nobody told it"),
        }
        // Both places are gone: the one was claimed, the other found stale.
        for channel in &channels {
            for ticket in &tickets {
                assert!(channel.shared.state.lock().withdraw_receiver(*ticket).is_none());
            }
        }
    });
}

#[test]
fn a_token_that_gives_up_is_passed_over() {
    model(|| {
        let channels = [Channel::new(0)];
        let (first, _) = wait_in_all(&channels);
        let (second, _) = wait_in_all(&channels);
        let sender = thread::spawn({
            let channel = channels[0].clone();
            move || channel.try_send(1).is_ok()
        });
        let given_up = first.retire();
        assert!(sender.join().unwrap());
        let got = matches!(second.poll(Waker::noop()), Some((0, Told::Received(_))));
        assert_eq!(got, given_up.is_none());
    });
}

#[test]
fn a_stale_sender_sends_nothing() {
    model(|| {
        let channel = Channel::new(0);
        let token = Token::new(Waker::noop());
        channel.locked(|state, after| {
            assert!(matches!(state.offer(7, after), Err(NotSent::Full(7))));
            state.wait_to_send(super::Arc::clone(&token), 3, 7);
            state.wait_to_send(super::Arc::clone(&token), 4, 8);
        });
        let first = channel.locked(|state, after| state.take(after));
        assert!(matches!(first, Got::Value(7)));
        let second = channel.locked(|state, after| state.take(after));
        assert!(matches!(second, Got::Nothing));
        assert!(matches!(token.poll(Waker::noop()), Some((3, Told::Sent))));
    });
}
