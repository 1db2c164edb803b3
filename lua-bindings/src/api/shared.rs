//! `shared(table)` and its methods. The functions that it has as a table (`__index` and so on) are in `lua/shared.lua`.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};
use runtime_core::Version;
use rustc_hash::FxHashMap;

use super::args::type_name;
use super::{Args, Context, Named, Primitives, ship};
use crate::fault::Fault;
use crate::object::Object;
use crate::packet::{self, Packet, Refusal, Roots};
use crate::shared::{Key, SharedTable, Stored, Written};
use crate::state::State;

/// A shared table as a Lua value.
#[derive(Clone)]
pub(crate) struct SharedObject(pub(crate) Arc<SharedTable>);

impl Named for SharedObject {
    const NAME: &'static str = "shared table";
    const CLASS: &'static str = "shared";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Shared(object) => Some(object),
            _ => None,
        }
    }
}

/// What a key has to be.
const KEY: &str = "string, number, boolean or object";

/// So many times in a row others do not overtake an update by chance: what its function does makes them (it starts them and waits for
/// them, say).
const TOO_OFTEN: i64 = 200;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<Arc<SharedTable>, Fault> { Ok(args.this::<SharedObject>()?.0) };
    prim.function("shared", |context, args| {
        let table = match args.get(1) {
            None | Some(Value::Nil) => Arc::default(),
            Some(_) => share(context, args.table(1)?)?,
        };
        context.values(context.object(Object::Shared(SharedObject(table)))?)
    })?;
    prim.method("shared", "get", move |context, args| {
        let this = this(&args)?;
        let key = key_argument(context, &args)?;
        context.values(optional(context.lua, context.state, this.map.get(&key))?)
    })?;
    prim.method("shared", "set", move |context, args| {
        let this = this(&args)?;
        let key = key_argument(context, &args)?;
        let value = written_argument(context, &args, 2)?;
        drop(this.map.set(key, value));
        context.values(())
    })?;
    // `t[key]` and `t[key] = value`.
    prim.method("shared", "index", move |context, args| {
        let this = this(&args)?;
        // What can't be a key has no value, as in Lua's own tables.
        let written =
            args.get(1).and_then(|value| key(context.lua, value)).and_then(|key| this.map.get(&key));
        context.values(optional(context.lua, context.state, written)?)
    })?;
    prim.method("shared", "assign", move |context, args| {
        let this = this(&args)?;
        let name = args.get(1).unwrap_or(&Value::Nil);
        let key = key(context.lua, name).ok_or_else(|| no_key(context.lua, name))?;
        let value = written_argument(context, &args, 2)?;
        drop(this.map.set(key, value));
        context.values(())
    })?;
    prim.method("shared", "get_or_insert", move |context, args| {
        let this = this(&args)?;
        let key = key_argument(context, &args)?;
        let Some(value) = written_argument(context, &args, 2)? else {
            return Err(args.wrong(2, "value"));
        };
        let written = this.map.get_or_insert(key, value);
        context.values(to_lua(context.lua, context.state, &written.value)?)
    })?;
    prim.method("shared", "insert", move |context, args| {
        let this = this(&args)?;
        let Some(value) = written_argument(context, &args, 1)? else {
            return Err(args.wrong(1, "value"));
        };
        context.values(this.append(&value))
    })?;
    prim.method("shared", "snapshot", move |context, args| {
        let this = this(&args)?;
        context.values(snapshot(context.lua, context.state, &this)?)
    })?;
    prim.method("shared", "len", move |context, args| context.values(this(&args)?.border()))?;
    prim.method("shared", "pairs", move |context, args| {
        let this = this(&args)?;
        let entries = context.lua.create_table()?;
        for (key, written) in this.map.snapshot() {
            let key = key_to_lua(context.lua, context.state, &key)?;
            entries.raw_set(key, to_lua(context.lua, context.state, &written.value)?)?;
        }
        context.values(entries)
    })?;
    // The two halves of `update`: the value with its version, and the new value for it unless another has come.
    prim.method("shared", "update", move |context, args| {
        let this = this(&args)?;
        let key = key_argument(context, &args)?;
        args.check_function(2)?;
        let (written, version) = this.map.read(&key);
        let value = optional(context.lua, context.state, written)?;
        context.values((version.number() as i64, value))
    })?;
    prim.method("shared", "replace", move |context, args| {
        let this = this(&args)?;
        let key = key_argument(context, &args)?;
        let version = Version::from_number(args.integer(2)? as u64);
        let value = written_argument(context, &args, 3)?;
        if this.map.replace(&key, version, value.clone()).is_ok() {
            return context.values((true, optional(context.lua, context.state, value)?));
        }
        // Whoever updates does nothing else meanwhile. So what is its own there it has stored since it has read the version, in the
        // function that was to give the new value; and it would again.
        if this.map.get(&key).is_some_and(|written| written.by == context.state.writer()) {
            let key = shown(key);
            return Err(Fault::Wrong(format!(
                "bad argument #2 to 'update' (the function has itself changed {key}: it gives the new value by returning it)"
            )));
        }
        let overtaken = args.integer(4)?;
        if overtaken >= TOO_OFTEN {
            let key = shown(key);
            return Err(Fault::Wrong(format!(
                "update of {key} was given up: others have changed it {overtaken} times, each time before the function had returned"
            )));
        }
        context.values(false)
    })
}

