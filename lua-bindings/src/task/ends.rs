//! What a goroutine has come to: its results, or its error, as they are sent home.

use std::any::Any;
use std::sync::Arc;

use mlua::{MultiValue, Value};

use super::{End, Task};
use crate::goroutine::Failure;
use crate::origin::Origin;
use crate::packet::{Packet, Refusal, Roots};
use crate::system::ErrorReport;
use crate::{fault, packet};

impl Task {
    /// The end of a goroutine whose function was run by `xpcall`, from what that returned.
    pub(super) fn returned(&self, mut values: MultiValue) -> End {
        if cfg!(feature = "lua51") {
            return self
                .encoded(values, Roots::Values("result"))
                .unwrap_or_else(|message| self.failed_after(&message));
        }
        match values.pop_front() {
            Some(Value::Boolean(true)) => self
                .encoded(values, Roots::Values("result"))
                .unwrap_or_else(|message| self.failed_after(&message)),
            _ => self.raised(values.pop_front().unwrap_or(Value::Nil)),
        }
    }

    pub(super) fn encoded(&self, values: MultiValue, roots: Roots) -> Result<End, String> {
        packet::encode(&self.isolate.lua, &self.isolate.state, values, roots).map(End::Done).or_else(
            |refusal| match refusal {
                Refusal::Cancelled => Ok(End::Cancelled),
                refusal => Err(refusal.to_string()),
            },
        )
    }

    /// The end of a goroutine that raised `error`.
    pub(super) fn raised(&self, error: Value) -> End {
        if self.running.is_cancelled() && crate::api::is_cancelled(&self.isolate.lua, &error) {
            return End::Cancelled;
        }
        let mut message = fault::error_text(&error);
        let out_of_memory = self.isolate.out_of_memory(&message);
        let is_out_of_memory = out_of_memory.is_some();
        message = out_of_memory.unwrap_or(message);
        let packet = match error {
            Value::Error(_) => Ok(Packet::text(&message)),
            _ if is_out_of_memory => Ok(Packet::text(&message)),
            error => packet::encode(
                &self.isolate.lua,
                &self.isolate.state,
                MultiValue::from_iter([error]),
                Roots::Values("error"),
            ),
        };
        // Why it cannot be had tells more than the text of a table.
        let error = match packet {
            Ok(packet) => packet,
            Err(Refusal::Cancelled) => return End::Cancelled,
            Err(refusal) => {
                message = refusal.to_string();
                Packet::text(&message)
            }
        };
        let traceback = self.running.take_traceback();
        let Blame { started_at, tell } = Blame::of(self.member.as_deref());
        End::Failed(Failure {
            error,
            message,
            traceback: traceback.unwrap_or_else(|| String::from("stack traceback:\n\t[not known]")),
            id: self.running.id(),
            started_at,
            tell,
        })
    }

    pub(super) fn panicked(&self, panic: &(dyn Any + Send)) -> End {
        self.failed_with(&panic_text(panic))
    }

    /// The end of a goroutine that returned what cannot be sent.
    pub(super) fn failed_after(&self, message: &str) -> End {
        match self.failed_with(message) {
            End::Failed(failure) => End::Failed(Failure {
                traceback: "stack traceback:\n\t[after its last line]".into(),
                ..failure
            }),
            end => end,
        }
    }

    pub(super) fn failed_with(&self, message: &str) -> End {
        let out_of_memory = self.isolate.out_of_memory(message);
        let message = out_of_memory.as_deref().unwrap_or(message);
        End::Failed(failure_of_text(message, self.running.id(), self.member.as_deref()))
    }
}

/// Where a goroutine that fails was started, and who is told if nobody awaits it.
pub(crate) struct Blame {
    pub(crate) started_at: Arc<str>,
    pub(crate) tell: ErrorReport,
}

impl Blame {
    /// A goroutine has its origin until it has ended; after that nobody asks.
    pub(crate) fn of(origin: Option<&Origin>) -> Self {
        match origin {
            Some(origin) => {
                Self { started_at: Arc::clone(&origin.started_at), tell: Arc::clone(&origin.system.report) }
            }
            None => Self { started_at: Arc::from("?"), tell: Arc::new(|_| {}) },
        }
    }
}

/// What is said of a panic that has reached us.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a Rust function panicked: {}", text.unwrap_or_default())
}

pub(crate) fn failure_of_text(message: &str, id: u64, origin: Option<&Origin>) -> Failure {
    let Blame { started_at, tell } = Blame::of(origin);
    Failure {
        error: Packet::text(message),
        message: message.to_owned(),
        traceback: String::from("stack traceback:\n\t[before its first line]"),
        id,
        started_at,
        tell,
    }
}
