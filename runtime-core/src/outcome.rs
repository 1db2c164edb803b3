//! [`Outcome`]: how a task ended, and [`Status`]: where it stands.

use std::fmt;
use std::sync::Arc;

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T, E> {
    /// It returned.
    Done(T),
    /// It failed, with what is kept for whoever awaits.
    Failed(E),
    /// It was cancelled, with the reason if one was given.
    Cancelled(Option<Arc<str>>),
}

impl<T, E> Outcome<T, E> {
    /// Where a task stands that has ended so.
    pub fn status(&self) -> Status {
        match self {
            Self::Done(_) => Status::Done,
            Self::Failed(_) => Status::Failed,
            Self::Cancelled(_) => Status::Cancelled,
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Accepted and not started.
    Queued,
    /// Running, or ready to.
    Running,
    /// Parked in a blocking call.
    Waiting,
    /// Returned.
    Done,
    /// Ended by an error.
    Failed,
    /// Cancelled, and unwound.
    Cancelled,
}

impl Status {
    /// The word for it: `queued`, `running`, `waiting`, `done`, `failed` or `cancelled`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the task has ended.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// Of one that has not ended.
    pub(crate) fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Queued,
            1 => Self::Running,
            _ => Self::Waiting,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
