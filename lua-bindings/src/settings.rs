//! [`Settings`]: what a runtime is made with, and a script may still change until its isolates are started.

use std::borrow::Cow;
use std::time::Duration;

use crate::interrupt::TIME_SLICE;
use crate::packet::Packet;

/// How many isolates for blocked code there are at most, unless it is said otherwise.
pub(crate) const MAX_BLOCKED: usize = 512;

/// How a script raises the limit that it has set.
pub(crate) const CONFIGURE: &str = "see configure{memory_limit = ...}";

pub(crate) struct Settings {
    /// How many isolates there are, so how many goroutines can compute at the same time.
    pub(crate) isolates: usize,
    /// How many bytes the Lua state of an isolate may take.
    pub(crate) memory_limit: Option<usize>,
    /// How that is raised, for the error of who has reached it.
    pub(crate) memory_advice: Cow<'static, str>,
    /// A function that each isolate calls before its first goroutine.
    pub(crate) on_start: Option<Packet>,
    /// How many isolates there are, at most, beside those for code that sits in C for long.
    pub(crate) max_blocked: usize,
    /// How long a goroutine computes before it is interrupted.
    pub(crate) time_slice: Duration,
}

impl Settings {
    /// What the error of who has reached the limit of an isolate says of it.
    pub(crate) fn memory_advice(&self) -> String {
        format!("an isolate may have {} bytes, {}", self.memory_limit.unwrap_or(0), self.memory_advice)
    }

    pub(crate) fn new(isolates: usize) -> Self {
        Self {
            isolates,
            memory_limit: None,
            memory_advice: CONFIGURE.into(),
            on_start: None,
            max_blocked: MAX_BLOCKED,
            time_slice: TIME_SLICE,
        }
    }
}
