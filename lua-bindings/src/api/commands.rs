//! What goroutines have under `io.popen`, and under `io.read` for the program's own input: `lua/files.lua` makes functions of
//! these primitives.

use std::future::Future;
use std::pin::Pin;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::task::{Context as Polling, Poll, Waker};

use mlua::{
    AnyUserData, Function, IntoLuaMulti as _, Lua, MultiValue, Table, UserData, UserDataFields, Value,
};
use runtime_core::block_on;

use super::args::type_name;
use super::processes::{outcome, shell};
use super::{Answer, Args, Primitives, chunk};
use crate::command::{CommandFile, Commands, Direction, Failure, Format, Piece, Waiting};
use crate::fault::Fault;
use crate::goroutine::Reply;
use crate::input::{self, Turn};
use crate::state::{Role, State};

/// Where a state keeps the methods of such files.
const METHODS: &str = "goroutine.command_methods";

/// A command's file, as Lua has it. It goes to no other state.
struct Face(Arc<CommandFile>);

impl UserData for Face {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for name in ["__index", "__close", "__tostring"] {
            fields.add_meta_field_with(name, move |lua| {
                let methods: Table = lua.named_registry_value(METHODS)?;
                if name == "__index" { Ok(Value::Table(methods)) } else { methods.raw_get(name) }
            });
        }
        fields.add_meta_field("__name", "FILE*");
    }
}

/// What an operation comes to; made in the state that waited.
type Made = Box<dyn FnOnce(&Lua) -> Result<MultiValue, Fault>>;

fn made(make: impl FnOnce(&Lua) -> Result<MultiValue, Fault> + 'static) -> Made {
    Box::new(make)
}

fn failed(failure: Failure) -> Made {
    made(move |lua| match failure {
        Failure::Closed => Err(Fault::Wrong("attempt to use a closed file".into())),
        Failure::System(error) => system_error(lua, &error),
    })
}

/// `nil, message, number`, as Lua's own functions give it.
fn system_error(lua: &Lua, error: &std::io::Error) -> Result<MultiValue, Fault> {
    let number = error.raw_os_error();
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    Ok((Value::Nil, text, number).into_lua_multi(lua)?)
}

impl Args {
    /// The file that a method was called on.
    fn file(&self) -> Result<Arc<CommandFile>, Fault> {
        let this = self.this_value();
        let file = this.and_then(Value::as_userdata).and_then(|userdata| userdata.borrow::<Face>().ok());
        file.map(|file| Arc::clone(&file.0)).ok_or_else(|| {
            let got = this.map_or_else(|| "no value".into(), |value| type_name(&self.lua, value));
            let function = self.function;
            Fault::Wrong(format!("calling '{function}' on bad self (FILE* expected, got {got})"))
        })
    }

    /// Argument `n` as bytes: a string, or a number as Lua writes it.
    fn bytes(&self, n: usize) -> Result<Vec<u8>, Fault> {
        match self.get(n) {
            Some(value @ (Value::String(_) | Value::Integer(_) | Value::Number(_))) => Ok(self
                .lua
                .coerce_string(value.clone())?
                .map_or_else(Vec::new, |text| text.as_bytes().to_vec())),
            _ => Err(self.wrong(n, "string")),
        }
    }

    /// What is to be read, from argument `first` on; a line if nothing is said.
    fn formats(&self) -> Result<Vec<Format>, Fault> {
        let mut formats = Vec::new();
        for n in 1.. {
            match self.get(n) {
                None => break,
                Some(Value::Integer(_) | Value::Number(_)) => {
                    let count = usize::try_from(self.integer(n)?);
                    formats.push(Format::Count(count.map_err(|_| self.bad(n, "out of range"))?));
                }
                Some(_) => {
                    let format = Format::parse(&self.bytes(n)?);
                    formats.push(format.ok_or_else(|| self.bad(n, "invalid format"))?);
                }
            }
        }
        if formats.is_empty() {
            formats.push(Format::Line { keep_end: false });
        }
        Ok(formats)
    }
}

