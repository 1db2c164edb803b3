//! [`Select`]: waits for several things, of which exactly one happens.
//!
//! **Looking.** The locks of all its channels are taken, in the order of their addresses, so that two selects never wait
//! for each other's. The cases are tried in an order that is drawn anew each time; the first that can happen does. If none
//! can, one token is placed in the queues of all, before any lock is released.
//!
//! **Who wakes it.** Whoever claims the token: a send or a receive (another select's too), or closing. Or an event, or
//! the timer of a timed channel. What an event or a timer says is looked at only after the token: if that was
//! claimed in between, the claimer's case is the one that has happened.
//!
//! **If it is dropped at that moment.** The token is retired first: from then on claims fail, and go to the next in line. If
//! a value had been given to it already, that goes back to its channel. Then its places are withdrawn.
//!
//! **If the other side is gone.** Nobody wakes a select whose channels nobody else has, as with a single receive.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::state::{After, Got, NotSent, Told};
use super::timed::Alarm;
use super::{Arc, Channel, SendError};
use crate::chance::shuffle;
use crate::token::{Ticket, Token};

/// Waits for several cases at once, as Go's `select`: exactly one of them happens, and is what the future gives. A case that
/// loses has received nothing and sent nothing.
///
/// Of the cases that can happen at once it is one at random; each is as likely. A closed channel can be received from (when it
/// is drained, `None`), and sent on (the value comes back in an error). All channels carry the same type; other
/// things are waited for as [`event`](Self::event)s. One without any case is never ready.
///
/// Dropped while it waits, it is withdrawn everywhere; a value that it had been given goes back to its channel. To learn
/// at the end of a timeout what has happened exactly, use [`cancel`](Self::cancel).
///
/// ```
/// # use runtime_core::{Channel, Happened, Select, block_on, testing::BareBackend};
/// let (numbers, stop) = (Channel::new(1), Channel::new(0));
/// numbers.try_send(7)?;
/// block_on(&BareBackend::new(), async {
///     let mut select = Select::new();
///     let number = select.receive(&numbers);
///     let stopped = select.receive(&stop);
///     let selected = select.await;
///     assert!(selected.case == number && selected.case != stopped);
///     assert_eq!(selected.happened, Happened::Received(Some(7)));
/// });
/// # Ok::<(), runtime_core::TrySendError<i32>>(())
/// ```
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nothing is selected unless it is awaited"]
pub struct Select<T> {
    /// Each once, by rank: the order in which they are locked.
    channels: Vec<Channel<T>>,
    cases: Vec<Case<T>>,
    stage: Stage<T>,
}

/// Which case it was, and what has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected<T> {
    /// The number that adding the case gave.
    pub case: usize,
    /// What has happened there.
    pub happened: Happened<T>,
}

/// What has happened in a [`Select`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened<T> {
    /// This was received; `None`: the channel is closed and drained.
    Received(Option<T>),
    /// The value was sent; or the channel is closed, and the value comes back.
    Sent(Result<(), SendError<T>>),
    /// The event has come.
    Event,
}

/// A channel is known by its rank.
enum Case<T> {
    Receive(usize),
    /// The value is here until the select waits.
    Send(usize, Option<T>),
    Event {
        ready: bool,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    },
}

enum Stage<T> {
    New,
    Waiting(Waiting<T>),
    Done,
}

struct Waiting<T> {
    token: Arc<Token<Told<T>>>,
    /// In the order of the cases; events have none.
    places: Vec<Place>,
    alarm: Alarm,
}

struct Place {
    channel: usize,
    ticket: Ticket,
    sends: bool,
}

impl<T> Select<T> {
    /// A select without cases.
    pub fn new() -> Self {
        Self { channels: Vec::new(), cases: Vec::new(), stage: Stage::New }
    }

