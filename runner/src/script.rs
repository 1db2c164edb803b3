//! Running a script.

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goroutine::Goroutines;
use mlua::{Lua, Value};
use runtime_core::Backend;

use crate::cli::{Carrier, Run};
use crate::log;

/// The script, or one of its tasks, failed.
const FAILED: u8 = 1;
/// Wrong usage, or a script that does not parse.
const USAGE: u8 = 2;
/// Interrupted by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// How long goroutines may take to unwind at the end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the script that the command line names.
pub(crate) fn run(run: &Run) -> ExitCode {
    let name = run.file.display().to_string();
    let source = match read(&run.file) {
        Ok(source) => source,
        Err(error) => return fail(USAGE, format_args!("cannot read {name}: {error}")),
    };
    let backend: Arc<dyn Backend> = match run.backend {
        Carrier::Tokio => Arc::new(backend_tokio::Tokio::new()),
        Carrier::Threads => Arc::new(backend_threads::Threads::new()),
        Carrier::Smol => Arc::new(backend_smol::Smol::new()),
        #[cfg(feature = "backend-async-std")]
        Carrier::AsyncStd => Arc::new(backend_async_std::AsyncStd::new()),
    };
    let mut builder =
        Goroutines::builder().shared_backend(backend).setup(log::install).lazy(true).detect_deadlocks(true);
    if let Some(isolates) = run.isolates {
        builder = builder.isolates(isolates.into());
    }
    let goroutines = match builder.build() {
        Ok(goroutines) => goroutines,
        Err(error) => return fail(FAILED, error),
    };
    if let Err(error) = interruptible(&goroutines) {
        return fail(FAILED, format_args!("cannot handle Ctrl-C: {error}"));
    }
    let lua = goroutine::new_state();
    let code = match start(&lua, &goroutines, run, &name, &source) {
        Ok(code) => code,
        Err(error) => fail(FAILED, error),
    };
    goroutines.wind_down(&lua, GRACE);
    // The state goes first: handles that it drops may have errors to report.
    drop(lua);
    let _ = goroutines.shutdown(GRACE);
    if goroutines.is_interrupted() { ExitCode::from(INTERRUPTED) } else { code }
}

fn start(lua: &Lua, goroutines: &Goroutines, run: &Run, name: &str, source: &[u8]) -> mlua::Result<ExitCode> {
    log::install(lua)?;
    let module = match run.local {
        true => goroutines.local_module(lua)?,
        false => goroutines.module(lua)?,
    };
    lua.globals().raw_set("goroutine", module)?;
    let arg = lua.create_table()?;
    arg.raw_set(0, name)?;
    for (index, value) in run.args.iter().enumerate() {
        arg.raw_set(index + 1, lua.create_string(value.as_encoded_bytes())?)?;
    }
    lua.globals().raw_set("arg", arg)?;
    let chunk_name = if name == "-" { "=stdin".to_owned() } else { format!("@{name}") };
    let chunk = lua.load(source).set_name(chunk_name).set_mode(mlua::chunk::ChunkMode::Text);
    let main = match chunk.into_function() {
        Ok(main) => main,
        Err(_) if source.starts_with(b"\x1bLua") => {
            return Ok(fail(USAGE, format_args!("{name}: a precompiled chunk; Lua source is expected")));
        }
        Err(error) => return Ok(fail(USAGE, message(&error))),
    };
    let args = run.args.iter().map(|value| lua.create_string(value.as_encoded_bytes()));
    let args: mlua::Variadic<mlua::LuaString> = args.collect::<mlua::Result<_>>()?;
    let traceback: mlua::Function = lua.load(HANDLER).set_name("=[runner]").eval()?;
    let xpcall: mlua::Function = lua.globals().get("xpcall")?;
    match xpcall.call::<(bool, Value)>((main, traceback, args))? {
        (true, _) => Ok(ExitCode::SUCCESS),
        (false, _) if goroutines.is_interrupted() => Ok(ExitCode::from(INTERRUPTED)),
        (false, error) => Ok(fail(FAILED, error.to_string()?)),
    }
}

/// Turns the error of a script into its message and traceback.
const HANDLER: &str = r#"
local traceback, tostring, type, pcall, debug = debug.traceback, tostring, type, pcall, debug
return function(err)
  local ok, message = pcall(tostring, err)
  if not ok then
    message = "(error object whose __tostring fails)"
  elseif type(err) ~= "string" and type(err) ~= "number" and not (debug.getmetatable(err) or {}).__tostring then
    message = "(error object is a " .. type(err) .. " value)"
  elseif type(err) == "userdata" then
    message = message:gsub("^runtime error: ", ""):gsub("\nstack traceback:.*", "")
  end
  return (traceback(message, 2):gsub("\n\t%[C%]: in function 'xpcall'.*", ""):gsub("\n\t%[goroutine:[^\n]*", ""))
end
"#;

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
fn interruptible(goroutines: &Goroutines) -> Result<(), ctrlc::Error> {
    let interrupt = goroutines.interrupter();
    let mut before = false;
    ctrlc::set_handler(move || {
        if std::mem::replace(&mut before, true) {
            std::process::exit(INTERRUPTED.into());
        }
        let interrupt = interrupt.clone();
        std::thread::spawn(move || {
            let until = Instant::now() + GRACE;
            let _ = interrupt(GRACE);
            // The main thread ends the program when the script has unwound.
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            std::process::exit(INTERRUPTED.into());
        });
    })
}

fn fail(code: u8, why: impl Display) -> ExitCode {
    let _ = std::io::stderr().write_all(format!("sloth-runner: {why}\n").as_bytes());
    ExitCode::from(code)
}
