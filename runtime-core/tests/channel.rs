//! What a channel promises.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use runtime_core::channel::{Receive, Send as SendFuture};
use runtime_core::testing::BareBackend;
use runtime_core::{Channel, SendError, TryReceiveError, TrySendError, block_on};

/// Counts how often it is woken, and then does what it was given.
struct Alarm {
    rung: AtomicUsize,
    act: Box<dyn Fn() + Send + Sync>,
}

impl Alarm {
    fn new() -> Arc<Self> {
        Self::acting(|| {})
    }

    fn acting(act: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { rung: AtomicUsize::new(0), act: Box::new(act) })
    }

    fn rung(&self) -> usize {
        self.rung.load(Ordering::SeqCst)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        (self.act)();
    }
}

fn poll_with<F: Future + Unpin>(future: &mut F, alarm: &Arc<Alarm>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(alarm));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A receive that waits.
fn waiting_receive<T>(channel: &Channel<T>) -> Receive<T> {
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    receive
}

/// A send that waits.
fn waiting_send<T>(channel: &Channel<T>, value: T) -> SendFuture<T> {
    let mut send = channel.send(value);
    assert!(poll(&mut send).is_pending());
    send
}

#[test]
fn values_come_out_in_the_order_they_went_in() {
    let channel = Channel::new(3);
    for n in 0..3 {
        assert_eq!(channel.try_send(n), Ok(()));
    }
    assert_eq!(channel.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(channel.len(), 3);
    for n in 0..3 {
        assert_eq!(channel.try_receive(), Ok(n));
    }
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
    assert!(channel.is_empty());
}

#[test]
fn a_capacity_takes_no_memory_before_there_are_values() {
    let channel = Channel::<[u8; 1024]>::new(usize::MAX);
    assert_eq!(channel.capacity(), usize::MAX);
    assert_eq!(channel.try_send([1; 1024]), Ok(()));
}

#[test]
fn a_closed_channel_still_delivers_what_it_holds() {
    let channel = Channel::new(2);
    channel.try_send(1).unwrap();
    channel.try_send(2).unwrap();
    assert!(channel.close());
    assert!(channel.is_closed());
    assert_eq!(channel.try_send(3), Err(TrySendError::Closed(3)));
    assert_eq!(poll(&mut channel.send(3)), Poll::Ready(Err(SendError(3))));
    assert_eq!(channel.try_receive(), Ok(1));
    assert_eq!(poll(&mut channel.receive()), Poll::Ready(Some(2)));
    assert_eq!(poll(&mut channel.receive()), Poll::Ready(None));
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Closed));
}

#[test]
fn only_the_first_close_closes() {
    let channel = Channel::<()>::new(0);
    assert!(channel.close());
    assert!(!channel.close());
}

#[test]
fn a_rendezvous_is_ready_only_when_both_are_there() {
    let channel = Channel::new(0);
    assert_eq!(channel.try_send(1), Err(TrySendError::Full(1)));
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));

    let mut send = waiting_send(&channel, 2);
    assert_eq!(channel.len(), 0);
    assert_eq!(channel.try_receive(), Ok(2));
    assert_eq!(poll(&mut send), Poll::Ready(Ok(())));

    let mut receive = waiting_receive(&channel);
    assert_eq!(channel.try_send(3), Ok(()));
    assert_eq!(channel.try_send(4), Err(TrySendError::Full(4)));
    assert_eq!(poll(&mut receive), Poll::Ready(Some(3)));
}

#[test]
fn nothing_happens_before_the_first_poll() {
    let channel = Channel::new(1);
    let send = channel.send(1);
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
    assert_eq!(send.cancel(), Some(1));
    let receive = channel.receive();
    channel.try_send(2).unwrap();
    assert_eq!(receive.cancel(), None);
    assert_eq!(channel.try_receive(), Ok(2));
}

#[test]
fn blocked_senders_are_let_in_in_order() {
    let channel = Channel::new(1);
    channel.try_send(0).unwrap();
    let mut sends: Vec<_> = (1..=3).map(|n| waiting_send(&channel, n)).collect();
    for n in 0..=3 {
        // Nobody overtakes: the room that this makes is the next sender's already.
        assert_eq!(channel.try_send(99), Err(TrySendError::Full(99)));
        assert_eq!(channel.try_receive(), Ok(n));
        let sent = sends.iter_mut().filter_map(|send| match poll(send) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        });
        assert_eq!(sent.count(), usize::from(n < 3));
        if n < 3 {
            drop(sends.remove(0));
        }
    }
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
}