    /// Adds the case of receiving from `channel`, and gives its number: how many cases there were before.
    pub fn receive(&mut self, channel: &Channel<T>) -> usize {
        let channel = self.add_channel(channel);
        self.add(Case::Receive(channel))
    }

    /// Adds the case of sending `value` on `channel`. If another case wins, the value is dropped with the select.
    pub fn send(&mut self, channel: &Channel<T>, value: T) -> usize {
        let channel = self.add_channel(channel);
        self.add(Case::Send(channel, Some(value)))
    }

    /// Adds the case that something has come to pass: a task has ended, a time is up.
    ///
    /// `ready` says whether it is known to have come already. The future is polled only when the select has to wait, so
    /// that one which finds something ready needs no timer, say.
    pub fn event(&mut self, ready: bool, future: impl Future<Output = ()> + Send + 'static) -> usize {
        self.add(Case::Event { ready, future: Box::pin(future) })
    }

    /// Lets a case happen if one can at once. `None`: none could, and the select may still be awaited. Only before its first
    /// poll; after that there is [`cancel`](Self::cancel).
    ///
    /// ```
    /// # use runtime_core::{Channel, Select};
    /// let channel = Channel::<i32>::new(0);
    /// let mut select = Select::new();
    /// select.receive(&channel);
    /// select.send(&channel, 1);
    /// assert!(select.try_now().is_none());
    /// ```
    pub fn try_now(&mut self) -> Option<Selected<T>> {
        match self.stage {
            Stage::New => self.look(None),
            _ => None,
        }
    }

    /// Gives up, exactly: what had happened in the meantime, if something had.
    pub fn cancel(mut self) -> Option<Selected<T>> {
        self.withdraw()
    }

    fn add(&mut self, case: Case<T>) -> usize {
        self.cases.push(case);
        self.cases.len() - 1
    }

    fn add_channel(&mut self, channel: &Channel<T>) -> usize {
        let rank = channel.rank();
        if let Err(at) = self.channels.binary_search_by_key(&rank, Channel::rank) {
            self.channels.insert(at, channel.clone());
        }
        rank
    }

    /// Lets one case happen if one can. If not, and if there is a waker, begins to wait.
    fn look(&mut self, waker: Option<&Waker>) -> Option<Selected<T>> {
        let Self { channels, cases, stage } = self;
        for channel in &*channels {
            channel.tick();
        }
        let mut order: Vec<usize> = (0..cases.len()).collect();
        shuffle(&mut order);
        let mut after = After::new();
        let mut states: Vec<_> = channels.iter().map(|channel| channel.shared.state.lock()).collect();
        let index = |rank: &usize| index_of(channels, *rank);
        let mut selected = None;
        for case in order {
            let happened = match &mut cases[case] {
                Case::Receive(channel) => match states[index(channel)].take(&mut after) {
                    Got::Value(value) => Happened::Received(Some(value)),
                    Got::Drained => Happened::Received(None),
                    Got::Nothing => continue,
                },
                Case::Send(channel, place) => {
                    let Some(value) = place.take() else { continue };
                    match states[index(channel)].offer(value, &mut after) {
                        Ok(()) => Happened::Sent(Ok(())),
                        Err(NotSent::Closed(value)) => Happened::Sent(Err(SendError(value))),
                        Err(NotSent::Full(value)) => {
                            *place = Some(value);
                            continue;
                        }
                    }
                }
                Case::Event { ready: true, .. } => Happened::Event,
                Case::Event { ready: false, .. } => continue,
            };
            selected = Some(Selected { case, happened });
            break;
        }
        *stage = match waker {
            _ if selected.is_some() => Stage::Done,
            Some(waker) => {
                let token = Token::new(waker);
                let mut places = Vec::with_capacity(cases.len());
                for (case, kind) in cases.iter_mut().enumerate() {
                    let token = Arc::clone(&token);
                    let (channel, ticket, sends) = match kind {
                        Case::Receive(channel) => {
                            (*channel, states[index(channel)].wait_to_receive(token, case), false)
                        }
                        Case::Send(channel, value) => {
                            let Some(value) = value.take() else { continue };
                            (*channel, states[index(channel)].wait_to_send(token, case, value), true)
                        }
                        Case::Event { .. } => continue,
                    };
                    places.push(Place { channel, ticket, sends });
                }
                Stage::Waiting(Waiting { token, places, alarm: Alarm::new(&*channels) })
            }
            None => Stage::New,
        };
        drop(states);
        after.run();
        selected
    }

