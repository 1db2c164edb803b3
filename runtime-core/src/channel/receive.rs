//! The future of a receive.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::state::{Got, Told};
use super::timed::Alarm;
use super::{Arc, Channel};
use crate::token::{Ticket, Token};

/// Made by [`Channel::receive`]: ready with a value, or with `None` once the channel is closed and drained.
///
/// Woken by the send whose value it gets, or by closing; where values come with time, by a timer of its own. Dropped while it waits, it is withdrawn; a value that it had
/// been given already goes back to the channel.
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nothing is received unless it is awaited"]
pub struct Receive<T> {
    channel: Channel<T>,
    stage: Stage<T>,
}

enum Stage<T> {
    New,
    Waiting(Arc<Token<Told<T>>>, Ticket, Alarm),
    Done,
}

impl<T> Receive<T> {
    pub(super) fn new(channel: Channel<T>) -> Self {
        Self { channel, stage: Stage::New }
    }

    /// Gives up, exactly: the value if one had been given to it in the meantime, else `None`, and the receive has
    /// not happened.
    ///
    /// ```
    /// # use runtime_core::Channel;
    /// # use futures_lite::future::{block_on, poll_once};
    /// let channel = Channel::new(0);
    /// let mut receive = channel.receive();
    /// assert!(block_on(poll_once(&mut receive)).is_none());
    /// channel.try_send("just in time")?;
    /// assert_eq!(receive.cancel(), Some("just in time"));
    /// # Ok::<(), runtime_core::TrySendError<&str>>(())
    /// ```
    pub fn cancel(mut self) -> Option<T> {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::New | Stage::Done => None,
            Stage::Waiting(token, ticket, _) => {
                let place = self.channel.locked(|state, _| state.withdraw_receiver(ticket));
                match (place, token.retire()) {
                    (None, Some((_, Told::Received(handed)))) => Some(handed.value),
                    _ => None,
                }
            }
        }
    }
}

impl<T> Future for Receive<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match mem::replace(&mut this.stage, Stage::Done) {
            Stage::New => {
                let (stage, alarm) = (&mut this.stage, Alarm::new([&this.channel]));
                let timed = !matches!(alarm, Alarm::Never);
                let got = this.channel.locked(|state, after| match state.take(after) {
                    Got::Value(value) => Poll::Ready(Some(value)),
                    Got::Drained => Poll::Ready(None),
                    Got::Nothing => {
                        let token = Token::new(cx.waker());
                        let ticket = state.wait_to_receive(Arc::clone(&token), 0);
                        *stage = Stage::Waiting(token, ticket, alarm);
                        Poll::Pending
                    }
                });
                // Its timer is set by the second look.
                if timed && got.is_pending() { self.poll(cx) } else { got }
            }
            Stage::Waiting(token, ticket, mut alarm) => loop {
                match token.poll(cx.waker()) {
                    Some((_, Told::Received(handed))) => return Poll::Ready(Some(handed.value)),
                    Some(_) => return Poll::Ready(None),
                    None if alarm.poll(cx, [&this.channel]).is_ready() => {}
                    None => {
                        this.stage = Stage::Waiting(token, ticket, alarm);
                        return Poll::Pending;
                    }
                }
            },
            Stage::Done => panic!("a receive was polled after it was ready"),
        }
    }
}

/// Nothing in it is pinned.
impl<T> Unpin for Receive<T> {}

impl<T> Drop for Receive<T> {
    fn drop(&mut self) {
        let Stage::Waiting(token, ticket, _) = mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        // One lock for both: between them nobody may find the channel empty that is about to get a value back.
        let _place = self.channel.locked(|state, after| {
            let place = state.withdraw_receiver(ticket);
            if place.is_none()
                && let Some((_, Told::Received(handed))) = token.retire()
            {
                state.give_back(handed, after);
            }
            place
        });
    }
}

impl<T> fmt::Debug for Receive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive").field("channel", &self.channel).finish_non_exhaustive()
    }
}