#[test]
fn waiting_receivers_are_served_in_order() {
    let channel = Channel::new(4);
    let receives: Vec<_> = (0..3).map(|_| waiting_receive(&channel)).collect();
    for n in 0..4 {
        channel.try_send(n).unwrap();
    }
    assert_eq!(channel.len(), 1);
    for (n, mut receive) in receives.into_iter().enumerate() {
        assert_eq!(poll(&mut receive), Poll::Ready(Some(n)));
    }
}

#[test]
fn a_blocked_sender_gets_its_value_back_when_the_channel_closes() {
    let channel = Channel::new(1);
    channel.try_send(1).unwrap();
    let alarm = Alarm::new();
    let mut send = channel.send(2);
    assert!(poll_with(&mut send, &alarm).is_pending());
    let given_up = waiting_send(&channel, 3);
    channel.close();
    assert_eq!(alarm.rung(), 1);
    assert_eq!(poll(&mut send), Poll::Ready(Err(SendError(2))));
    assert_eq!(given_up.cancel(), Some(3));
    assert_eq!(channel.try_receive(), Ok(1));
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Closed));
}

#[test]
fn waiting_receivers_are_told_of_the_close() {
    let channel = Channel::<i32>::new(1);
    let alarms: Vec<_> = (0..3).map(|_| Alarm::new()).collect();
    let mut receives: Vec<_> = alarms.iter().map(|_| channel.receive()).collect();
    for (receive, alarm) in receives.iter_mut().zip(&alarms) {
        assert!(poll_with(receive, alarm).is_pending());
    }
    channel.close();
    for (receive, alarm) in receives.iter_mut().zip(&alarms) {
        assert_eq!(alarm.rung(), 1);
        assert_eq!(poll(receive), Poll::Ready(None));
    }
}

#[test]
fn only_the_one_who_is_served_is_woken_and_by_its_last_waker() {
    let channel = Channel::new(0);
    let (old, new, other) = (Alarm::new(), Alarm::new(), Alarm::new());
    let (mut first, mut second) = (channel.receive(), channel.receive());
    assert!(poll_with(&mut first, &old).is_pending());
    assert!(poll_with(&mut second, &other).is_pending());
    assert!(poll_with(&mut first, &new).is_pending());
    channel.try_send(1).unwrap();
    assert_eq!((old.rung(), new.rung(), other.rung()), (0, 1, 0));
    assert_eq!(poll(&mut first), Poll::Ready(Some(1)));
}

#[test]
fn a_send_that_is_dropped_takes_its_value_with_it() {
    let channel = Channel::new(0);
    let value = Arc::new(());
    let send = waiting_send(&channel, Arc::clone(&value));
    assert_eq!(Arc::strong_count(&value), 2);
    drop(send);
    assert_eq!(Arc::strong_count(&value), 1);
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Empty));
}

#[test]
fn a_send_that_has_happened_is_not_undone_by_dropping_it() {
    let channel = Channel::new(0);
    let send = waiting_send(&channel, 1);
    assert_eq!(channel.try_receive(), Ok(1));
    drop(send);
    let send = waiting_send(&channel, 2);
    assert_eq!(channel.try_receive(), Ok(2));
    assert_eq!(send.cancel(), None);
}

#[test]
fn a_receive_that_is_dropped_leaves_no_trace() {
    let channel = Channel::new(0);
    drop(waiting_receive(&channel));
    assert_eq!(channel.try_send(1), Err(TrySendError::Full(1)));
    let (first, mut second) = (waiting_receive(&channel), waiting_receive(&channel));
    drop(first);
    channel.try_send(2).unwrap();
    assert_eq!(poll(&mut second), Poll::Ready(Some(2)));
}

#[test]
fn a_value_handed_to_a_dropped_receive_goes_to_the_next_one() {
    let channel = Channel::new(0);
    let alarm = Alarm::new();
    let first = waiting_receive(&channel);
    let mut second = channel.receive();
    assert!(poll_with(&mut second, &alarm).is_pending());
    channel.try_send(1).unwrap();
    drop(first);
    assert_eq!(alarm.rung(), 1);
    assert_eq!(poll(&mut second), Poll::Ready(Some(1)));
}