    /// Nothing can be claimed any more; gives what was claimed before.
    fn withdraw(&mut self) -> Option<Selected<T>> {
        let Stage::Waiting(waiting) = mem::replace(&mut self.stage, Stage::Done) else {
            return None;
        };
        let claimed = waiting.token.retire();
        self.leave(&waiting.places);
        claimed.map(|(case, told)| Selected { case, happened: told.into() })
    }

    /// Takes its places out of the queues; nobody can claim the token any more.
    fn leave(&self, places: &[Place]) {
        for place in places {
            let channel = &self.channels[index_of(&self.channels, place.channel)];
            // What is taken out is dropped once the lock is released: it may be the last of a value.
            let _left = channel.locked(|state, _| match place.sends {
                true => (state.withdraw_sender(place.ticket), None),
                false => (None, state.withdraw_receiver(place.ticket)),
            });
        }
    }
}

fn index_of<T>(channels: &[Channel<T>], rank: usize) -> usize {
    match channels.binary_search_by_key(&rank, Channel::rank) {
        Ok(index) | Err(index) => index,
    }
}

impl<T> Default for Select<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<Told<T>> for Happened<T> {
    fn from(told: Told<T>) -> Self {
        match told {
            Told::Sent => Self::Sent(Ok(())),
            Told::Refused(value) => Self::Sent(Err(SendError(value))),
            Told::Received(handed) => Self::Received(Some(handed.value)),
            Told::Drained => Self::Received(None),
        }
    }
}

impl<T> Future for Select<T> {
    type Output = Selected<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Selected<T>> {
        let this = &mut *self;
        if let Stage::New = this.stage
            && let Some(selected) = this.look(Some(cx.waker()))
        {
            return Poll::Ready(selected);
        }
        let (case, happened) = 'ready: loop {
            let Stage::Waiting(waiting) = &mut this.stage else {
                panic!("a select was polled after it was ready");
            };
            if let Some((case, told)) = waiting.token.poll(cx.waker()) {
                break (case, told.into());
            }
            for (case, kind) in this.cases.iter_mut().enumerate() {
                if let Case::Event { future, .. } = kind
                    && future.as_mut().poll(cx).is_ready()
                {
                    break 'ready match waiting.token.retire() {
                        Some((claimed, told)) => (claimed, told.into()),
                        None => (case, Happened::Event),
                    };
                }
            }
            if waiting.alarm.poll(cx, &this.channels).is_pending() {
                return Poll::Pending;
            }
        };
        if let Stage::Waiting(waiting) = mem::replace(&mut this.stage, Stage::Done) {
            this.leave(&waiting.places);
        }
        Poll::Ready(Selected { case, happened })
    }
}

/// Nothing in it is pinned but the events, which are boxed.
impl<T> Unpin for Select<T> {}

impl<T> Drop for Select<T> {
    fn drop(&mut self) {
        let Stage::Waiting(waiting) = mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        if let Some((case, Told::Received(handed))) = waiting.token.retire()
            && let Some(Case::Receive(channel)) = self.cases.get(case)
        {
            let channel = &self.channels[index_of(&self.channels, *channel)];
            channel.locked(|state, after| state.give_back(handed, after));
        }
        self.leave(&waiting.places);
    }
}

impl<T> fmt::Debug for Select<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("cases", &self.cases.len()).finish_non_exhaustive()
    }
}
