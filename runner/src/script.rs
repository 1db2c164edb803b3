//! Running a script, and then its tasks.

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goroutine::{Goroutines, Living, Observer};
use mlua::{Lua, Value};
use runtime_core::Backend;
use serde_json::Value as Json;

use crate::cli::{Carrier, Run};
use crate::dump::Answering;
use crate::event::Event;
use crate::modules::{self, Place};
use crate::shared::Shared;
use crate::sink::Sink;
use crate::tasks::{self, Definitions, Outcome};
use crate::visible::{self, INDENT};
use crate::{convert, pipe, values};

/// The script, or one of its tasks, failed.
const FAILED: u8 = 1;
/// Wrong usage, a script that does not parse, or tasks that do not validate.
const USAGE: u8 = 2;
/// Interrupted by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Ended at once by `SIGQUIT`, as shells have it.
const QUIT: u8 = 131;
/// How long goroutines may take to unwind at the end.
const GRACE: Duration = Duration::from_secs(2);
/// What comes so soon after the first signal is no second one: some send a signal to the process and to its group.
const ONE_SIGNAL: Duration = Duration::from_millis(100);
/// How long somebody who reads slowly is waited for when the program is interrupted, and at the end whoever prints what commands have said.
const AT_ONCE: Duration = Duration::from_millis(200);
/// Goroutines that are about to end get this long before they are said to be left over.
const ENDING: Duration = Duration::from_millis(50);

/// Runs the script that the command line names.
pub(crate) fn run(run: &Run) -> ExitCode {
    if !run.delegate_to.is_empty() {
        return absent("--delegate-to");
    }
    if run.nats.is_some() {
        return absent("--nats");
    }
    let name = run.file().display().to_string();
    let shared = match Sink::new(run.output) {
        Ok(sink) => Arc::new(Shared::new(sink, run.memory_limit)),
        Err(error) => return fail(FAILED, format_args!("cannot start a thread: {error}")),
    };
    let read = read(run.file())
        .map_err(|error| format!("cannot read {name}: {}", modules::fs::reason(&error)))
        .and_then(|source| Ok((source, run.values.as_deref().map_or(Ok(Json::Null), values::read)?)));
    let (source, given) = match read {
        Ok(read) => read,
        Err(why) => {
            shared.sink.tell(&Event::Error { message: &why, place: None });
            shared.sink.summarise(USAGE, &[]);
            shared.sink.finish(None);
            return ExitCode::from(USAGE);
        }
    };
    shared.commands.adopt();
    let goroutines = match build(run, &shared) {
        Ok(goroutines) => goroutines,
        Err(error) => return fail(FAILED, error),
    };
    if let Err(error) = interruptible(&goroutines, &shared) {
        return fail(FAILED, format_args!("cannot handle Ctrl-C: {error}"));
    }
    let quitting = Arc::clone(&shared);
    let quit = move || {
        quitting.sink.finish(Some(AT_ONCE));
        std::process::exit(QUIT.into());
    };
    if let Err(error) = pipe::watch(&shared.commands, quit) {
        return fail(FAILED, format_args!("cannot handle signals: {error}"));
    }
    let observer = goroutines.observer();
    let answering = Answering::begin(&shared, &observer);
    let lua = goroutine::new_state();
    let script = Script { lua: &lua, goroutines: &goroutines, shared: &shared, run, name: &name };
    let mut code =
        script.run(&source, &given).unwrap_or_else(|error| script.fail(FAILED, &error.to_string()));
    if goroutines.is_interrupted() {
        code = INTERRUPTED;
    }
    shared.sink.set_outputs(
        lua.globals()
            .raw_get("outputs")
            .map_or(serde_json::json!({}), |outputs: Value| convert::shown(&lua, &outputs)),
    );
    let left = left_over(&observer, &goroutines);
    goroutines.wind_down(&lua, GRACE);
    // The state goes first: handles that it drops may have errors to report.
    drop(lua);
    let _ = goroutines.shutdown(GRACE);
    let behind = shared.commands.end();
    if behind > 0 && !goroutines.is_interrupted() {
        let commands = if behind == 1 { "1 command has".into() } else { format!("{behind} commands have") };
        shared.sink.note(&format!("what {commands} left in the background is killed"));
    }
    shared.sink.open();
    shared.printed(Instant::now() + AT_ONCE);
    shared.sink.summarise(code, &left);
    let written = shared.sink.finish(goroutines.is_interrupted().then_some(AT_ONCE));
    drop(answering);
    ExitCode::from(if written || code != 0 { code } else { FAILED })
}

