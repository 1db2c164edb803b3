//! What happens, as it is told: a line for people, or an object a line with `-o json` (`schema/events.json` says how those look).

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::duration;
use crate::visible::{INDENT, line, lines};

/// How a task ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Ok,
    Failed,
    Timeout,
    Skipped,
    Aborted,
    Cancelled,
}

impl Status {
    pub(crate) const ALL: [Self; 6] =
        [Self::Ok, Self::Failed, Self::Timeout, Self::Skipped, Self::Aborted, Self::Cancelled];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Skipped => "skipped",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
        }
    }

    /// Of its name; anything else is a failure.
    pub(crate) fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Failed)
    }

    /// The ANSI colour it is shown in.
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "32",
            Self::Failed | Self::Timeout => "31",
            Self::Skipped | Self::Cancelled => "33",
            Self::Aborted => "35",
        }
    }

    /// Its name, with colour if there is to be some.
    pub(crate) fn shown(self, colour: bool) -> String {
        paint(self.name(), self.colour(), colour)
    }
}

/// A task that has ended, or was not begun.
#[derive(Clone, Debug)]
pub(crate) struct TaskResult {
    pub(crate) workflow: String,
    pub(crate) task: String,
    pub(crate) status: Status,
    pub(crate) attempts: u64,
    pub(crate) duration: Duration,
    /// Where it ran; empty if it did not.
    pub(crate) place: String,
    /// What it says about itself.
    pub(crate) message: Option<String>,
    /// Why it is not ok.
    pub(crate) error: Option<String>,
    pub(crate) traceback: Option<String>,
    pub(crate) artifacts: Vec<String>,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    WorkflowStart {
        workflow: &'a str,
        tasks: u64,
    },
    WorkflowEnd {
        workflow: &'a str,
        success: bool,
        duration: Duration,
        error: Option<&'a str>,
    },
    TaskStart {
        workflow: &'a str,
        task: &'a str,
        attempt: u64,
    },
    TaskRetry {
        workflow: &'a str,
        task: &'a str,
        attempt: u64,
        error: &'a str,
        delay: Duration,
    },
    TaskEnd(&'a TaskResult),
    /// An error of the script, or of a definition at `place`.
    Error {
        message: &'a str,
        place: Option<&'a str>,
    },
    /// Of a goroutine that nobody awaits.
    Unhandled {
        report: &'a str,
    },
}

impl Event<'_> {
    /// As an object.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::WorkflowStart { workflow, tasks } => {
                json!({"event": "workflow_start", "workflow": workflow, "tasks": tasks})
            }
            Self::WorkflowEnd { workflow, success, duration, error } => optional(
                json!({"event": "workflow_end", "workflow": workflow, "success": success, "duration_ms": ms(*duration)}),
                "error",
                *error,
            ),
            Self::TaskStart { workflow, task, attempt } => {
                json!({"event": "task_start", "workflow": workflow, "task": task, "attempt": attempt})
            }
            Self::TaskRetry { workflow, task, attempt, error, delay } => json!({
                "event": "task_retry", "workflow": workflow, "task": task, "attempt": attempt, "error": error,
                "delay_ms": ms(*delay),
            }),
            Self::TaskEnd(result) => {
                let mut event = result.json();
                if let Value::Object(fields) = &mut event {
                    fields.insert("event".into(), "task_end".into());
                }
                event
            }
            Self::Error { message, place } => {
                optional(json!({"event": "error", "message": message}), "place", *place)
            }
            Self::Unhandled { report } => json!({"event": "unhandled_error", "report": report}),
        }
    }

    /// As lines for people, without the last line break.
    pub(crate) fn text(&self, colour: bool) -> String {
        match self {
            Self::WorkflowStart { workflow, tasks } => {
                format!(
                    "{}: {tasks} task{}",
                    paint(&line(workflow), "1", colour),
                    if *tasks == 1 { "" } else { "s" }
                )
            }
            Self::WorkflowEnd { workflow, success, duration, error } => {
                let status = if *success { Status::Ok } else { Status::Failed };
                let error = error.map(|error| format!(": {}", lines(error, INDENT))).unwrap_or_default();
                let name = paint(&line(workflow), "1", colour);
                format!("{name}: {} in {}{error}", status.shown(colour), duration::show(*duration))
            }
            Self::TaskStart { task, attempt: 1, .. } => format!("  {}: started", line(task)),
            Self::TaskStart { task, attempt, .. } => format!("  {}: attempt {attempt} started", line(task)),
            Self::TaskRetry { task, attempt, error, delay, .. } => {
                let (task, error) = (line(task), lines(error, INDENT));
                format!("  {task}: attempt {attempt} failed: {error}; again in {}", duration::show(*delay))
            }
            Self::TaskEnd(result) => result.text(colour),
            Self::Error { message, place: Some(place) } => {
                format!("{}: {}", line(place), lines(message, INDENT))
            }
            Self::Error { message, place: None } => format!("sloth-runner: {}", lines(message, INDENT)),
            Self::Unhandled { report } => lines(report, INDENT).into_owned(),
        }
    }
}

impl TaskResult {
    /// As an object; not an event by itself.
    pub(crate) fn json(&self) -> Value {
        let mut object = json!({
            "workflow": self.workflow, "task": self.task, "status": self.status.name(), "attempts": self.attempts,
            "duration_ms": ms(self.duration), "where": self.place,
        });
        for (name, value) in
            [("message", &self.message), ("error", &self.error), ("traceback", &self.traceback)]
        {
            object = optional(object, name, value.as_deref());
        }
        if let (false, Value::Object(fields)) = (self.artifacts.is_empty(), &mut object) {
            fields.insert("artifacts".into(), json!(self.artifacts));
        }
        object
    }

    fn text(&self, colour: bool) -> String {
        let mut text = format!("  {}: {}", line(&self.task), self.status.shown(colour));
        if self.attempts > 0 {
            text += &format!(" in {}", duration::show(self.duration));
        }
        if let Some(why) = self.error.as_ref().or(self.message.as_ref()) {
            text += &format!(": {}", lines(why, INDENT));
        }
        if let Some(traceback) = &self.traceback {
            text += &format!("\n{INDENT}{}", lines(traceback, INDENT));
        }
        text
    }
}

/// Milliseconds, to a thousandth.
pub(crate) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn optional(mut object: Value, name: &str, value: Option<&str>) -> Value {
    if let (Some(value), Value::Object(fields)) = (value, &mut object) {
        fields.insert(name.into(), value.into());
    }
    object
}

/// The object with the time in front of what happened then.
pub(crate) fn stamped(event: Value) -> Value {
    let mut fields = Map::new();
    fields.insert("time".into(), jiff::Timestamp::now().to_string().into());
    if let Value::Object(event) = event {
        fields.extend(event);
    }
    Value::Object(fields)
}

/// The text in an ANSI colour.
pub(crate) fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
