//! The future of a send.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::SendError;
use super::state::{NotSent, Told};
use super::{Arc, Channel};
use crate::token::{Ticket, Token};

/// Made by [`Channel::send`]: ready once the value is in the channel or with a receiver, or the channel is closed.
///
/// Woken by the receive that lets the value in, or by closing. Dropped while it waits, it takes its value with it.
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nothing is sent unless it is awaited"]
pub struct Send<T> {
    channel: Channel<T>,
    stage: Stage<T>,
}

enum Stage<T> {
    New(T),
    Waiting(Arc<Token<Told<T>>>, Ticket),
    Done,
}

impl<T> Send<T> {
    pub(super) fn new(channel: Channel<T>, value: T) -> Self {
        Self { channel, stage: Stage::New(value) }
    }

    /// Gives up, exactly: the value if it was not sent, `None` if it was (or if the future has been ready).
    ///
    /// ```
    /// # use runtime_core::Channel;
    /// # use futures_lite::future::{block_on, poll_once};
    /// let channel = Channel::new(1);
    /// let mut first = channel.send(1);
    /// let mut second = channel.send(2);
    /// assert!(block_on(poll_once(&mut first)).is_some());
    /// assert!(block_on(poll_once(&mut second)).is_none());
    /// assert_eq!(second.cancel(), Some(2));
    /// ```
    pub fn cancel(mut self) -> Option<T> {
        self.withdraw()
    }

    fn withdraw(&mut self) -> Option<T> {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::New(value) => Some(value),
            Stage::Done => None,
            Stage::Waiting(token, ticket) => {
                let place = self.channel.locked(|state, _| state.withdraw_sender(ticket));
                match place {
                    Some(place) => Some(place.into_value()),
                    None => match token.retire() {
                        Some((_, Told::Refused(value))) => Some(value),
                        _ => None,
                    },
                }
            }
        }
    }
}

impl<T> Future for Send<T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match mem::replace(&mut this.stage, Stage::Done) {
            Stage::New(value) => {
                let stage = &mut this.stage;
                this.channel.locked(|state, after| match state.offer(value, after) {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(NotSent::Closed(value)) => Poll::Ready(Err(SendError(value))),
                    Err(NotSent::Full(value)) => {
                        let token = Token::new(cx.waker());
                        let ticket = state.wait_to_send(Arc::clone(&token), 0, value);
                        *stage = Stage::Waiting(token, ticket);
                        Poll::Pending
                    }
                })
            }
            Stage::Waiting(token, ticket) => match token.poll(cx.waker()) {
                Some((_, Told::Refused(value))) => Poll::Ready(Err(SendError(value))),
                Some(_) => Poll::Ready(Ok(())),
                None => {
                    this.stage = Stage::Waiting(token, ticket);
                    Poll::Pending
                }
            },
            Stage::Done => panic!("a send was polled after it was ready"),
        }
    }
}

/// Nothing in it is pinned.
impl<T> Unpin for Send<T> {}

impl<T> Drop for Send<T> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}

impl<T> fmt::Debug for Send<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("channel", &self.channel).finish_non_exhaustive()
    }
}
