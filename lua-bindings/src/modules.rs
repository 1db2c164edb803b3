//! [`Modules`]: where the home state finds its modules. Isolates look in the same places. And [`Fields`]: by which they see
//! that they have not got what the home state has made of a module.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Table, Value};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::packet::{self, Packet, Roots};
use crate::state::State;
use crate::system::System;

/// Where the home state finds its modules.
#[derive(Default)]
pub(crate) struct Modules {
    pub(crate) path: Vec<u8>,
    pub(crate) cpath: Vec<u8>,
    /// The Lua functions of `package.preload`; `None` if there are none.
    pub(crate) preload: Option<Preload>,
    /// What tells the entries that `package.preload` had when they were collected from others.
    preload_mark: u64,
}

/// Lua functions of `package.preload`.
pub(crate) struct Preload {
    /// All in one table, so that they share what they captured. In the place of one that cannot be sent is a text that
    /// says why.
    pub(crate) together: Packet,
    /// Each alone, for where the others would fail with one of them.
    pub(crate) each: Vec<(Vec<u8>, Packet)>,
}

/// Tells the isolates where the home state finds its modules, if that has changed.
pub(crate) fn share(state: &State, lua: &Lua) -> mlua::Result<()> {
    let Ok(package) = lua.globals().raw_get::<Table>("package") else {
        return Ok(());
    };
    // As many as were seen by the encoder; a later one is told of a start later.
    state.system.set_home_modules(state.modules_seen.get(), || {
        let mut names = FxHashSet::default();
        state.tables.package_loaded.for_each(|name: Value, _: Value| {
            names.extend(name.as_string().map(|name| name.as_bytes().to_vec()));
            Ok(())
        })?;
        Ok(names)
    })?;
    let field = |name: &str| match package.raw_get::<Value>(name) {
        Ok(Value::String(text)) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let (path, cpath) = (field("path"), field("cpath"));
    let preload = package.raw_get::<Value>("preload")?;
    let preload_mark = preload.as_table().map_or(Ok(0), mark)?;
    {
        let known = state.system.modules.read();
        if known.path == path && known.cpath == cpath && known.preload_mark == preload_mark {
            return Ok(());
        }
    }
    let preload = match preload {
        Value::Table(preload) => share_preload(state, lua, &preload)?,
        _ => None,
    };
    *state.system.modules.write() = Arc::new(Modules { path, cpath, preload, preload_mark });
    Ok(())
}

/// A number that changes when entries of a table come, go or are replaced, whatever their order.
fn mark(table: &Table) -> mlua::Result<u64> {
    let mut mark = 0u64;
    table.for_each(|name: Value, value: Value| {
        let mut hasher = FxHasher::default();
        match &name {
            Value::String(name) => name.as_bytes().hash(&mut hasher),
            other => other.to_pointer().hash(&mut hasher),
        }
        value.to_pointer().hash(&mut hasher);
        mark = mark.wrapping_add(hasher.finish() | 1);
        Ok(())
    })?;
    Ok(mark)
}

fn share_preload(state: &State, lua: &Lua, preload: &Table) -> mlua::Result<Option<Preload>> {
    let entries = |table: Table| {
        packet::encode(
            lua,
            state,
            MultiValue::from_iter([Value::Table(table)]),
            Roots::Values(Roots::PRELOAD),
        )
    };
    let (together, mut each) = (lua.create_table()?, Vec::new());
    for pair in preload.pairs::<Value, Value>() {
        let (Value::String(name), Value::Function(loader)) = pair? else {
            continue;
        };
        if loader.info().what == "C" {
            continue;
        }
        let one = lua.create_table()?;
        one.raw_set(&name, &loader)?;
        // It matters only to those who require it.
        match entries(one) {
            Ok(packet) => {
                together.raw_set(&name, loader)?;
                each.push((name.as_bytes().to_vec(), packet));
            }
            Err(refusal) => together.raw_set(name, refusal.to_string())?,
        }
    }
    if together.is_empty() {
        return Ok(None);
    }
    let together = entries(together).map_err(mlua::Error::external)?;
    Ok(Some(Preload { together, each }))
}

/// Takes over where the home state finds its modules.
pub(crate) fn follow(state: &State, lua: &Lua, modules: &Modules) -> mlua::Result<()> {
    let package: Table = lua.globals().get("package")?;
    package.set("path", lua.create_string(&modules.path)?)?;
    package.set("cpath", lua.create_string(&modules.cpath)?)?;
    let Some(preload) = &modules.preload else {
        return Ok(());
    };
    let here: Table = package.get("preload")?;
    let take = |packet: &Packet| -> mlua::Result<()> {
        for value in packet::decode(lua, state, packet)? {
            let Value::Table(entries) = value else { continue };
            entries.for_each(|name: Value, loader: Value| match (&name, &loader) {
                (Value::String(name), Value::String(why)) => {
                    here.raw_set(name, refusing(lua, &name.to_string_lossy(), &why.to_string_lossy())?)
                }
                _ => here.raw_set(name, loader),
            })?;
        }
        Ok(())
    };
    if take(&preload.together).is_ok() {
        return Ok(());
    }
    for (name, packet) in &preload.each {
        if let Err(error) = take(packet) {
            let why = crate::fault::text(&error);
            here.raw_set(lua.create_string(name)?, refusing(lua, &String::from_utf8_lossy(name), &why)?)?;
        }
    }
    Ok(())
}

/// A function for `package.preload` that says why there is none.
fn refusing(lua: &Lua, name: &str, why: &str) -> mlua::Result<Function> {
    let message = format!("module '{name}' cannot be loaded in a goroutine: {why}");
    lua.load("local message, error = ... return function() error(message, 0) end")
        .set_name("=[goroutine:preload]")
        .call((message, lua.globals().raw_get::<Value>("error")?))
}

/// The plain fields of a module, for the comparison with what another state has.
#[derive(Default)]
pub(crate) struct Fields(FieldMap);

type FieldMap = BTreeMap<Vec<u8>, Field>;

#[derive(Clone, PartialEq)]
enum Field {
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    /// Any function is like any other: only that there is one can be compared.
    Function,
    /// One in Lua and not of ours, in a standard library.
    OwnFunction,
}

impl Fields {
    /// Those of a standard library.
    fn of_library(library: &Table) -> mlua::Result<Self> {
        let Self(mut fields) = Self::of(library)?;
        for (name, field) in &mut fields {
            if *field == Field::Function {
                let function: Function = library.raw_get(mlua::BString::from(&**name))?;
                let info = function.info();
                let ours = info.source.is_some_and(|source| source.starts_with("=[goroutine:"));
                if info.what != "C" && !ours {
                    *field = Field::OwnFunction;
                }
            }
        }
        Ok(Self(fields))
    }

    fn of(module: &Table) -> mlua::Result<Self> {
        let mut fields = BTreeMap::new();
        module.for_each(|name: Value, value: Value| {
            let field = match value {
                Value::Boolean(value) => Field::Boolean(value),
                Value::Integer(value) => Field::Number(value as f64),
                Value::Number(value) if !value.is_nan() => Field::Number(value),
                Value::String(value) => Field::Text(value.as_bytes().to_vec()),
                Value::Function(_) => Field::Function,
                _ => return Ok(()),
            };
            if let Value::String(name) = name {
                fields.insert(name.as_bytes().to_vec(), field);
            }
            Ok(())
        })?;
        Ok(Self(fields))
    }
}

/// How many fields a report names.
const NAMED: usize = 3;

/// Notes what the modules of these names are at home: they are being sent by name for the first time.
pub(crate) fn note(state: &State, names: Vec<Box<[u8]>>) -> mlua::Result<()> {
    for name in names {
        if state.modules_noted.borrow_mut().insert(name.clone())
            && &*name != b"package"
            && let Value::Table(module) = state.tables.package_loaded.raw_get(mlua::BString::from(&*name))?
        {
            let fields = Fields::of(&module)?;
            state.system.sent_modules.lock().insert(name, fields);
        }
    }
    Ok(())
}

/// Compares a module that was loaded here with what it is at home, where it was sent from. The first isolate that does says
/// what differs.
pub(crate) fn compare(system: &System, name: &[u8], module: &Table) -> mlua::Result<()> {
    let home = system.sent_modules.lock().remove(name);
    let Some(Fields(home)) = home else {
        return Ok(());
    };
    let here = Fields::of(module)?;
    let names = home.keys().chain(here.0.keys().filter(|name| !home.contains_key(*name)));
    let differing = names.filter(|name| home.get(*name) != here.0.get(*name)).collect();
    tell(system, name, &home, &here.0, differing, "");
    Ok(())
}

/// Says which fields of a module differ, if some do.
fn tell(
    system: &System,
    name: &[u8],
    home: &FieldMap,
    here: &FieldMap,
    mut differing: Vec<&Vec<u8>>,
    remark: &str,
) {
    differing.sort();
    let values = |field: &Vec<u8>| match (home.get(field), here.get(field)) {
        (Some(Field::OwnFunction), Some(Field::Function)) => {
            "(home has a function of its own, goroutines get the standard one)".to_owned()
        }
        (home, here) => format!("(home has {}, goroutines get {})", Shown(home), Shown(here)),
    };
    let what = match differing[..] {
        [] => return,
        [field] => {
            let name = String::from_utf8_lossy(field);
            format!("field '{name}' was changed after loading {}", values(field))
        }
        _ => {
            let shown: Vec<String> = differing
                .iter()
                .take(NAMED)
                .map(|field| format!("'{}' {}", String::from_utf8_lossy(field), values(field)))
                .collect();
            let more = match differing.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("fields {}{more} were changed after loading", shown.join(", "))
        }
    };
    let instead = match name {
        OURS => "a function or a table of another name would be sent as it is".to_owned(),
        _ => {
            let name = String::from_utf8_lossy(name);
            format!("goroutine.configure{{copy_modules = {{\"{name}\"}}}} sends it as it is{remark}")
        }
    };
    (system.report)(&format!("module '{}': {what}; {instead}", String::from_utf8_lossy(name)));
}

/// The standard libraries that are compared. What is in `package` is the state's own, and `_G` is no library.
pub(crate) const LIBRARIES: [&[u8]; 10] =
    [b"string", b"table", b"math", b"io", b"os", b"coroutine", b"utf8", b"debug", b"bit32", OURS];

/// The module itself. It cannot be copied.
pub(crate) const OURS: &[u8] = b"goroutine";

/// The fields that the standard libraries of an isolate have.
pub(crate) type Libraries = FxHashMap<&'static [u8], Fields>;

/// What the standard libraries have in an isolate that has just been set up.
pub(crate) fn libraries(loaded: &Table) -> mlua::Result<Libraries> {
    let mut libraries = Libraries::default();
    for name in LIBRARIES {
        if let Value::Table(library) = loaded.raw_get(mlua::BString::from(name))? {
            libraries.insert(name, Fields::of_library(&library)?);
        }
    }
    Ok(libraries)
}

/// Says which fields the home state's libraries of these names have, and isolates have not: they are sent for the first time.
/// That home lacks some is no matter.
pub(crate) fn compare_libraries(state: &State, names: Vec<&'static [u8]>) -> mlua::Result<()> {
    for name in names {
        if state.modules_noted.borrow_mut().insert(name.into()) {
            let (home, here) = changed_library(state, name)?;
            let differing = home.keys().collect();
            let remark = match name {
                b"string" => {
                    ", for calls like string.upper(s); methods, as in s:upper(), stay the isolates' own"
                }
                _ => "",
            };
            tell(&state.system, name, &home, &here, differing, remark);
        }
    }
    Ok(())
}

/// The fields of a library at home, without those that isolates have as well, and those of the isolates.
fn changed_library(state: &State, name: &'static [u8]) -> mlua::Result<(FieldMap, FieldMap)> {
    let (Some(libraries), Value::Table(library)) =
        (state.system.libraries(), state.tables.package_loaded.raw_get(mlua::BString::from(name))?)
    else {
        return Ok(Default::default());
    };
    let here = libraries.get(name).map(|fields| fields.0.clone()).unwrap_or_default();
    let Fields(mut home) = Fields::of_library(&library)?;
    home.retain(|field, value| here.get(field) != Some(value));
    Ok((home, here))
}

/// The names of what isolates do not have in `string`: methods that strings have at home alone.
pub(crate) fn own_methods(state: &State) -> mlua::Result<Vec<Vec<u8>>> {
    Ok(changed_library(state, b"string")?.0.into_keys().collect())
}

/// A field as a report shows it.
struct Shown<'a>(Option<&'a Field>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("nil"),
            Some(Field::Boolean(value)) => write!(f, "{value}"),
            Some(Field::Number(value)) => write!(f, "{value}"),
            Some(Field::Text(text)) => {
                let text = String::from_utf8_lossy(text);
                match text.char_indices().nth(40) {
                    None => write!(f, "{text:?}"),
                    Some((end, _)) => write!(f, "{:?}...", &text[..end]),
                }
            }
            Some(Field::Function | Field::OwnFunction) => f.write_str("a function"),
        }
    }
}
