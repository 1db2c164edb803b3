//! `list`, `stats`, `dump`: looking in.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use mlua::IntoLuaMulti;
use runtime_core::Status;

use super::{Answer, HandleObject, Primitives};
use crate::goroutine::Reply;
use crate::inquiry::{Seen, look};
use crate::object::Object;
use crate::registry::Entry;
use crate::system::System;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("list", |context, _| {
        let living = context.state.system.registry.living();
        let list = context.lua.create_table_with_capacity(living.len(), 0)?;
        for (index, entry) in living.iter().enumerate() {
            let handle = Object::Handle(HandleObject(entry.watch.handle()));
            list.raw_set(index + 1, context.object(handle)?)?;
        }
        context.values(list)
    })?;
    prim.function("stats", |context, _| {
        let system = &context.state.system;
        let living = system.registry.living();
        let count = |status| living.iter().filter(|entry| entry.watch.status() == status).count();
        let totals = system.registry.totals();
        let goroutines = context.lua.create_table_from([
            ("running", count(Status::Running) as u64),
            ("waiting", count(Status::Waiting) as u64),
            ("queued", count(Status::Queued) as u64),
            ("started", totals.started),
            ("failed", totals.failed),
            ("cancelled", totals.cancelled),
        ])?;
        let stats = context.lua.create_table()?;
        let isolates = match system.inquiries.isolates() {
            // They are started with the first goroutine.
            0 if !system.is_closing() => system.settings().isolates,
            there => there,
        };
        stats.raw_set("isolates", isolates)?;
        stats.raw_set("blocked", system.blocking.running() + system.spares.count())?;
        stats.raw_set("goroutines", goroutines)?;
        stats.raw_set("interrupts", system.monitor.interrupts())?;
        stats.raw_set("shipped_bytes", system.registry.shipped())?;
        context.values(stats)
    })?;
    prim.function("dump", |context, _| {
        let system = Arc::clone(&context.state.system);
        let here = context.state.local().map(|local| local.living(context.state));
        let here = here.map_or_else(Vec::new, |living| look(context.lua, &context.state.system, living));
        Ok(Answer::Wait(Box::pin(async move {
            let text = describe_all(&system, here).await;
            Reply::make(move |lua, _| Ok(text.into_lua_multi(lua)?))
        })))
    })
}

/// Some lines on each goroutine that lives.
/// `here`: what the goroutines of the state that asks are seen to do.
pub(crate) async fn describe_all(system: &System, here: Vec<(u64, Seen)>) -> String {
    let mut seen = system.inquiries.ask(system).await;
    seen.extend(here);
    let now = system.backend.now();
    let mut text = String::new();
    for entry in system.registry.living() {
        let seen = seen.get(&entry.watch.id());
        describe(&mut text, &entry, seen, now);
        text.push('\n');
        for line in seen.iter().flat_map(|seen| seen.stack.lines()) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// A part of a line: control characters in it are written out, so that it ends nothing, and moves no cursor.
fn in_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escaped).collect()
}

/// A line on one goroutine, without its end.
pub(crate) fn describe(text: &mut String, entry: &Entry, seen: Option<&Seen>, now: Instant) {
    let Entry { watch, started_at } = entry;
    let name = watch.name().map_or_else(String::new, |name| format!(" '{}'", in_line(&name)));
    let (status, started_at) = (watch.status(), in_line(started_at));
    let _ = write!(text, "goroutine {}{name} (started at {started_at}): {status}", watch.id());
    match seen {
        Some(Seen { wait: Some((what, since)), .. }) => {
            let milliseconds = now.saturating_duration_since(*since).as_millis();
            let _ = write!(text, " in {what} for {milliseconds} ms");
        }
        None if status != Status::Queued => {
            // All states have been asked.
            text.push_str(", in a state that is busy");
        }
        _ => {}
    }
}
