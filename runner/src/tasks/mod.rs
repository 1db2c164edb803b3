//! Tasks: what a script defines by `task` and `workflow`, and how that runs.
//!
//! Most of it is written in Lua, in `src/lua`: `define.lua` notes what the script defines, `check.lua` looks for all that is wrong with
//! it, `plan.lua` is the dry run, `engine.lua` runs it. How tasks overlap and are stopped is `strand.lua`'s alone.

mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use goroutine::Goroutines;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, IntoLuaMulti, Lua, MultiValue, Table, Thread, Value, VmState};

use crate::cli::Run;
use crate::event::Event;
use crate::shared::{Shared, Task};
use crate::{convert, duration, modules};

/// Every so many instructions a function with a time limit looks at the clock.
const INSTRUCTIONS: u32 = 10_000;

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
    let nearest = lua.create_function(|_, (name, names): (String, Vec<String>)| {
        Ok(modules::nearest(&name, names.iter().map(String::as_str)).map(str::to_owned))
    })?;
    let seconds = lua.create_function(|lua, value: Value| match duration::of_value(&value) {
        Ok(duration) => duration.as_secs_f64().into_lua_multi(lua),
        Err(why) => (Value::Nil, why).into_lua_multi(lua),
    })?;
    chunk(lua, "define", include_str!("../lua/define.lua"), (nearest, seconds)).map(Definitions)
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
        let errors: Table =
            chunk(lua, "check", include_str!("../lua/check.lua"), (definitions.clone(), file, wanted))?;
        if tell_errors(shared, &errors)? {
            return Ok(Outcome::Wrong);
        }
        if run.dry_run {
            let show =
                lua.create_function(|_, seconds: f64| Ok(duration::show(Duration::from_secs_f64(seconds))))?;
            let (plan, text): (Value, String) =
                chunk(lua, "plan", include_str!("../lua/plan.lua"), (workflows, show))?;
            shared.sink.plan(convert::shown(lua, &plan), if none { "there are no tasks\n" } else { &text });
            return Ok(Outcome::Well);
        }
        shared.sink.begin(goroutines.observer());
        // What the script prints and what commands print come in the order in which they happen.
        lua.load("io.stdout:flush() io.stdout:setvbuf('line')").exec()?;
        self.engine(lua, goroutines, shared, workflows)
    }

    fn engine(
        &self,
        lua: &Lua,
        goroutines: &Goroutines,
        shared: &Arc<Shared>,
        workflows: Table,
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
        let loaded: Table = lua.globals().get::<Table>("package")?.get("loaded")?;
        let (goroutine, exec): (Table, Table) = (loaded.raw_get("goroutine")?, loaded.raw_get("exec")?);
        let (enter, leave, overdue) = limits(lua, shared)?;
        let describe: Function = lua.load(crate::script::DESCRIBE).set_name("=[runner:describe]").eval()?;
        let strand: Table = chunk(
            lua,
            "strand",
            include_str!("../lua/strand.lua"),
            (goroutine.clone(), exec, enter, leave, overdue, interrupted.clone(), describe),
        )?;
        let meant: Function = self.0.get("meant")?;
        let params: Value = lua.globals().raw_get("params")?;
        let well: bool = chunk(
            lua,
            "engine",
            include_str!("../lua/engine.lua"),
            (workflows, strand, tell, interrupted, meant, found, params, goroutine),
        )?;
        Ok(if well { Outcome::Well } else { Outcome::Failed })
    }
}

/// What goes round a function of the script's that runs for a task: `enter(task, coroutine, limit)`, `leave(coroutine)`, `overdue()`.
///
/// The limit is kept by the home state's own waits, and by a hook where it computes: while there is none, nothing is paid.
fn limits(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<(Function, Function, Function)> {
    let late = Arc::new(AtomicBool::new(false));
    let until = Arc::new(std::sync::Mutex::new(None::<Instant>));
    let enter = {
        let (shared, until) = (Arc::clone(shared), Arc::clone(&until));
        lua.create_function(move |lua, (task, thread, limit): (Table, Thread, Option<f64>)| {
            shared.set_task(Some(Task {
                name: task.raw_get("name")?,
                workdir: task.raw_get("workdir")?,
                env: task.raw_get::<Option<BTreeMap<String, String>>>("env")?.unwrap_or_default(),
            }));
            let limit =
                limit.and_then(|limit| Instant::now().checked_add(Duration::try_from_secs_f64(limit).ok()?));
            *until.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = limit;
            goroutine::limit_home(lua, limit)?;
            if let Some(limit) = limit {
                thread.set_hook(HookTriggers::new().every_nth_instruction(INSTRUCTIONS), move |lua, _| {
                    if Instant::now() < limit {
                        return Ok(VmState::Continue);
                    }
                    // From now on at every instruction: one who has caught it gets it again, outside of what caught it.
                    lua.set_hook(HookTriggers::new().every_nth_instruction(1), |_, _| Err(overdue()))?;
                    Err(overdue())
                })?;
            }
            Ok(())
        })?
    };
    let leave = {
        let (shared, late) = (Arc::clone(shared), Arc::clone(&late));
        lua.create_function(move |lua, thread: Thread| {
            thread.remove_hook();
            goroutine::limit_home(lua, None)?;
            shared.set_task(None);
            let until = until.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            late.store(until.is_some_and(|until| Instant::now() >= until), Ordering::Relaxed);
            Ok(())
        })?
    };
    let was_late = lua.create_function(move |_, ()| Ok(late.load(Ordering::Relaxed)))?;
    Ok((enter, leave, was_late))
}

fn overdue() -> mlua::Error {
    mlua::Error::runtime("timeout exceeded")
}

/// The files that a task has to leave behind.
///
/// # Errors
/// The pattern that fits none.
fn artifacts(patterns: &[String], workdir: &Path) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for pattern in patterns {
        let path = workdir.join(pattern);
        let before = files.len();
        let found = glob::glob(&path.to_string_lossy()).map_err(|error| format!("{pattern}: {error}"))?;
        files.extend(found.filter_map(Result::ok).map(|file| file.to_string_lossy().into_owned()));
        if files.len() == before {
            return Err(pattern.clone());
        }
    }
    Ok(files)
}

/// Tells what is wrong; whether anything is.
fn tell_errors(shared: &Shared, errors: &Table) -> mlua::Result<bool> {
    for error in errors.sequence_values::<Table>() {
        let error = error?;
        let (message, place): (String, Option<String>) = (error.get("message")?, error.get("place")?);
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
    lua.load(source).set_name(format!("=[runner:{name}]")).set_mode(ChunkMode::Text).call(args)
}
