//! [`Sink`]: all that the runner writes goes through here, a line in one piece.
//!
//! In text, standard output is the script's: what it prints, what its shell lines print, and `outputs`. What the runner says about
//! tasks, log lines and errors are on standard error. As JSON all of it are events on standard output.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use goroutine::{Living, Observer};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::event::{Event, TaskResult, paint, stamped};
use crate::output::Output;
use crate::progress::{Draw, Progress};
use crate::summary;
use crate::tasks::{Coming, Ledger};
use crate::visible::{self, INDENT};

pub(crate) use crate::output::Stream;

/// At the end, what nobody reads for that long is lost.
const PATIENCE: Duration = Duration::from_secs(600);
/// A command that prints by itself may have to wait so long for what was printed before.
const SETTLING: Duration = Duration::from_millis(100);
/// So many goroutines that are left at the end are told of one by one, the others by where they were started.
const LISTED: usize = 20;
/// It is said after this time that somebody is waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// Where things are told.
#[derive(Debug)]
pub(crate) struct Sink {
    format: Format,
    colour: bool,
    /// Whether there may be a live display.
    terminal: bool,
    output: Output,
    tasks: Mutex<Ledger>,
    /// What `outputs` holds, once it is known.
    outputs: Mutex<Option<Value>>,
    /// Whether the script has tasks.
    begun: AtomicBool,
    /// Whether it was said that the program was interrupted.
    interrupted: AtomicBool,
    summarised: AtomicBool,
}

/// What a log line tells besides its message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) task: Option<String>,
    pub(crate) goroutine: Option<u64>,
    /// Whether the goroutine is the one that runs the task's own function.
    pub(crate) is_function: bool,
}

impl Origin {
    /// In brackets, with a space behind: the task, and the goroutine unless it is clear from the task which one that is.
    fn text(&self) -> String {
        match (self.task.as_deref().map(visible::line), self.goroutine.filter(|_| !self.is_function)) {
            (Some(task), Some(goroutine)) => format!("[{task}, goroutine {goroutine}] "),
            (Some(task), None) => format!("[{task}] "),
            (None, Some(goroutine)) => format!("[goroutine {goroutine}] "),
            (None, None) => String::new(),
        }
    }
}

impl Sink {
    pub(crate) fn new(format: Format) -> io::Result<Self> {
        let terminal = format == Format::Text
            && io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self {
            format,
            colour: terminal && wanted,
            terminal,
            output: Output::new()?,
            tasks: Mutex::default(),
            outputs: Mutex::default(),
            begun: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            summarised: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether what commands print has to come here.
    pub(crate) fn takes_prints(&self) -> bool {
        self.is_json() || self.terminal
    }

    /// These tasks are about to run.
    pub(crate) fn begin(&self, tasks: Vec<Coming>, observer: Observer) {
        self.lock(&self.tasks).coming = tasks;
        self.begun.store(true, Ordering::Relaxed);
        if self.terminal {
            self.output.show(Progress::new(observer, self.colour));
        }
    }

    /// Tells of something.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if self.lock(&self.tasks).takes(event) {
            self.show(event);
        }
    }

    /// Tells that the tasks that have not ended are cancelled, whatever is told of them from now on: the program ends before they do, for
    /// this reason. `stuck`: a task that cannot be stopped.
    pub(crate) fn cancel_rest(&self, why: &str, stuck: Option<&str>) {
        let cancelled = self.lock(&self.tasks).cancel_rest(why, stuck);
        for result in &cancelled {
            self.show(&Event::TaskEnd(result));
        }
    }

    /// The table at the end has this error of a task, too, which has ended.
    pub(crate) fn add_error(&self, workflow: &str, task: &str, error: &str) {
        self.lock(&self.tasks).add_error(workflow, task, error);
    }

    fn show(&self, event: &Event<'_>) {
        if self.output.is_live()
            && let Some(draw) = Draw::of(event)
        {
            self.output.draw(draw);
            // The live line says it.
            if matches!(event, Event::TaskStart { attempt: 1, .. }) {
                return;
            }
        }
        if self.is_json() { self.event(event.json()) } else { self.to_stderr(&event.text(self.colour)) }
    }

