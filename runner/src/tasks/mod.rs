//! Tasks: what a script defines by `task` and `workflow`, and how that runs.
//!
//! Most of it is written in Lua, in `src/lua`: `define.lua` notes what the script defines, and `fields.lua` looks at each of it, `check.lua` looks for all that is wrong with
//! it, `plan.lua` is the dry run, `engine.lua` runs it. How tasks overlap and are stopped is `strand.lua`'s alone.
//!
//! # Who waits for whom, and who ends what
//! All of it runs in the home state, as goroutines of `goroutine.local`. Each task has a **strand**, which is ours: it begins attempts,
//! waits for what they come to, and tells. A shell line is run by the thread for I/O, which also kills it at its time. A **function** of the
//! script's is a goroutine of its own, for which its strand waits. Functions wait for each other: one computes at a time, and from
//! one wait to the next it is alone with the script's variables.
//!
//! Strands do not wait for functions that compute. They go ahead: while a function computes, Lua calls a hook in its midst every 10 ms or so, and
//! there those strands have their turn which were woken meanwhile, by a command that has ended or by a time that has come. So tasks are told of, begin and
//! end then as well, but for functions, which have to wait.
//!
//! **The time of a function is over.** Its strand hears of that at the time, cancels it, and tells. If it waits, what it waits for is let go at
//! once (a command is killed); it gets the error when its turn comes. If it computes, it gets the error where it is, in the hook. It may
//! catch that, and `<close>` variables are closed: a second later all that still runs gets the error at each instruction. What calls no
//! hooks (a finalizer, the handler of an `xpcall` that the error passes, a C function) cannot be ended; if it runs for 2 s longer,
//! `limits.rs` ends the run.
//!
//! **The program is interrupted.** All goroutines are cancelled, strands as well, which then tell nothing; the engine tells for them, and gives all
//! 1.5 s to unwind.

mod ledger;
mod limits;
mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use goroutine::{Goroutines, StartedAs};
use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};

use crate::cli::Run;
use crate::event::Event;
use crate::script::memory_advice;
use crate::shared::Shared;
use crate::{convert, duration, modules, visible};

pub(crate) use ledger::{Coming, Ledger};

/// How long tasks have to unwind when the program is interrupted.
const GRACE: Duration = Duration::from_millis(1500);

/// Where the state keeps what our Lua files find as globals.
const GLOBALS: &str = "runner.globals";

/// What a script has defined.
pub(crate) struct Definitions(Table);

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It has defined nothing.
    None,
    Well,
    Failed,
    /// The definitions are wrong, which was told.
    Wrong,
}

/// Makes `task` and `workflow`.
pub(crate) fn install(lua: &Lua) -> mlua::Result<Definitions> {
    keep_globals(lua)?;
    let nearest = lua.create_function(|_, (name, names): (LuaString, Vec<LuaString>)| {
        let names: Vec<_> = names.iter().map(LuaString::to_string_lossy).collect();
        Ok(modules::nearest(&name.to_string_lossy(), names.iter().map(String::as_str)).map(str::to_owned))
    })?;
    let seconds = lua.create_function(|lua, value: Value| match duration::of_value(&value) {
        Ok(duration) => duration.as_secs_f64().into_lua_multi(lua),
        Err(why) => (Value::Nil, why).into_lua_multi(lua),
    })?;
    let pattern = lua.create_function(|_, pattern: String| Ok(modules::glob::wrong(&pattern)))?;
    let fields: Table = chunk(lua, "fields", include_str!("../lua/fields.lua"), (nearest, seconds, pattern))?;
    let definitions: Table = chunk(lua, "define", include_str!("../lua/define.lua"), fields)?;
    known(lua)?;
    Ok(Definitions(definitions))
}

/// Where there are no tasks, in an isolate, what defines them says so.
pub(crate) fn refuse(lua: &Lua) -> mlua::Result<()> {
    lua.load(include_str!("../lua/refuse.lua")).set_name("=[goroutine:refuse]").exec()?;
    known(lua)
}