fn key_argument(context: &Context<'_>, args: &Args) -> Result<Key, Fault> {
    match args.get(1) {
        Some(Value::Number(value)) if value.is_nan() => Err(args.bad(1, &format!("{KEY} expected, got nan"))),
        value => value.and_then(|value| key(context.lua, value)).ok_or_else(|| args.wrong(1, KEY)),
    }
}

/// The error for a value that cannot be a key.
fn no_key(lua: &Lua, value: &Value) -> Fault {
    let got = match value {
        Value::Nil => "nil".into(),
        Value::Number(_) => "nan".into(),
        value => format!("a {}", type_name(lua, value)),
    };
    Fault::Wrong(format!("cannot use {got} as a key of a shared table ({KEY} expected)"))
}

/// The key for a value, if it can be one.
fn key(lua: &Lua, value: &Value) -> Option<Key> {
    match value {
        Value::Boolean(value) => Some(Key::Boolean(*value)),
        Value::Integer(value) => Some(Key::Integer(*value)),
        Value::Number(value) if value.is_nan() => None,
        Value::Number(value) => Some(Key::float(*value)),
        Value::String(bytes) => Some(Key::Bytes(Arc::from(&*bytes.as_bytes()))),
        value => Object::from_value(lua, value).map(Key::Object),
    }
}

fn key_to_lua(lua: &Lua, state: &State, key: &Key) -> mlua::Result<Value> {
    Ok(match key {
        Key::Boolean(value) => Value::Boolean(*value),
        // Where Lua has no integers this is a number all the same.
        Key::Integer(value) => Value::Integer(*value),
        Key::Float(bits) => Value::Number(f64::from_bits(*bits)),
        Key::Bytes(bytes) => Value::String(lua.create_string(bytes)?),
        Key::Object(object) => object.to_value(lua, state)?,
    })
}

/// Argument `n` as it is stored; `None` is nil.
fn written_argument(context: &Context<'_>, args: &Args, n: usize) -> Result<Option<Written>, Fault> {
    let value = match args.get(n) {
        None | Some(Value::Nil) => return Ok(None),
        Some(Value::Table(table)) => Stored::Table(share(context, table.clone())?),
        Some(value) => stored(context, value)?,
    };
    Ok(Some(Written { value, by: context.state.writer() }))
}

/// A value that is no table, as it is stored.
fn stored(context: &Context<'_>, value: &Value) -> Result<Stored, Refusal> {
    if let Some(Object::Shared(table)) = Object::from_value(context.lua, value) {
        return Ok(Stored::Table(table.0));
    }
    Ok(match ship(context, MultiValue::from_iter([value.clone()]), Roots::Values("value"))? {
        Packet::One(plain) => Stored::Plain(plain),
        packet => Stored::Packet(Arc::new(packet)),
    })
}

