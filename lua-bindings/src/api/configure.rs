//! `configure`.

use std::time::Duration;

use mlua::{IntoLuaMulti as _, MultiValue};

use super::options::Options;
use super::{Answer, Context, Primitives, ship};
use crate::fault::Fault;
use crate::packet::Roots;
use crate::settings::CONFIGURE;

/// What can be said only before the isolates are started.
const EARLY: [&str; 5] = ["isolates", "memory_limit", "on_start", "max_blocked", "time_slice"];
const KNOWN: [&str; 6] = ["copy_modules", EARLY[0], EARLY[1], EARLY[2], EARLY[3], EARLY[4]];

/// With less than this no isolate could be set up.
const LEAST_MEMORY: i64 = 1024 * 1024;
/// As far as Lua's own count goes.
const MOST_MEMORY: i64 = 1 << 53;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("configure", |context, args| {
        args.table(1)?;
        let options = Options::read(&args, 1, &KNOWN)?;
        let modules = options.strings("copy_modules")?.unwrap_or_default();
        for name in &modules {
            // The module itself has to be the goroutine's own, and so have the globals.
            if matches!(&*name.as_bytes(), b"goroutine" | b"_G") {
                let name = name.to_string_lossy();
                let why = format!("name of a module that can be copied expected, got '{name}'");
                return Err(options.bad("copy_modules", &why));
            }
        }
        let isolates = options.count("isolates", 1, 1024)?;
        let memory_limit = options.count("memory_limit", LEAST_MEMORY, MOST_MEMORY)?;
        let max_blocked = options.count("max_blocked", 1, 100_000)?;
        let time_slice = options.number("time_slice", f64::MIN_POSITIVE)?;
        let on_start = options.function("on_start")?;
        let early = EARLY.into_iter().find(|name| options.has(name));
        if let Some(name) = early {
            // Nothing is changed if it cannot all be.
            let on_start = match on_start {
                Some(function) => Some(ship(
                    context,
                    function.into_lua_multi(context.lua)?,
                    Roots::Values(Roots::ON_START),
                )?),
                None => None,
            };
            let changed = context.state.system.change_settings(|settings| {
                settings.isolates = isolates.unwrap_or(settings.isolates);
                settings.max_blocked = max_blocked.unwrap_or(settings.max_blocked);
                settings.time_slice = time_slice.map_or(settings.time_slice, milliseconds);
                if memory_limit.is_some() {
                    settings.memory_limit = memory_limit;
                    settings.memory_advice = CONFIGURE.into();
                }
                settings.on_start = on_start.or(settings.on_start.take());
            });
            if !changed {
                return Err(too_late(context, name));
            }
        }
        for name in modules {
            // What is copied differs from nobody's.
            context.state.modules_noted.borrow_mut().insert((&*name.as_bytes()).into());
            context.state.tables.copy_module.call::<()>(name)?;
        }
        Ok(Answer::Values(MultiValue::new()))
    })
}

/// A slice that never ends is an hour: a thread looks at the goroutines that often.
fn milliseconds(number: f64) -> Duration {
    const HOUR: f64 = 3_600_000.0;
    Duration::from_secs_f64(number.min(HOUR) / 1000.0)
}

fn too_late(context: &Context<'_>, name: &str) -> Fault {
    let why = match context.state.current() {
        Some(_) => "by the script, before it starts a goroutine",
        None => "before the first goroutine",
    };
    Fault::Wrong(format!("configure: '{name}' has to be set {why}: the isolates are running"))
}