    /// A line of the script's log.
    pub(crate) fn log(&self, level: &str, message: &[u8], origin: &Origin) {
        if self.is_json() {
            let event = json!({"event": "log", "level": level});
            return self.event(with(origin, said(event, "message", message)));
        }
        let message = String::from_utf8_lossy(message);
        let colour = match level {
            "error" => "31",
            "warn" => "33",
            "debug" => "2",
            _ => "0",
        };
        let level = format!("{:5}", level.to_uppercase());
        // A line break in the message does not end the line.
        let message = visible::lines(&message, "      ");
        let level = paint(&level, colour, self.colour && colour != "0");
        self.to_stderr(&format!("{level} {}{message}", origin.text()));
    }

    /// What a script prints, line breaks included.
    pub(crate) fn print(&self, text: &[u8], origin: impl FnOnce() -> Origin) {
        if !self.is_json() {
            return self.to_stdout(text);
        }
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        self.event(with(&origin(), said(json!({"event": "print"}), "text", text)));
    }

    /// A line of what a command prints. Without its line break.
    pub(crate) fn shell(&self, task: &str, stream: Stream, line: &[u8]) {
        if self.is_json() {
            let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            return self.event(said(json!({"event": "shell", "task": task, "stream": stream}), "text", line));
        }
        self.output.put(stream, [b"[", visible::line(task).as_bytes(), b"] ", line, b"\n"].concat());
    }

    /// Bytes for standard error, as they are.
    pub(crate) fn error_bytes(&self, bytes: &[u8]) {
        self.output.put(Stream::Stderr, bytes.to_vec());
    }

    /// What whoever prints, logs, or has a command that prints, has to wait for afterwards, if for anything.
    pub(crate) fn room(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        self.output.room()
    }

    /// The same for who has only logged.
    pub(crate) fn room_for_logs(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if self.is_json() {
            return self.room().map(|room| Box::pin(room) as _);
        }
        self.output.room_for_errors().map(|room| Box::pin(room) as _)
    }

