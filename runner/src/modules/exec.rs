//! The module `exec`: commands, in process groups of their own, so that what they start ends with them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use goroutine::{Direction, WaitingCall};
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::args::{Args, bytes};
use super::streams::Reading;
use super::{Module, Place, waiting_unless};
use crate::group::Group;
use crate::shared::Shared;
use crate::sink::Stream;

/// How long the streams of a command are waited for once it has ended: what it has started in the background may hold them open.
const LINGER: Duration = Duration::from_millis(200);

/// What is to be run.
struct Wanted {
    command: Command,
    stdin: Vec<u8>,
    timeout: Option<Duration>,
    /// Under which name its output is passed on as it comes.
    stream: Option<String>,
    shared: Arc<Shared>,
}

/// What came of it.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

pub(super) fn install(lua: &Lua, shared: &Arc<Shared>, place: Place) -> mlua::Result<()> {
    let module = Module::new(lua, shared)?;
    module.waiting(
        "exec.run",
        |lua, shared, args| {
            let wanted = wanted(lua, shared, &args)?;
            shared.io.start(run(wanted))
        },
        |lua, ended| {
            let result = lua.create_table()?;
            result.raw_set("stdout", lua.create_string(&ended.stdout)?)?;
            result.raw_set("stderr", lua.create_string(&ended.stderr)?)?;
            result.raw_set("exit_code", exit_code(ended.status))?;
            result.raw_set("success", ended.status.success())?;
            Ok(result)
        },
    )?;
    replace_popen(lua, shared, place)?;
    module.finish("exec")?;
    replace_execute(lua, shared, place)
}

/// What a call of a function that has been replaced gives by the standard one, if it is left to that: outside goroutines it blocks, as
/// ever, and what it runs has the script's standard input.
fn standard(
    lua: &Lua,
    shared: &Shared,
    place: Place,
    function: &Function,
    values: &MultiValue,
) -> mlua::Result<Option<MultiValue>> {
    if place == Place::Isolate || goroutine::current_id(lua).is_some() {
        return Ok(None);
    }
    // What was printed before comes before what the command prints.
    futures_lite::future::block_on(shared.sink.written());
    function.call(values.clone()).map(Some)
}

/// `os.execute`, which parks the goroutine. What the command prints is printed as what scripts print.
fn replace_execute(lua: &Lua, shared: &Arc<Shared>, place: Place) -> mlua::Result<()> {
    let os: Table = lua.globals().get("os")?;
    let plain: Function = os.get("execute")?;
    // An event has to be made of what it prints.
    let events = shared.sink.takes_prints();
    let own = Arc::clone(shared);
    let execute = waiting_unless(
        lua,
        shared,
        "os.execute",
        move |lua, values| if events { Ok(None) } else { standard(lua, &own, place, &plain, values) },
        |lua, shared, args| {
            let asked = args.value(1).is_nil();
            let mut command = shell(if asked { "exit 0".into() } else { OsString::from_vec(args.bytes(1)?) });
            command.stdin(Stdio::null());
            let origin = shared.origin(lua);
            let shared = Arc::clone(shared);
            Arc::clone(&shared).io.start(async move {
                if !shared.sink.takes_prints() {
                    // What was printed before comes before what the command prints.
                    shared.sink.written().await;
                    let mut child = Group::start(&mut command, &shared.commands)?;
                    return Ok((asked, child.wait().await?));
                }
                let wanted = Wanted {
                    command,
                    stdin: Vec::new(),
                    timeout: None,
                    stream: None,
                    shared: Arc::clone(&shared),
                };
                let ended = run(wanted).await?;
                if !ended.stdout.is_empty() {
                    shared.sink.print(&ended.stdout, || origin);
                }
                shared.sink.error_bytes(&ended.stderr);
                if let Some(room) = shared.sink.room() {
                    room.await;
                }
                Ok((asked, ended.status))
            })
        },
        |lua, (asked, status)| {
            if asked {
                return true.into_lua_multi(lua); // there is a shell
            }
            let ok = if status.success() { Value::Boolean(true) } else { Value::Nil };
            let how = if status.code().is_some() { "exit" } else { "signal" };
            (ok, how, status.code().unwrap_or_else(|| exit_code(status) - 128)).into_lua_multi(lua)
        },
    )?;
    os.raw_set("execute", execute)
}