/// Goroutines find `task` and `workflow` by a name, which is that of no module of anybody's: what is in a module is not copied.
fn known(lua: &Lua) -> mlua::Result<()> {
    let loaded: Table = lua.globals().get::<Table>("package")?.get("loaded")?;
    let (task, workflow): (Table, Table) =
        (lua.globals().raw_get("task")?, lua.globals().raw_get("workflow")?);
    loaded.raw_set("runner:workflow.define", workflow.raw_get::<Table>("define")?)?;
    loaded.raw_set("runner:task", task)?;
    loaded.raw_set("runner:workflow", workflow)
}

impl Definitions {
    /// What is wrong with single definitions, for a script that failed before all of them were read.
    pub(crate) fn tell_errors(&self, shared: &Shared) -> mlua::Result<bool> {
        tell_errors(shared, &self.0.get("errors")?)
    }

    /// Runs what was defined, or shows it.
    pub(crate) fn run(
        &self,
        lua: &Lua,
        goroutines: &Goroutines,
        shared: &Arc<Shared>,
        run: &Run,
    ) -> mlua::Result<Outcome> {
        let Self(definitions) = self;
        definitions.raw_set("closed", true)?;
        let workflows: Table = definitions.get("workflows")?;
        let tasks: Table = definitions.get("tasks")?;
        let none = workflows.is_empty() && tasks.is_empty();
        if none && run.tasks.is_empty() && !run.dry_run {
            return Ok(if self.tell_errors(shared)? { Outcome::Wrong } else { Outcome::None });
        }
        let file =
            run.file().file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let file = if file == "-" { "stdin".to_owned() } else { file };
        let wanted = (!run.tasks.is_empty()).then(|| run.tasks.clone());
        let params: Value = lua.globals().raw_get("params")?;
        let about = (definitions.clone(), file, wanted, params, run.file().display().to_string());
        let errors: Table = chunk(lua, "check", include_str!("../lua/check.lua"), about)?;
        if tell_errors(shared, &errors)? {
            return Ok(Outcome::Wrong);
        }
        if run.dry_run {
            let show =
                lua.create_function(|_, seconds: f64| Ok(duration::show(Duration::from_secs_f64(seconds))))?;
            let visible = lua.create_function(|_, (text, indent): (LuaString, Option<String>)| {
                let text = text.to_string_lossy();
                Ok(match indent {
                    Some(indent) => visible::lines(&text, &indent).into_owned(),
                    None => visible::line(&text).into_owned(),
                })
            })?;
            let (plan, text): (Value, LuaString) =
                chunk(lua, "plan", include_str!("../lua/plan.lua"), (workflows, show, visible))?;
            let text = text.to_string_lossy();
            shared.sink.plan(convert::shown(lua, &plan), if none { "there are no tasks\n" } else { &text });
            return Ok(Outcome::Well);
        }
        shared.sink.begin(coming(&workflows)?, goroutines.observer());
        // What the script prints and what commands print come in the order in which they happen.
        chunk::<()>(lua, "stdout", "io.stdout:flush() io.stdout:setvbuf('line')", ())?;
        self.engine(lua, goroutines, shared, workflows, memory_advice(run))
    }

    fn engine(
        &self,
        lua: &Lua,
        goroutines: &Goroutines,
        shared: &Arc<Shared>,
        workflows: Table,
        advice: Option<String>,
    ) -> mlua::Result<Outcome> {
        let interrupted = {
            let interrupted = goroutines.interruption();
            lua.create_function(move |_, ()| Ok(interrupted()))?
        };
        let tell = {
            let shared = Arc::clone(shared);
            lua.create_function(move |_, (kind, fields): (String, Table)| {
                told::tell(&shared.sink, &kind, &fields)
            })?
        };
        let found = lua.create_function(|_, (patterns, workdir): (Vec<String>, PathBuf)| {
            Ok(match artifacts(&patterns, &workdir) {
                Ok(files) => (Some(files), None),
                Err(missing) => (None, Some(missing)),
            })
        })?;
        let globals = globals(lua)?;
        let exec: Table = globals.get("exec")?;
        let require: Function = globals.get("require")?;
        let goroutine: Table = require.call("goroutine.local")?;
        let [enter, rest, leave, quiet] = limits::functions(lua, goroutines, shared)?;
        let next_as = lua.create_function(|lua, (place, ahead): (LuaString, bool)| {
            let place = Some(place.to_string_lossy().into());
            // Strands start each other, and the functions of the script's: what a function starts is its own, and its task's alone.
            goroutine::start_next_as(lua, StartedAs { place, ahead, by_home: true });
            Ok(())
        })?;
        let end_wait = lua.create_function(|lua, id: u64| Ok(goroutine::end_wait(lua, id)))?;
        let unwind = {
            let unwind = goroutines.unwinder();
            lua.create_function(move |lua, ()| {
                unwind(lua, GRACE);
                Ok(())
            })?
        };
        let describe = crate::script::describing(lua, advice)?;
        let strand: Table = chunk(
            lua,
            "strand",
            include_str!("../lua/strand.lua"),
            (
                goroutine.clone(),
                exec,
                enter,
                rest,
                leave,
                quiet,
                interrupted.clone(),
                describe,
                next_as,
                end_wait,
            ),
        )?;
        let meant: Function = self.0.get("meant")?;
        let params: Value = lua.globals().raw_get("params")?;
        let well: bool = chunk(
            lua,
            "engine",
            include_str!("../lua/engine.lua"),
            (workflows, strand, tell, interrupted, meant, found, params, goroutine, unwind),
        )?;
        Ok(if well { Outcome::Well } else { Outcome::Failed })
    }
}