/// A shared table with the contents of a plain one, in which plain tables become shared ones, too. One that appears
/// several times, be it within itself, is one shared table.
fn share(context: &Context<'_>, table: Table) -> Result<Arc<SharedTable>, Fault> {
    let by = context.state.writer();
    let mut known = FxHashMap::default();
    let mut waiting = Vec::new();
    // In which table each was met, by its place here, and under which key.
    let mut places: Vec<(usize, Key)> = Vec::new();
    let mut enter = |table: Table, place: usize, waiting: &mut Vec<(Table, usize, Arc<SharedTable>)>| {
        if table.metatable().is_some() {
            let why =
                "cannot store a table with a metatable in a shared table: it would be shared without it";
            return Err(Fault::Wrong(why.into()));
        }
        let shared = known.entry(table.to_pointer()).or_insert_with(|| {
            let shared = Arc::<SharedTable>::default();
            waiting.push((table, place, Arc::clone(&shared)));
            shared
        });
        Ok(Arc::clone(shared))
    };
    let root = enter(table, 0, &mut waiting)?;
    while let Some((table, place, shared)) = waiting.pop() {
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair?;
            let Some(key) = key(context.lua, &name) else {
                return Err(no_key(context.lua, &name));
            };
            let value = match value {
                Value::Table(inside) => {
                    places.push((place, key.clone()));
                    Stored::Table(enter(inside, places.len(), &mut waiting)?)
                }
                value => stored(context, &value).map_err(|refusal| {
                    places.push((place, key.clone()));
                    refusal.within(&path(&places))
                })?,
            };
            shared.map.set(key, Some(Written { value, by }));
        }
    }
    Ok(root)
}

/// A key as messages name it.
fn shown(key: Key) -> String {
    let path = path(&[(0, key)]);
    path.strip_prefix('.').map_or_else(|| path.clone(), |name| format!("'{name}'"))
}

/// The way to the last of these places.
fn path(places: &[(usize, Key)]) -> String {
    let (mut keys, mut place) = (Vec::new(), places.len());
    while let Some((around, key)) = place.checked_sub(1).and_then(|place| places.get(place)) {
        keys.push(key);
        place = *around;
    }
    keys.iter().rev().fold(String::new(), |mut path, key| {
        match key {
            Key::Boolean(value) => path.push_str(&format!("[{value}]")),
            Key::Integer(value) => path.push_str(&format!("[{value}]")),
            Key::Float(bits) => path.push_str(&format!("[{}]", f64::from_bits(*bits))),
            Key::Bytes(bytes) => packet::push_key(&mut path, bytes),
            Key::Object(_) => path.push_str("[userdata]"),
        }
        path
    })
}

fn optional(lua: &Lua, state: &State, written: Option<Written>) -> mlua::Result<Value> {
    written.map_or(Ok(Value::Nil), |written| to_lua(lua, state, &written.value))
}

/// A stored value in this state.
fn to_lua(lua: &Lua, state: &State, stored: &Stored) -> mlua::Result<Value> {
    match stored {
        Stored::Plain(plain) => Ok(plain.to_lua()),
        Stored::Table(table) => Object::Shared(SharedObject(Arc::clone(table))).to_value(lua, state),
        Stored::Packet(packet) => Ok(packet::decode(lua, state, packet)?.pop_front().unwrap_or(Value::Nil)),
    }
}

/// A plain copy, with plain copies of what is shared in it.
fn snapshot(lua: &Lua, state: &State, root: &Arc<SharedTable>) -> mlua::Result<Table> {
    // The tables are kept until the end: the address of one that is gone meanwhile could be another's.
    let mut known: FxHashMap<*const SharedTable, (Arc<SharedTable>, Table)> = FxHashMap::default();
    let mut waiting = Vec::new();
    let mut enter = |table: &Arc<SharedTable>, waiting: &mut Vec<_>| -> mlua::Result<Table> {
        if let Some((_, copy)) = known.get(&Arc::as_ptr(table)) {
            return Ok(copy.clone());
        }
        let copy = lua.create_table()?;
        known.insert(Arc::as_ptr(table), (Arc::clone(table), copy.clone()));
        waiting.push((Arc::clone(table), copy.clone()));
        Ok(copy)
    };
    let copy = enter(root, &mut waiting)?;
    while let Some((table, copy)) = waiting.pop() {
        for (key, written) in table.map.snapshot() {
            let value = match &written.value {
                Stored::Table(inside) => Value::Table(enter(inside, &mut waiting)?),
                value => to_lua(lua, state, value)?,
            };
            copy.raw_set(key_to_lua(lua, state, &key)?, value)?;
        }
    }
    Ok(copy)
}
