//! The modules `log`, `http`, `exec`, `fs`, `json`, `yaml`, `data` and `time`: globals, and given by `require`, in the home state
//! and in every isolate.
//!
//! Nothing here blocks an isolate: what waits is done by [`Io`](crate::io::Io), and the goroutine parks. What a right program may
//! meet comes back as `nil, err`; wrong calls are raised at the caller's line.

mod args;
pub(crate) mod data;
mod exec;
pub(crate) mod fs;
pub(crate) mod glob;
pub(crate) mod http;
mod log;
mod paths;
mod streams;
mod time;
mod warnings;

use std::sync::Arc;

use goroutine::{Pause, Results, WaitingCall};
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value};

use crate::io::Job;
use crate::shared::Shared;
use args::Args;

/// Which kind of state it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Home,
    Isolate,
}

/// Makes all modules in a state where goroutines are installed.
pub(crate) fn install(lua: &Lua, shared: &Arc<Shared>, place: Place) -> mlua::Result<()> {
    log::install(lua, shared)?;
    http::install(lua, shared)?;
    exec::install(lua, shared, place)?;
    fs::install(lua, shared)?;
    data::install(lua, shared)?;
    time::install(lua, shared)?;
    warnings::install(lua, shared);
    let shared = Arc::clone(shared);
    goroutine::print_to(lua, move |printed| {
        if printed.is_error {
            shared.sink.error_bytes(printed.bytes);
        } else {
            shared.sink.print(printed.bytes, || shared.origin_of(printed.goroutine, printed.root));
        }
        room(&shared)
    })
}

/// A module while it is made.
struct Module<'a> {
    lua: &'a Lua,
    shared: &'a Arc<Shared>,
    table: Table,
}

impl<'a> Module<'a> {
    fn new(lua: &'a Lua, shared: &'a Arc<Shared>) -> mlua::Result<Self> {
        Ok(Self { lua, shared, table: lua.create_table()? })
    }

    /// Makes it a global, and known to `require`.
    fn finish(self, name: &str) -> mlua::Result<()> {
        let loaded: Table = self.lua.globals().get::<Table>("package")?.get("loaded")?;
        loaded.raw_set(name, &self.table)?;
        let meant = self.lua.create_function(|_, (name, names): (String, Vec<String>)| {
            Ok(nearest(&name, names.iter().map(String::as_str)).map_or_else(
                || format!(": there are {}", names.join(", ")),
                |near| format!(", did you mean '{near}'?"),
            ))
        })?;
        let strict = self.lua.load(include_str!("../lua/strict.lua")).set_name("=[goroutine:strict]");
        self.table.set_metatable(Some(strict.call((name, meant))?))?;
        self.lua.globals().raw_set(name, self.table)
    }

    /// A function `MODULE.FIELD` that never waits. An error of it is a wrong call.
    fn now<R: IntoLuaMulti>(
        &self,
        name: &'static str,
        body: impl Fn(&Lua, &Arc<Shared>, Args) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let shared = Arc::clone(self.shared);
        let function = goroutine::waiting_function(self.lua, name, move |lua, values| {
            Ok(WaitingCall::Now(body(lua, &shared, Args::new(name, values))?.into_lua_multi(lua)?))
        })?;
        self.table.raw_set(field(name), function)
    }

    /// A function that says something, and then waits if there is no room for more.
    fn saying(
        &self,
        name: &'static str,
        body: impl Fn(&Lua, &Arc<Shared>, Args) -> mlua::Result<()> + 'static,
    ) -> mlua::Result<()> {
        self.pausing(name, room, body)
    }

    /// The same for one that logs: where that is on standard error, nobody who is to read what was printed is waited for.
    fn logging(
        &self,
        name: &'static str,
        body: impl Fn(&Lua, &Arc<Shared>, Args) -> mlua::Result<()> + 'static,
    ) -> mlua::Result<()> {
        self.pausing(name, |shared| shared.sink.room_for_logs().map(|room| room as Pause), body)
    }

    fn pausing(
        &self,
        name: &'static str,
        room: fn(&Shared) -> Option<Pause>,
        body: impl Fn(&Lua, &Arc<Shared>, Args) -> mlua::Result<()> + 'static,
    ) -> mlua::Result<()> {
        let shared = Arc::clone(self.shared);
        let function = goroutine::pausing_function(self.lua, name, move |lua, values| {
            body(lua, &shared, Args::new(name, values))?;
            Ok((MultiValue::new(), room(&shared)))
        })?;
        self.table.raw_set(field(name), function)
    }

    /// A function that waits: `begin` looks at the arguments and starts something, `finish` makes values of what comes of it.
    /// What fails then comes back as `nil, err`.
    fn waiting<T: 'static, R: IntoLuaMulti>(
        &self,
        name: &'static str,
        begin: impl Fn(&Lua, &Arc<Shared>, Args) -> mlua::Result<Job<Result<T, String>>> + 'static,
        finish: impl Fn(&Lua, T) -> mlua::Result<R> + Clone + 'static,
    ) -> mlua::Result<()> {
        let function = waiting_unless(self.lua, self.shared, name, |_, _| Ok(None), begin, finish)?;
        self.table.raw_set(field(name), function)
    }
}

/// The same, for a function that is in no module of ours. A call for which `at_once` gives values does not wait.
fn waiting_unless<T: 'static, R: IntoLuaMulti>(
    lua: &Lua,
    shared: &Arc<Shared>,
    name: &'static str,
    at_once: impl Fn(&Lua, &MultiValue) -> mlua::Result<Option<MultiValue>> + 'static,
    begin: impl Fn(&Lua, &Arc<Shared>, Args) -> mlua::Result<Job<Result<T, String>>> + 'static,
    finish: impl Fn(&Lua, T) -> mlua::Result<R> + Clone + 'static,
) -> mlua::Result<mlua::Function> {
    let shared = Arc::clone(shared);
    goroutine::waiting_function(lua, name, move |lua, values| {
        if let Some(values) = at_once(lua, &values)? {
            return Ok(WaitingCall::Now(values));
        }
        let job = begin(lua, &shared, Args::new(name, values))?;
        let finish = finish.clone();
        Ok(WaitingCall::Wait(Box::pin(async move {
            let outcome = job.await.and_then(|outcome| outcome);
            let results: Results = Box::new(move |lua| match outcome {
                Ok(done) => finish(lua, done)?.into_lua_multi(lua),
                Err(error) => failed(lua, &error),
            });
            results
        })))
    })
}

/// What is to be waited for by who has said something.
fn room(shared: &Shared) -> Option<Pause> {
    shared.sink.room().map(|room| Box::pin(room) as Pause)
}

/// `nil, err`.
fn failed(lua: &Lua, error: &str) -> mlua::Result<MultiValue> {
    (Value::Nil, error.into_lua(lua)?).into_lua_multi(lua)
}

/// `FIELD` of `MODULE.FIELD`.
fn field(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// What a script may have meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close =
        |known: &&str| strsim::damerau_levenshtein(name, known) <= (known.len().max(name.len()) / 3).max(1);
    known.into_iter().filter(close).min_by_key(|known| strsim::damerau_levenshtein(name, known))
}