/// All tasks, in the order in which they would begin if none waited.
fn coming(workflows: &Table) -> mlua::Result<Vec<Coming>> {
    let text = |table: &Table| table.raw_get("name").map(|name: mlua::LuaString| name.to_string_lossy());
    let mut all = Vec::new();
    for workflow in workflows.sequence_values::<Table>() {
        let workflow = workflow?;
        for task in workflow.raw_get::<Table>("order")?.sequence_values::<Table>() {
            all.push(Coming::new(text(&workflow)?, text(&task?)?));
        }
    }
    Ok(all)
}

/// The files that a task has to leave behind.
///
/// # Errors
/// The patterns that fit none.
fn artifacts(patterns: &[String], workdir: &Path) -> Result<Vec<String>, String> {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for pattern in patterns {
        let before = files.len();
        let found = modules::glob::matching(workdir, pattern.as_bytes())
            .map_err(|error| format!("{pattern}: {error}"))?;
        files.extend(found.into_iter().map(|file| file.to_string_lossy().into_owned()));
        if files.len() == before {
            missing.push(pattern.as_str());
        }
    }
    if missing.is_empty() { Ok(files) } else { Err(missing.join(", ")) }
}

/// Tells what is wrong; whether anything is.
fn tell_errors(shared: &Shared, errors: &Table) -> mlua::Result<bool> {
    for error in errors.sequence_values::<Table>() {
        let error = error?;
        let (message, place): (LuaString, Option<LuaString>) = (error.get("message")?, error.get("place")?);
        let (message, place) = (message.to_string_lossy(), place.map(|place| place.to_string_lossy()));
        shared.sink.tell(&Event::Error { message: &message, place: place.as_deref() });
    }
    Ok(!errors.is_empty())
}

/// Runs one of the Lua files.
fn chunk<R: mlua::FromLuaMulti>(
    lua: &Lua,
    name: &str,
    source: &str,
    args: impl IntoLuaMulti,
) -> mlua::Result<R> {
    let args: MultiValue = args.into_lua_multi(lua)?;
    let chunk = lua.load(source).set_name(format!("=[runner:{name}]")).set_mode(ChunkMode::Text);
    chunk.set_environment(globals(lua)?).call(args)
}

/// Keeps the globals as they are before the script runs: it may use their names as it likes. What it puts into the library
/// tables does not count either.
fn keep_globals(lua: &Lua) -> mlua::Result<()> {
    let kept = lua.create_table()?;
    for pair in lua.globals().pairs::<String, Value>() {
        let (name, mut value) = pair?;
        if let (Value::Table(library), "debug" | "math" | "string" | "table" | "utf8") = (&value, &*name) {
            let fields: mlua::Result<Vec<(Value, Value)>> = library.pairs().collect();
            value = Value::Table(lua.create_table_from(fields?)?);
        }
        kept.raw_set(name, value)?;
    }
    lua.set_named_registry_value(GLOBALS, kept)
}

fn globals(lua: &Lua) -> mlua::Result<Table> {
    lua.named_registry_value(GLOBALS)
}
