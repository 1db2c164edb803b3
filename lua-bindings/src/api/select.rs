//! The primitives under `select` and `select_timeout`: they read the cases, and wait. The handlers are called by the Lua
//! functions around them, so that these may block and yield.
//!
//! A goroutine that is cancelled while it waits here is polled once more: what it may have received is its own.
//! Else the select is dropped, which withdraws it everywhere.

use std::sync::Arc;
use std::time::Instant;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use runtime_core::{Context as Ends, Happened, Select, Selected};

use super::args::{NoDuration, duration_of, object, type_name};
use super::channel::{closed, received};
use super::handle::awaited;
use super::options::unknown;
use super::{Answer, Args, ChannelObject, Context, ContextObject, HandleObject, Outcome, Primitives, ship};
use crate::fault::Fault;
use crate::goroutine::{GoroutineHandle, Reply};
use crate::packet::{Packet, Roots};
use crate::state::State;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("select", |context, args| select(context, &args, 1, None))?;
    prim.function("select_timeout", |context, args| {
        let limit = args.duration(1)?;
        let limit = limit.and_then(|limit| context.state.system.backend.now().checked_add(limit));
        select(context, &args, 2, limit)
    })
}

/// The index of the case and what its handler is given; no values when the time is up.
fn select(context: &Context<'_>, args: &Args, n: usize, limit: Option<Instant>) -> Outcome {
    let Cases { mut select, events, default } = read(context, args, n)?;
    if default.is_none() && context.state.must_stop() {
        return Ok(Answer::Wait(Box::pin(std::future::ready(Reply::Cancelled))));
    }
    if let Some(selected) = select.try_now() {
        return Ok(Answer::Values(values(context.lua, context.state, selected, &events)?));
    }
    if let Some(index) = default {
        return context.values(index as i64 + 1);
    }
    let backend = Arc::clone(&context.state.system.backend);
    Ok(Answer::Wait(Box::pin(async move {
        let selected = match runtime_core::deadline(&*backend, limit, &mut select).await {
            // Something may have happened since the last look.
            None => select.cancel(),
            selected => selected,
        };
        match selected {
            Some(selected) => Reply::make(move |lua, state| values(lua, state, selected, &events)),
            None => Reply::Nothing,
        }
    })))
}

fn values(
    lua: &Lua,
    state: &State,
    selected: Selected<Packet>,
    events: &[Event],
) -> Result<MultiValue, Fault> {
    let Selected { case, happened } = selected;
    let mut values = match happened {
        Happened::Received(Some(packet)) => received(lua, state, &packet)?,
        Happened::Received(None) => (Value::Nil, false).into_lua_multi(lua)?,
        Happened::Sent(Ok(())) => MultiValue::new(),
        Happened::Sent(Err(_)) => closed().into_lua_multi(lua)?,
        Happened::Event => match events.get(case) {
            Some(Event::Handle(handle)) => awaited(lua, state, handle)?,
            Some(Event::Context(context)) => {
                context.ended().map(|end| end.to_string()).into_lua_multi(lua)?
            }
            _ => MultiValue::new(),
        },
    };
    values.push_front(Value::Integer(case as i64 + 1));
    Ok(values)
}

/// What gives the values of a case that is an event.
enum Event {
    None,
    /// The end of a goroutine.
    Handle(GoroutineHandle),
    /// The end of a context.
    Context(Ends),
}

/// The cases of a call. All of them are cases of the select, so that the numbers agree; the default is one that never comes.
struct Cases {
    select: Select<Packet>,
    /// By case.
    events: Vec<Event>,
    default: Option<usize>,
}

/// What a case may say.
const KEYS: [&str; 10] =
    ["channel", "receive", "send", "op", "value", "handle", "context", "after", "default", "handler"];
/// What it is about: one of these.
const SUBJECTS: [&str; 5] = ["channel", "handle", "context", "after", "default"];

fn read(context: &Context<'_>, args: &Args, n: usize) -> Result<Cases, Fault> {
    let (list, count) = args.list(n, "case")?;
    if count == 0 {
        return Err(args.bad(n, "list of at least one case expected, got an empty one"));
    }
    let mut cases = Cases { select: Select::new(), events: Vec::with_capacity(count), default: None };
    for index in 1..=count {
        let mut case = Case { context, args, n, index, fields: [const { None }; KEYS.len()] };
        match list.raw_get(index)? {
            Value::Table(table) => case.read(&table)?,
            other => return Err(case.expected("table", &type_name(context.lua, &other))),
        }
        case.add_to(&mut cases)?;
    }
    Ok(cases)
}

/// One case while it is read.
struct Case<'a> {
    context: &'a Context<'a>,
    args: &'a Args,
    n: usize,
    index: usize,
    /// In the order of [`KEYS`].
    fields: [Option<Value>; KEYS.len()],
}

