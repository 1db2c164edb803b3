//! What a select promises.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use runtime_core::testing::BareBackend;
use runtime_core::{Channel, Happened, Select, Selected, SendError, TryReceiveError, block_on};

use Happened::{Event, Received, Sent};

#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_with<F: Future + Unpin>(future: &mut F, alarm: &Arc<Alarm>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(alarm));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn select<T>(receive: &[&Channel<T>], send: Vec<(&Channel<T>, T)>) -> Select<T> {
    let mut select = Select::new();
    for (case, channel) in receive.iter().enumerate() {
        assert_eq!(select.receive(channel), case);
    }
    for (channel, value) in send {
        select.send(channel, value);
    }
    select
}

fn waiting<T>(receive: &[&Channel<T>], send: Vec<(&Channel<T>, T)>) -> Select<T> {
    let mut select = select(receive, send);
    assert!(poll(&mut select).is_pending());
    select
}

fn nobody_waits<T>(channels: &[&Channel<T>]) {
    for channel in channels {
        assert_eq!(channel.waiting(), (0, 0));
    }
}

#[test]
fn the_one_that_is_ready_happens() {
    let (a, b, c) = (Channel::new(1), Channel::new(1), Channel::new(1));
    c.try_send(5).unwrap();
    b.try_send(3).unwrap();
    let selected = select(&[&a, &b], vec![(&c, 9)]).try_now();
    assert_eq!(selected, Some(Selected { case: 1, happened: Received(Some(3)) }));
    // The value that was not sent is not in the channel.
    assert_eq!(c.try_receive(), Ok(5));
    assert_eq!(c.try_receive(), Err(TryReceiveError::Empty));
    assert_eq!(
        select(&[&a, &b], vec![(&c, 9)]).try_now(),
        Some(Selected { case: 2, happened: Sent(Ok(())) })
    );
    assert_eq!(c.try_receive(), Ok(9));
}

#[test]
fn of_those_that_are_ready_each_happens_as_often() {
    let (full, free, closed) = (Channel::new(20_000), Channel::new(20_000), Channel::new(0));
    closed.close();
    for n in 0..12_000 {
        full.try_send(n).unwrap();
    }
    let mut counts = [0; 4];
    for _ in 0..12_000 {
        let mut select = select(&[&full, &closed], vec![(&free, 0)]);
        select.event(true, pending());
        counts[select.try_now().unwrap().case] += 1;
    }
    // 3,000 expected, with a standard deviation of 47.
    assert!(counts.iter().all(|count| (2_700..=3_300).contains(count)), "{counts:?}");
    assert_eq!((12_000 - full.len(), free.len()), (counts[0], counts[2]));
}

#[test]
fn a_closed_channel_is_ready() {
    let (open, closed) = (Channel::<i32>::new(0), Channel::new(3));
    closed.try_send(1).unwrap();
    closed.close();
    let received = |value| Some(Selected { case: 1, happened: Received(value) });
    assert_eq!(select(&[&open, &closed], vec![]).try_now(), received(Some(1)));
    assert_eq!(select(&[&open, &closed], vec![]).try_now(), received(None));
    let refused = select(&[&open], vec![(&closed, 7)]).try_now();
    assert_eq!(refused, Some(Selected { case: 1, happened: Sent(Err(SendError(7))) }));
}

#[test]
fn closing_wakes_a_select_that_receives_and_one_that_sends() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    let mut receives = waiting(&[&a, &b], vec![]);
    b.close();
    assert_eq!(poll(&mut receives), Poll::Ready(Selected { case: 1, happened: Received(None) }));
    let mut sends = waiting(&[], vec![(&a, 7)]);
    a.close();
    assert_eq!(poll(&mut sends), Poll::Ready(Selected { case: 0, happened: Sent(Err(SendError(7))) }));
    nobody_waits(&[&a, &b]);
}

#[test]
fn without_anything_ready_nothing_happens_at_once() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    let mut nothing = select(&[&a, &b], vec![(&a, 1), (&b, 2)]);
    nothing.event(false, ready(()));
    assert_eq!(nothing.try_now(), None);
    nobody_waits(&[&a, &b]);
    assert_eq!(Select::<i32>::new().try_now(), None);
    assert!(poll(&mut Select::<i32>::new()).is_pending());
}

#[test]
fn a_send_is_received_by_the_select_that_waits_and_by_nobody_else() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    let alarm = Arc::new(Alarm::default());
    let mut waits = select(&[&a, &b], vec![]);
    assert!(poll_with(&mut waits, &alarm).is_pending());
    assert_eq!(b.try_send(4), Ok(()));
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    // Its place in the other queue is stale now: it receives nothing more.
    assert!(a.try_send(5).is_err());
    assert!(b.try_send(6).is_err());
    assert_eq!(poll_with(&mut waits, &alarm), Poll::Ready(Selected { case: 1, happened: Received(Some(4)) }));
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    nobody_waits(&[&a, &b]);
}

#[test]
fn a_select_that_waits_to_send_sends_one_value() {
    let (a, b) = (Channel::new(0), Channel::new(1));
    b.try_send(0).unwrap();
    let mut waits = waiting(&[], vec![(&a, 1), (&b, 2)]);
    assert_eq!(a.try_receive(), Ok(1));
    assert_eq!(b.try_receive(), Ok(0));
    assert_eq!(b.try_receive(), Err(TryReceiveError::Empty));
    assert_eq!(poll(&mut waits), Poll::Ready(Selected { case: 0, happened: Sent(Ok(())) }));
    nobody_waits(&[&a, &b]);
}