fn build(run: &Run, shared: &Arc<Shared>) -> Result<Goroutines, goroutine::BuildError> {
    let backend: Arc<dyn Backend> = match run.backend {
        Carrier::Tokio => Arc::new(backend_tokio::Tokio::new()),
        Carrier::Threads => Arc::new(backend_threads::Threads::new()),
        Carrier::Smol => Arc::new(backend_smol::Smol::new()),
        #[cfg(feature = "backend-async-std")]
        Carrier::AsyncStd => Arc::new(backend_async_std::AsyncStd::new()),
    };
    let setup = Arc::clone(shared);
    let report = Arc::clone(shared);
    let ending = Arc::clone(shared);
    let mut builder = Goroutines::builder()
        .shared_backend(backend)
        .setup(move |lua| {
            modules::install(lua, &setup, Place::Isolate)?;
            tasks::refuse(lua)
        })
        .on_unhandled_error(move |text| report.sink.tell(&Event::Unhandled { report: text }))
        .before_exit(move || {
            ending.commands.end();
            ending.sink.open();
            ending.printed(Instant::now() + AT_ONCE);
            ending.sink.finish(None);
        })
        .lazy(true)
        .detect_deadlocks(true);
    if let Some(isolates) = run.isolates {
        builder = builder.isolates(isolates.into());
    }
    if let Some(bytes) = run.memory_limit {
        builder = builder.memory_limit(bytes, "see --memory-limit");
    }
    builder.build()
}

/// What is said of a script that has taken all the memory that it may.
pub(crate) fn memory_advice(run: &Run) -> Option<String> {
    run.memory_limit.map(|limit| format!("the script may use {limit} bytes, see --memory-limit"))
}

/// A script, and what it runs with.
struct Script<'a> {
    lua: &'a Lua,
    goroutines: &'a Goroutines,
    shared: &'a Arc<Shared>,
    run: &'a Run,
    name: &'a str,
}

impl Script<'_> {
    /// The exit code that it comes to, unless it was interrupted.
    fn run(&self, source: &[u8], given: &Json) -> mlua::Result<u8> {
        let Self { lua, goroutines, shared, run, name } = self;
        let module = if run.local { goroutines.local_module(lua)? } else { goroutines.module(lua)? };
        lua.globals().raw_set("goroutine", module)?;
        modules::install(lua, shared, Place::Home)?;
        let definitions = tasks::install(lua)?;
        values::install(lua, given, &run.params)?;
        let arg = lua.create_table()?;
        arg.raw_set(0, *name)?;
        for (index, value) in run.args.iter().enumerate() {
            arg.raw_set(index + 1, lua.create_string(value.as_encoded_bytes())?)?;
        }
        lua.globals().raw_set("arg", arg)?;
        let chunk_name = if *name == "-" { "=stdin".to_owned() } else { format!("@{name}") };
        let chunk = lua.load(source).set_name(chunk_name).set_mode(mlua::chunk::ChunkMode::Text);
        let main = match chunk.into_function() {
            Ok(main) => main,
            Err(_) if source.starts_with(b"\x1bLua") => {
                return Ok(self.fail(USAGE, &format!("{name}: a precompiled chunk; Lua source is expected")));
            }
            Err(error) => return Ok(self.fail(USAGE, &message(&error))),
        };
        let advice = memory_advice(run);
        if let (Some(limit), Some(advice)) = (run.memory_limit, &advice) {
            goroutine::limit_memory(lua, limit, advice)?;
        }
        let args = run.args.iter().map(|value| lua.create_string(value.as_encoded_bytes()));
        let args: mlua::Variadic<mlua::LuaString> = args.collect::<mlua::Result<_>>()?;
        let describe = describing(lua, advice.clone())?;
        let traceback: mlua::Function = lua.load(HANDLER).set_name("=[runner:handler]").call(describe)?;
        let xpcall: mlua::Function = lua.globals().get("xpcall")?;
        let run_all = || match xpcall.call::<(bool, Value)>((main, traceback, args))? {
            (true, _) => self.run_tasks(&definitions),
            (false, _) if goroutines.is_interrupted() => Ok(INTERRUPTED),
            (false, error) => {
                definitions.tell_errors(shared)?;
                let text = error.as_string().map(|text| text.to_string_lossy());
                let mut text = text.map_or_else(|| error.to_string(), Ok)?;
                // Of this error Lua calls no handler.
                if let Some(advice) = advice.filter(|_| text.ends_with("not enough memory")) {
                    text += &format!(": {advice}");
                }
                Ok(self.fail(FAILED, &text))
            }
        };
        goroutines.interruptible(lua, run_all)?
    }

    fn run_tasks(&self, definitions: &Definitions) -> mlua::Result<u8> {
        let outcome = definitions.run(self.lua, self.goroutines, self.shared, self.run)?;
        Ok(match outcome {
            Outcome::None | Outcome::Well => 0,
            Outcome::Failed => FAILED,
            Outcome::Wrong => USAGE,
        })
    }

    fn fail(&self, code: u8, why: &str) -> u8 {
        self.shared.sink.tell(&Event::Error { message: why, place: None });
        code
    }
}

