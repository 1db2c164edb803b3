//! Why nothing was sent or received.

use std::fmt;

/// The channel is closed. The value comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("send on closed channel")]
pub struct SendError<T>(pub T);

/// Nothing could be sent without waiting. The value comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<T> {
    /// There is no room in the buffer, and no receiver waits.
    #[error("channel is full")]
    Full(T),
    /// The channel is closed.
    #[error("send on closed channel")]
    Closed(T),
}

/// Nothing could be received without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryReceiveError {
    /// Nothing is in the channel, and no sender waits.
    #[error("channel is empty")]
    Empty,
    /// The channel is closed, and nothing is left in it.
    #[error("channel is closed and drained")]
    Closed,
}

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_value(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// The value that was not sent.
    pub fn into_value(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}