impl Case<'_> {
    fn bad(&self, why: &str) -> Fault {
        self.args.bad(self.n, &format!("case {}: {why}", self.index))
    }

    fn expected(&self, what: &str, got: &str) -> Fault {
        self.bad(&format!("{what} expected, got {got}"))
    }

    fn wrong(&self, key: &str, expected: &str) -> Fault {
        let got = self.get(key).map_or_else(|| "nil".into(), |value| type_name(self.context.lua, value));
        self.expected(&format!("'{key}': {expected}"), &got)
    }

    fn read(&mut self, table: &Table) -> Result<(), Fault> {
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            let Value::String(name) = &key else {
                let got = format!("a {} as one", type_name(self.context.lua, &key));
                return Err(self.expected("names of fields", &got));
            };
            let name = name.to_string_lossy();
            match KEYS.iter().position(|known| *known == name) {
                Some(at) => self.fields[at] = Some(value),
                None => return Err(self.bad(&unknown(&name, &KEYS))),
            }
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.fields[KEYS.iter().position(|known| *known == key)?].as_ref()
    }

    /// A field that is `true` if it is there.
    fn flag(&self, key: &str) -> Result<bool, Fault> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Boolean(true)) => Ok(true),
            Some(Value::Boolean(false)) => Err(self.expected(&format!("'{key}': true"), "false")),
            Some(_) => Err(self.wrong(key, "true")),
        }
    }

    fn add_to(self, cases: &mut Cases) -> Result<(), Fault> {
        if !matches!(self.get("handler"), None | Some(Value::Function(_))) {
            return Err(self.wrong("handler", "function"));
        }
        let subjects: Vec<_> = SUBJECTS.into_iter().filter(|subject| self.get(subject).is_some()).collect();
        let &[subject] = subjects.as_slice() else {
            let got = if subjects.is_empty() { "none".into() } else { subjects.join(" and ") };
            return Err(self.expected("one of channel, handle, context, after and default", &got));
        };
        if subject != "channel"
            && let Some(operation) =
                ["receive", "send", "op", "value"].into_iter().find(|key| self.get(key).is_some())
        {
            return Err(self
                .expected(&format!("nothing but a handler beside '{subject}'"), &format!("'{operation}'")));
        }
        let mut about = Event::None;
        match subject {
            "channel" => self.channel(cases)?,
            "handle" => {
                let handle = self.object::<HandleObject>("handle", "handle")?.0;
                if self.context.state.current().is_some_and(|running| running.completer.is_of(&handle)) {
                    return Err(self.expected("handle of another goroutine", "its own"));
                }
                cases.select.event(handle.is_settled(), handle.wait());
                about = Event::Handle(handle);
            }
            "context" => {
                let context = self.object::<ContextObject>("context", "context")?.context().clone();
                let waits = context.wait();
                cases.select.event(context.ended().is_some(), async move {
                    let _ = waits.await;
                });
                about = Event::Context(context);
            }
            "after" => self.after(cases)?,
            _ => {
                self.flag("default")?;
                if let Some(first) = cases.default {
                    return Err(
                        self.expected("one default", &format!("a second one after case {}", first + 1))
                    );
                }
                cases.default = Some(cases.select.event(false, std::future::pending()));
            }
        }
        cases.events.push(about);
        Ok(())
    }

    fn object<T: super::Named>(&self, key: &str, expected: &str) -> Result<T, Fault> {
        let found = self.get(key).and_then(|value| object::<T>(self.context.lua, value));
        found.ok_or_else(|| self.wrong(key, expected))
    }

    fn after(&self, cases: &mut Cases) -> Result<(), Fault> {
        let backend = Arc::clone(&self.context.state.system.backend);
        let now = backend.now();
        let duration = match self.get("after").map(duration_of) {
            Some(Ok(duration)) => duration,
            Some(Err(NoDuration::Nan)) => return Err(self.expected("'after': number of milliseconds", "nan")),
            _ => return Err(self.wrong("after", "number of milliseconds")),
        };
        let deadline = duration.and_then(|duration| now.checked_add(duration));
        // The timer is made only if there is something to wait for.
        cases.select.event(deadline.is_some_and(|deadline| deadline <= now), async move {
            match deadline {
                Some(deadline) => backend.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        });
        Ok(())
    }

    fn channel(&self, cases: &mut Cases) -> Result<(), Fault> {
        let channel = self.object::<ChannelObject>("channel", "channel")?;
        let mut operations = Vec::new();
        if self.flag("receive")? {
            operations.push("receive");
        }
        if self.get("send").is_some() {
            operations.push("send");
        }
        match self.get("op") {
            None => {}
            Some(Value::String(op)) if *op.as_bytes() == b"send"[..] => operations.push("op=\"send\""),
            Some(Value::String(op)) if *op.as_bytes() == b"receive"[..] => operations.push("op=\"receive\""),
            Some(Value::String(op)) => {
                let got = format!("\"{}\"", op.to_string_lossy());
                return Err(self.expected("'op': \"send\" or \"receive\"", &got));
            }
            Some(_) => return Err(self.wrong("op", "\"send\" or \"receive\"")),
        }
        let &[operation] = operations.as_slice() else {
            let got = if operations.is_empty() { "none".into() } else { operations.join(" and ") };
            return Err(self.expected("one operation (receive=true, send=value or op=\"send\")", &got));
        };
        let value = match operation {
            "send" => self.get("send"),
            _ => self.get("value"),
        };
        match operation {
            "receive" | "op=\"receive\"" => {
                if self.get("value").is_some() {
                    return Err(
                        self.expected("'value' only beside op=\"send\"", &format!("it beside {operation}"))
                    );
                }
                channel.can_receive()?;
                cases.select.receive(&channel.channel);
            }
            "send" if self.get("value").is_some() => {
                return Err(self.expected("'value' only beside op=\"send\"", "it beside send"));
            }
            _ => {
                channel.can_send()?;
                let values = MultiValue::from_iter([value.cloned().unwrap_or(Value::Nil)]);
                let packet = ship(self.context, values, Roots::Values("value"))?;
                cases.select.send(&channel.channel, packet);
            }
        }
        Ok(())
    }
}