/// Adds an operation on such a file under `key`, and under `key_now` the same for code that cannot wait: there it blocks.
fn operation<W: Future<Output = Made> + 'static>(
    prim: &Primitives<'_>,
    key: &str,
    name: &'static str,
    begin: impl Fn(&Args, Arc<CommandFile>) -> Result<W, Fault> + Clone + 'static,
) -> mlua::Result<()> {
    let prepared = begin.clone();
    prim.add(key, name, true, move |context, args| {
        let mut wait: Pin<Box<dyn Future<Output = Made>>> = Box::pin(prepared(&args, args.file()?)?);
        // What can be done at once is.
        match wait.as_mut().poll(&mut Polling::from_waker(Waker::noop())) {
            Poll::Ready(made) => Ok(Answer::Values(made(context.lua)?)),
            Poll::Pending => Ok(Answer::Wait(Box::pin(async move {
                let made = wait.await;
                Reply::make(move |lua, _: &State| made(lua))
            }))),
        }
    })?;
    prim.add(&format!("{key}_now"), name, true, move |context, args| {
        let wait = begin(&args, args.file()?)?;
        Ok(Answer::Values(block_on(&*context.state.system.backend, wait)(context.lua)?))
    })
}

/// Waits for a command on behalf of a goroutine.
async fn waiting<T>(file: &Arc<CommandFile>, wait: impl Future<Output = T>) -> T {
    let waiting = Waiting::new(file);
    let output = wait.await;
    waiting.over();
    output
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let tonumber: Function = super::globals(prim.lua)?.get("tonumber")?;
    prim.function("popen", |context, args| {
        let line = args.bytes(1)?;
        let mode =
            if matches!(args.get(2), None | Some(Value::Nil)) { b"r".to_vec() } else { args.bytes(2)? };
        let direction = match &*mode {
            b"r" => Direction::Read,
            b"w" => Direction::Write,
            // There C's own function looks at it.
            _ if cfg!(feature = "luajit") => {
                let error = format!("{}: Invalid argument", String::from_utf8_lossy(&line));
                return Ok(Answer::Values((Value::Nil, error, libc::EINVAL).into_lua_multi(context.lua)?));
            }
            _ => return Err(args.bad(2, "invalid mode")),
        };
        open(context.lua, context.state, shell(&line), direction, None).map(Answer::Values)
    })?;
    operation(prim, "file_read", "read", move |args, file| {
        let (formats, tonumber) = (args.formats()?, tonumber.clone());
        Ok(async move {
            match waiting(&file, file.read(&formats)).await {
                Ok(pieces) => made(move |lua| Ok(pieces_of(lua, pieces, &tonumber)?)),
                Err(failure) => failed(failure),
            }
        })
    })?;
    operation(prim, "file_write", "write", |args, file| {
        let mut bytes = Vec::new();
        for n in 1.. {
            if args.get(n).is_none() {
                break;
            }
            bytes.extend(args.bytes(n)?);
        }
        Ok(async move {
            match waiting(&file, file.write(&bytes)).await {
                Ok(()) => made(|lua| Ok(true.into_lua_multi(lua)?)),
                Err(failure) => failed(failure),
            }
        })
    })?;
    operation(prim, "file_flush", "flush", |_, file| {
        Ok(async move {
            match waiting(&file, file.flush()).await {
                Ok(()) => made(|lua| Ok(true.into_lua_multi(lua)?)),
                Err(failure) => failed(failure),
            }
        })
    })?;
    operation(prim, "file_close", "close", |_, file| {
        Ok(async move {
            match waiting(&file, file.close()).await {
                Ok(status) => made(move |lua| Ok(closed(lua, status)?)),
                Err(failure) => failed(failure),
            }
        })
    })?;
    // `"file"` or `"closed file"`; nil for what is no such file.
    prim.raw("file_type", |_, _, value: Value| {
        let file = value.as_userdata().and_then(|userdata: &AnyUserData| userdata.borrow::<Face>().ok());
        Ok(file.map(|file| if file.0.is_closed() { "closed file" } else { "file" }))
    })?;
    prim.raw("keep_file_methods", |lua, _, methods: Table| lua.set_named_registry_value(METHODS, methods))?;
    prim.add("input_begin", "read", false, |context, _| {
        let wait = input::wait(Arc::clone(&context.state.system.backend));
        Ok(Answer::Wait(Box::pin(async move {
            let turn = wait.await;
            Reply::make(move |_, _| {
                turn.keep();
                Ok(MultiValue::new())
            })
        })))
    })?;
    prim.raw("input_end", |_, _, ()| {
        Turn::give_back();
        Ok(())
    })?;
    prim.table.raw_set("in_isolate", prim.state.role == Role::Isolate)
}