#[test]
fn a_select_does_not_meet_itself() {
    let channel = Channel::new(0);
    let mut both = waiting(&[&channel], vec![(&channel, 1)]);
    assert_eq!(channel.waiting(), (1, 1));
    assert!(poll(&mut both).is_pending());
    // Another one does, whichever way round.
    let mut other = select(&[&channel], vec![(&channel, 2)]);
    let Poll::Ready(met) = poll(&mut other) else { panic!("two selects do not meet") };
    let Poll::Ready(was_met) = poll(&mut both) else { panic!("nobody told it") };
    match met.happened {
        Received(value) => assert_eq!((value, was_met.happened), (Some(1), Sent(Ok(())))),
        _ => assert_eq!((met.happened, was_met.happened), (Sent(Ok(())), Received(Some(2)))),
    }
    nobody_waits(&[&channel]);
}

#[test]
fn a_channel_may_stand_in_several_cases() {
    let channel = Channel::new(0);
    let mut twice = waiting(&[&channel, &channel], vec![]);
    channel.try_send(1).unwrap();
    assert!(channel.try_send(2).is_err());
    let Poll::Ready(selected) = poll(&mut twice) else { panic!("nobody told it") };
    assert_eq!(selected.happened, Received(Some(1)));
    nobody_waits(&[&channel]);
}

#[test]
fn an_event_ends_the_wait() {
    let channel = Channel::<i32>::new(0);
    let gate = Channel::<()>::new(0);
    let mut waits = select(&[&channel], vec![]);
    let opened = gate.receive();
    let event = waits.event(false, async move {
        opened.await;
    });
    let alarm = Arc::new(Alarm::default());
    assert!(poll_with(&mut waits, &alarm).is_pending());
    gate.close();
    assert_eq!(alarm.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll_with(&mut waits, &alarm), Poll::Ready(Selected { case: event, happened: Event }));
    nobody_waits(&[&channel]);
}

#[test]
fn what_was_received_comes_before_an_event_that_came_later() {
    let channel = Channel::new(0);
    let gate = Channel::<()>::new(0);
    let mut waits = select(&[&channel], vec![]);
    let opened = gate.receive();
    waits.event(false, async move {
        opened.await;
    });
    assert!(poll(&mut waits).is_pending());
    gate.close();
    channel.try_send(8).unwrap();
    assert_eq!(poll(&mut waits), Poll::Ready(Selected { case: 0, happened: Received(Some(8)) }));
}

#[test]
fn one_that_is_dropped_leaves_no_trace() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    drop(waiting(&[&a, &b], vec![(&a, 1)]));
    nobody_waits(&[&a, &b]);
    assert_eq!(a.try_receive(), Err(TryReceiveError::Empty));
    assert!(b.try_send(2).is_err());
}

#[test]
fn what_it_was_given_goes_to_the_next_if_it_is_dropped() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    let claimed = waiting(&[&a, &b], vec![]);
    b.try_send(1).unwrap();
    let mut next = b.receive();
    assert!(poll(&mut next).is_pending());
    drop(claimed);
    assert_eq!(poll(&mut next), Poll::Ready(Some(1)));
    nobody_waits(&[&a, &b]);
}

#[test]
fn what_it_was_given_and_nobody_waits_for_comes_before_what_is_sent_later() {
    let (a, b) = (Channel::new(0), Channel::new(2));
    let claimed = waiting(&[&a, &b], vec![]);
    b.try_send(1).unwrap();
    b.try_send(2).unwrap();
    drop(claimed);
    assert_eq!((b.try_receive(), b.try_receive()), (Ok(1), Ok(2)));
}

#[test]
fn cancelling_tells_what_had_happened() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    assert_eq!(waiting(&[&a, &b], vec![]).cancel(), None);
    let claimed = waiting(&[&a, &b], vec![]);
    a.try_send(1).unwrap();
    assert_eq!(claimed.cancel(), Some(Selected { case: 0, happened: Received(Some(1)) }));
    let sent = waiting(&[&a], vec![(&b, 2)]);
    assert_eq!(b.try_receive(), Ok(2));
    assert_eq!(sent.cancel(), Some(Selected { case: 1, happened: Sent(Ok(())) }));
    assert_eq!(select(&[&a], vec![]).cancel(), None);
    nobody_waits(&[&a, &b]);
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn one_that_was_ready_is_not_polled_again() {
    let channel = Channel::new(1);
    channel.try_send(1).unwrap();
    let mut once = select(&[&channel], vec![]);
    assert!(poll(&mut once).is_ready());
    let _ = poll(&mut once);
}

#[test]
fn it_blocks_a_thread_until_something_happens() {
    let (a, b) = (Channel::new(0), Channel::new(0));
    let thread = std::thread::spawn({
        let (a, b) = (a.clone(), b.clone());
        move || block_on(&BareBackend::new(), select(&[&a], vec![(&b, "there")]))
    });
    let back = block_on(&BareBackend::new(), b.receive());
    assert_eq!(back, Some("there"));
    assert_eq!(thread.join().unwrap(), Selected { case: 1, happened: Sent(Ok(())) });
    nobody_waits(&[&a, &b]);
}