/// A function that turns an error value into its message, with what is to be said of memory that has run out, if there is a limit.
pub(crate) fn describing(lua: &Lua, advice: Option<String>) -> mlua::Result<mlua::Function> {
    lua.create_function(move |_, error: Value| {
        let mut text = without_our_place(goroutine::error_text(&error));
        if let Some(advice) = advice.as_deref().filter(|_| text.ends_with("not enough memory")) {
            text += &format!(": {advice}");
        }
        Ok(text)
    })
}

/// The text of an error without the line of ours that called what raised it.
fn without_our_place(text: String) -> String {
    let rest = text.strip_prefix("[runner:").and_then(|rest| rest.split_once("]:")).map(|(_, rest)| rest);
    match rest.and_then(|rest| rest.split_once(": ")) {
        Some((line, rest)) if line.bytes().all(|byte| byte.is_ascii_digit()) => rest.to_owned(),
        _ => text,
    }
}

/// Turns the error of a script into its message and traceback.
const HANDLER: &str = r#"
local describe = ...
local traceback = debug.traceback
return function(err)
  local text = traceback(describe(err), 2)
  return (text:gsub("\n\t%[C%]: in function 'xpcall'.*", ""):gsub("\n\t%[goroutine:[^\n]*", ""):gsub("\n\t%[runner:[^\n]*", ""))
end
"#;

/// The goroutines that run when the script has ended.
fn left_over(observer: &Observer, goroutines: &Goroutines) -> Vec<Living> {
    let until = Instant::now() + ENDING;
    loop {
        let mut living = observer.living();
        living.retain(|living| !living.status.is_ended());
        // What was interrupted is being cancelled already.
        if living.is_empty() || goroutines.is_interrupted() {
            return Vec::new();
        }
        if Instant::now() >= until {
            return living;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The script's bytes, with a first line that begins with `#` made a comment.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut source = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut source)?;
    } else {
        source = std::fs::read(file)?;
    }
    if source.starts_with(b"\xef\xbb\xbf") {
        source.drain(..3);
    }
    if source.starts_with(b"#") {
        source.splice(..0, *b"--");
    }
    Ok(source)
}

/// The message of a parse error, without mlua's word in front.
fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// Ctrl-C interrupts the script: its blocking call raises an error, so that its `<close>` variables are closed, and its
/// goroutines are cancelled. What does not end in time is ended; a second Ctrl-C ends the program at once.
fn interruptible(goroutines: &Goroutines, shared: &Arc<Shared>) -> Result<(), ctrlc::Error> {
    let interrupt = goroutines.interrupter();
    let shared = Arc::clone(shared);
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || {
        if let Some(first) = first {
            if first.elapsed() < ONE_SIGNAL {
                return;
            }
            shared.commands.end();
            shared.sink.finish(Some(AT_ONCE));
            std::process::exit(INTERRUPTED.into());
        }
        first = Some(Instant::now());
        let (interrupt, shared) = (interrupt.clone(), Arc::clone(&shared));
        std::thread::spawn(move || {
            let until = Instant::now() + GRACE;
            shared.sink.interrupted(true);
            let said = Arc::clone(&shared);
            std::thread::spawn(move || {
                std::thread::sleep(AT_ONCE);
                said.sink.interrupted(false);
            });
            let _ = interrupt(GRACE);
            // The main thread ends the program when the script has unwound.
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            shared.commands.end();
            shared.sink.cancel_rest("interrupted", None);
            shared.sink.summarise(INTERRUPTED, &[]);
            shared.sink.finish(Some(AT_ONCE));
            std::process::exit(INTERRUPTED.into());
        });
    })
}

/// What comes with agents.
pub(crate) fn absent(what: &str) -> ExitCode {
    fail(
        USAGE,
        format_args!("{what} needs agents, which this version does not have: tasks run on this machine"),
    )
}

pub(crate) fn fail(code: u8, why: impl Display) -> ExitCode {
    let why = why.to_string();
    let why = visible::lines(&why, INDENT);
    let _ = std::io::stderr().write_all(format!("sloth-runner: {why}\n").as_bytes());
    ExitCode::from(code)
}