/// The functions that `lua/files.lua` replaces, by their names and where they stand.
const REPLACED: [(&str, &str); 6] =
    [("os", "execute"), ("io", "popen"), ("io", "read"), ("io", "lines"), ("io", "type"), ("io", "close")];

/// Those functions as they are at this moment.
pub(super) fn standard(lua: &Lua) -> mlua::Result<Table> {
    let found = lua.create_table()?;
    for (library, name) in REPLACED {
        if let Value::Table(library) = super::globals(lua)?.raw_get(library)? {
            found.raw_set(name, library.raw_get::<Value>(name)?)?;
        }
    }
    Ok(found)
}

/// Replaces those that are still what they were `before`: what the host has put in their place stays. In the home state the new
/// ones travel as the isolates' own.
pub(super) fn replace(
    prim: &Primitives<'_>,
    [settle, attempt]: [&Function; 2],
    before: &Table,
) -> mlua::Result<()> {
    let (lua, now) = (prim.lua, standard(prim.lua)?);
    let hosts = lua.create_table()?;
    for (_, name) in REPLACED {
        hosts.raw_set(name, before.raw_get::<Value>(name)? != now.raw_get::<Value>(name)?)?;
    }
    let args = (&prim.table, settle, attempt, prim.table.raw_get::<Value>("wrong")?, hosts);
    let replaced: Table = chunk(lua, "files", include_str!("../lua/files.lua"), args)?;
    if prim.state.role == Role::Home {
        for (library, name) in REPLACED {
            if let Some(function) = replaced.raw_get::<Option<Function>>(name)? {
                prim.state.tables.named.raw_set(function, format!("{library}\0{name}"))?;
            }
        }
    }
    Ok(())
}

fn pieces_of(lua: &Lua, pieces: Vec<Piece>, tonumber: &Function) -> mlua::Result<MultiValue> {
    pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => lua.create_string(text).map(Value::String),
            Piece::Numeral(text) => tonumber.call(lua.create_string(text)?),
            Piece::None => Ok(Value::Nil),
        })
        .collect()
}

/// What closing the file of a command that has ended so gives.
fn closed(lua: &Lua, status: ExitStatus) -> mlua::Result<MultiValue> {
    // Lua 5.1 gives no more.
    if cfg!(any(feature = "lua51", feature = "luajit")) {
        return true.into_lua_multi(lua);
    }
    outcome(lua, status)
}

fn open(
    lua: &Lua,
    state: &State,
    command: Command,
    direction: Direction,
    commands: Option<Arc<Commands>>,
) -> Result<MultiValue, Fault> {
    let backend = &state.system.backend;
    let reaper = state.system.detector.as_ref().map_or(backend, |detector| &detector.backend);
    let backends = [Arc::clone(backend), Arc::clone(reaper)];
    match CommandFile::start(command, direction, backends, commands) {
        Ok(file) => Ok(lua.create_userdata(Face(Arc::new(file)))?.into_lua_multi(lua)?),
        Err(error) => system_error(lua, &error),
    }
}

/// Starts a command, and gives what `io.popen` gives in a goroutine: a file whose methods park the goroutine that calls them. If
/// the command cannot be started, `nil`, a message and the system's number for it.
///
/// For hosts that put a function of their own in the place of `io.popen`, in isolates by the builder's
/// [`setup`](crate::Builder::setup). The file's other end is connected here; what else the command has is as the caller says.
/// With a list of `commands` it leads a process group of its own, is killed with that when a goroutine is cancelled that waits for it, and
/// by [`Commands::end`]. Without, it goes on, and finds its pipe closed.
///
/// # Errors
/// When the state has no goroutines, or, at home, no `goroutine.local`; when memory runs out.
pub fn command_file(
    lua: &Lua,
    command: Command,
    direction: Direction,
    commands: Option<Arc<Commands>>,
) -> mlua::Result<MultiValue> {
    let state = super::state(lua).ok_or_else(super::embedded::not_installed)?;
    open(lua, &state, command, direction, commands).map_err(|fault| match fault {
        Fault::Wrong(message) => mlua::Error::runtime(message),
        Fault::Raise(_) | Fault::Cancelled => mlua::Error::runtime("cannot make a file"),
    })
}