/// `io.popen`, whose file parks the goroutine that reads or writes. A command that a cancelled goroutine has waited for is killed.
fn replace_popen(lua: &Lua, shared: &Arc<Shared>, place: Place) -> mlua::Result<()> {
    let io: Table = lua.globals().get("io")?;
    let plain: Function = io.get("popen")?;
    // An event has to be made of what it prints.
    let events = shared.sink.takes_prints();
    let shared = Arc::clone(shared);
    let require: Function = lua.globals().get("require")?;
    let popen = goroutine::waiting_function(lua, "io.popen", move |lua, values| {
        let prints =
            matches!(values.get(1), Some(Value::String(mode)) if mode.as_bytes().first() == Some(&b'w'));
        if !(events && prints)
            && let Some(values) = standard(lua, &shared, place, &plain, &values)?
        {
            return Ok(WaitingCall::Now(values));
        }
        let args = Args::new("io.popen", values);
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(OsString::from_vec(args.bytes(1)?));
        let direction = match args.optional_text(2)?.as_deref() {
            None | Some("r") => Direction::Read,
            Some("w") => Direction::Write,
            Some(_) => return Err(args.bad(2, "invalid mode")),
        };
        if direction == Direction::Read {
            command.stdin(Stdio::null());
        } else if events {
            command.stdout(shared.printer(shared.origin(lua))?);
        } else {
            shared.sink.settle();
        }
        if place == Place::Home {
            // It has the files of commands.
            require.call::<()>("goroutine.local")?;
        }
        let file = goroutine::command_file(lua, command, direction, Some(Arc::clone(&shared.commands)))?;
        Ok(WaitingCall::Now(file))
    })?;
    io.raw_set("popen", popen)
}

fn wanted(lua: &Lua, shared: &Arc<Shared>, args: &Args) -> mlua::Result<Wanted> {
    let mut command = match args.value(1) {
        Value::Table(words) => {
            let list: Vec<Value> = words.sequence_values().collect::<mlua::Result<_>>()?;
            // A hole, or a named field, would be left out silently.
            let is_list = words.pairs::<Value, Value>().count() == list.len();
            let words: Option<Vec<_>> =
                list.iter().map(|word| Some(OsString::from_vec(bytes(word)?))).collect();
            let words = words.filter(|_| is_list);
            match words.as_deref() {
                Some([program, args @ ..]) => {
                    let mut command = Command::new(program);
                    command.args(args);
                    command
                }
                _ => {
                    return Err(
                        args.bad(1, "a shell line, or a list of a program and its arguments, expected")
                    );
                }
            }
        }
        _ => shell(OsString::from_vec(args.bytes(1)?)),
    };
    let options = args.options(2, &["workdir", "env", "timeout", "stdin", "stream"])?;
    // What a task says of itself holds for what its function runs.
    let task = shared.task(lua);
    let (workdir, mut env) = task.map_or((None, BTreeMap::new()), |task| (task.workdir, task.env));
    env.extend(options.variables("env")?);
    if let Some(workdir) = options.text("workdir")?.map(PathBuf::from).or(workdir) {
        command.current_dir(workdir);
    }
    command.envs(env);
    Ok(Wanted {
        command,
        stdin: options.bytes("stdin")?.unwrap_or_default(),
        timeout: options.limit("timeout")?,
        stream: options.text("stream")?,
        shared: Arc::clone(shared),
    })
}

fn shell(line: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

/// 128 and the signal for a command that one has ended, as shells have it.
fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

async fn run(wanted: Wanted) -> Result<Ended, String> {
    let Wanted { mut command, stdin, timeout, stream, shared } = wanted;
    command.stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::start(&mut command, &shared.commands)?;
    let (to, from, errors) = (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take());
    let name = stream.as_deref();
    let mut out = Reading::begin(from, Stream::Stdout, name, &shared);
    let mut err = Reading::begin(errors, Stream::Stderr, name, &shared);
    let work = async {
        let feed = async {
            if let Some(mut to) = to {
                let _ = to.write_all(&stdin).await; // one that does not want all of it is right, too
            }
        };
        let mut feed = std::pin::pin!(feed);
        // They end when it does, or before; if it leaves somebody behind who holds them open, they do not.
        let (mut fed, mut read) = (false, false);
        let status = loop {
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                outcome = both(&mut out, &mut err), if !read => {
                    outcome?;
                    read = true;
                }
                status = group.wait() => break status?,
            }
        };
        while !read {
            match tokio::time::timeout(LINGER, both(&mut out, &mut err)).await {
                Ok(outcome) => {
                    outcome?;
                    read = true;
                }
                Err(_) if out.is_held() || err.is_held() => {}
                Err(_) => break,
            }
        }
        Ok::<_, String>(status)
    };
    let status = match timeout {
        None => work.await,
        Some(limit) => {
            tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err("timeout exceeded".into()))
        }
    }?;
    Ok(Ended { status, stdout: out.take(), stderr: err.take() })
}

/// Waits for both; the first error ends it. May be dropped, and called again.
async fn both(one: &mut Reading, other: &mut Reading) -> Result<(), String> {
    tokio::try_join!(one.ended(), other.ended()).map(|_| ())
}