#[test]
fn values_handed_to_dropped_receives_keep_their_order() {
    for backwards in [false, true] {
        let channel = Channel::new(4);
        let mut receives: Vec<_> = (0..3).map(|_| waiting_receive(&channel)).collect();
        for n in 0..7 {
            channel.try_send(n).unwrap();
        }
        if backwards {
            receives.reverse();
        }
        drop(receives);
        assert_eq!(channel.len(), 7);
        assert_eq!(channel.try_send(7), Err(TrySendError::Full(7)));
        let mut send = waiting_send(&channel, 7);
        for n in 0..8 {
            assert_eq!(poll(&mut channel.receive()), Poll::Ready(Some(n)));
            match n {
                // Room is made by getting below the capacity, not by taking one of too many.
                0..3 => assert!(poll(&mut send).is_pending()),
                3 => assert_eq!(poll(&mut send), Poll::Ready(Ok(()))),
                _ => {}
            }
        }
    }
}

#[test]
fn a_value_that_comes_back_to_a_closed_channel_is_delivered() {
    let channel = Channel::new(0);
    let receive = waiting_receive(&channel);
    channel.try_send(1).unwrap();
    channel.close();
    drop(receive);
    assert_eq!(channel.try_receive(), Ok(1));
    assert_eq!(channel.try_receive(), Err(TryReceiveError::Closed));
}

#[test]
fn cancelling_a_receive_tells_what_it_had_been_given() {
    let channel = Channel::new(0);
    let receive = waiting_receive(&channel);
    channel.try_send(1).unwrap();
    assert_eq!(receive.cancel(), Some(1));
    assert_eq!(waiting_receive(&channel).cancel(), None);
    let closed = waiting_receive(&channel);
    channel.close();
    assert_eq!(closed.cancel(), None);
    assert!(channel.is_empty());
}

#[test]
fn a_waker_and_a_drop_may_use_the_channel() {
    struct Nosy(Channel<Nosy>, Arc<Mutex<Vec<usize>>>);
    impl Drop for Nosy {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0.len());
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let channel = Channel::new(0);
    let nosy = || Nosy(channel.clone(), Arc::clone(&seen));
    let alarm = Alarm::acting({
        let channel = channel.clone();
        move || drop(channel.try_receive())
    });

    let mut receive = channel.receive();
    assert!(poll_with(&mut receive, &alarm).is_pending());
    assert!(channel.try_send(nosy()).is_ok());
    drop(receive);
    drop(channel.try_receive());

    let mut send = channel.send(nosy());
    assert!(poll_with(&mut send, &alarm).is_pending());
    drop(send);
    let mut send = channel.send(nosy());
    assert!(poll_with(&mut send, &alarm).is_pending());
    channel.close();
    drop(send);
    assert_eq!(alarm.rung(), 2);
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[test]
fn the_same_channel_is_known_by_its_address() {
    let (one, other) = (Channel::<()>::new(0), Channel::<()>::new(0));
    assert!(one.same(&one.clone()) && !one.same(&other));
    assert_eq!(one.address(), one.clone().address());
    assert_ne!(one.address(), other.address());
}

#[test]
fn its_futures_go_anywhere() {
    fn anywhere<T: Send + Unpin + 'static>(_: &T) {}
    let channel = Channel::new(1);
    anywhere(&channel);
    anywhere(&channel.send(std::cell::Cell::new(1)));
    anywhere(&channel.receive());
}

#[test]
fn threads_block_on_it_and_tasks_await_it() {
    let channel = Channel::new(0);
    let sender = std::thread::spawn({
        let channel = channel.clone();
        move || {
            for n in 0..1000 {
                block_on(&BareBackend::new(), channel.send(n)).unwrap();
            }
            channel.close();
        }
    });
    let sum = block_on(&BareBackend::new(), async {
        let mut sum = 0;
        while let Some(n) = channel.receive().await {
            sum += n;
        }
        sum
    });
    sender.join().unwrap();
    assert_eq!(sum, 499_500);
}