    /// Ready when what was told is written.
    pub(crate) fn written(&self) -> impl Future<Output = ()> + Send + 'static {
        self.output.written()
    }

    /// The same for those who cannot wait long: where nobody reads, the order is lost.
    pub(crate) fn settle(&self) {
        self.output.drain(SETTLING);
    }

    /// From now on nobody waits for who reads.
    pub(crate) fn open(&self) {
        self.output.open();
    }

    /// Blocks until all is written, or until it is clear that nobody reads it. Whether all is.
    pub(crate) fn finish(&self, patience: Option<Duration>) -> bool {
        if self.output.is_live() {
            self.output.draw(Draw::Nothing); // the program ends
        }
        let patience = patience.unwrap_or(PATIENCE);
        let (mut out, mut errors) = self.output.drain(patience.min(SILENCE));
        if out > 0 && patience > SILENCE {
            self.to_stderr(&format!(
                "sloth-runner: waiting for somebody to read standard output: {out} bytes are left, and lost if nobody reads for {}; \
                 Ctrl-C ends at once",
                crate::duration::show(patience)
            ));
        }
        if out + errors > 0 && patience > SILENCE {
            (out, errors) = self.output.drain(patience);
        }
        if let Some(why) = self.output.failed() {
            self.to_stderr(&format!("sloth-runner: cannot write to standard output: {why}"));
            self.output.drain(SILENCE);
            return false;
        }
        if out > 0 {
            self.to_stderr(&format!(
                "sloth-runner: {out} bytes of standard output were read by nobody, and are lost"
            ));
            self.output.drain(SILENCE.min(patience));
        }
        out + errors == 0
    }

    /// The plan of a dry run: the object, and the lines.
    pub(crate) fn plan(&self, plan: Value, text: &str) {
        if self.is_json() {
            let mut event = json!({"event": "plan"});
            if let (Value::Object(event), Value::Object(plan)) = (&mut event, plan) {
                event.extend(plan);
            }
            self.event(event);
        } else {
            self.to_stdout(text.as_bytes());
        }
    }

    pub(crate) fn set_outputs(&self, outputs: Value) {
        *self.lock(&self.outputs) = Some(outputs);
    }

    /// How it all ended. Tells so the first time only.
    pub(crate) fn summarise(&self, exit_code: u8, left: &[Living]) {
        if self.summarised.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.output.is_live() {
            self.output.draw(Draw::Nothing);
        }
        let results = self.lock(&self.tasks).ended.clone();
        let outputs = self.lock(&self.outputs).take();
        if self.is_json() {
            let left: Vec<_> = left
                .iter()
                .map(|living| {
                    json!({
                        "goroutine": living.id, "status": living.status.to_string(), "started_at": &*living.started_at,
                    })
                })
                .collect();
            let tasks: Vec<_> = results.iter().map(TaskResult::json).collect();
            return self.event(json!({
                "event": "summary", "success": exit_code == 0, "exit_code": exit_code, "tasks": tasks,
                "outputs": outputs.unwrap_or_else(|| json!({})), "goroutines_left": left,
            }));
        }
        for living in left.iter().take(LISTED) {
            let Living { id, status, started_at, .. } = living;
            let started_at = visible::line(started_at);
            self.to_stderr(&format!(
                "goroutine {id} (started at {started_at}) was {status} at the end, and is cancelled"
            ));
        }
        let mut more = BTreeMap::<&str, usize>::new();
        left.iter().skip(LISTED).for_each(|living| *more.entry(&living.started_at).or_default() += 1);
        for (started_at, count) in more {
            let started_at = visible::line(started_at);
            self.to_stderr(&format!(
                "{count} more (started at {started_at}) had not ended at the end, and are cancelled"
            ));
        }
        if !results.is_empty() {
            self.to_stderr(&summary::table(&results, self.colour));
        }
        let text = outputs.map(|outputs| shown(&outputs)).unwrap_or_default();
        if !text.is_empty() {
            self.to_stdout(text.as_bytes());
        }
    }

    /// Says once that it was interrupted: it may take up to 2 s from here. Where there are no tasks it mostly takes no time: so that is said
    /// only when it is not `at_once`.
    pub(crate) fn interrupted(&self, at_once: bool) {
        let is_due = self.begun.load(Ordering::Relaxed) || !at_once;
        if is_due && !self.is_json() && !self.interrupted.swap(true, Ordering::Relaxed) {
            self.to_stderr("interrupted: cancelling; again to end at once");
        }
    }

    /// A message of the runner's own about the run as a whole, in lines of its own.
    pub(crate) fn note(&self, text: &str) {
        self.to_stderr(text);
    }

    /// What `warn` says.
    pub(crate) fn warning(&self, text: &str) {
        self.to_stderr(&format!("Lua warning: {}", visible::lines(text, INDENT)));
    }

    fn event(&self, event: Value) {
        let mut line = stamped(event).to_string();
        line.push('\n');
        self.output.put(Stream::Stdout, line.into_bytes());
    }

    // One piece each, so that lines of several goroutines do not mix.

    fn to_stderr(&self, line: &str) {
        self.output.put(Stream::Stderr, format!("{line}\n").into_bytes());
    }

    fn to_stdout(&self, bytes: &[u8]) {
        self.output.put(Stream::Stdout, bytes.to_vec());
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `outputs` holds: a line an entry, or one line if it is no table. Nothing is no text.
fn shown(outputs: &Value) -> String {
    let plain = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        visible::lines(&text, INDENT).into_owned()
    };
    let lines: Vec<_> = match outputs {
        Value::Null => return String::new(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("  {}: {}\n", visible::line(name), plain(value)))
            .collect(),
        Value::Array(values) => {
            values.iter().zip(1..).map(|(value, index)| format!("  {index}: {}\n", plain(value))).collect()
        }
        value => return format!("outputs: {}\n", plain(value)),
    };
    if lines.is_empty() { String::new() } else { format!("outputs:\n{}", lines.concat()) }
}

/// The event with what was said, as far as that is text, and a note where it is not.
fn said(mut event: Value, name: &str, bytes: &[u8]) -> Value {
    if let Value::Object(fields) = &mut event {
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, Cow::Owned(_)) {
            fields.insert("lossy".into(), true.into());
        }
        fields.insert(name.into(), text.into());
    }
    event
}

fn with(origin: &Origin, mut event: Value) -> Value {
    if let Value::Object(fields) = &mut event {
        if let Some(task) = &origin.task {
            fields.insert("task".into(), task.as_str().into());
        }
        if let Some(goroutine) = origin.goroutine {
            fields.insert("goroutine".into(), goroutine.into());
        }
    }
    event
}
