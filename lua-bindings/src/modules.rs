//! [`Modules`]: where the home state finds its modules. Isolates look in the same places. And [`Fields`]: by which they see
//! that they have not got what the home state has made of a module.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use crate::packet::{self, Packet, Roots};
use crate::state::State;
use crate::system::System;

/// Where the home state finds its modules.
#[derive(Default)]
pub(crate) struct Modules {
    pub(crate) path: Vec<u8>,
    pub(crate) cpath: Vec<u8>,
    /// The Lua functions of `package.preload`, as one table; `None` if there are none.
    pub(crate) preload: Option<Packet>,
    /// How many entries `package.preload` had when they were collected.
    preload_count: usize,
}

/// Tells the isolates where the home state finds its modules, if that has changed.
pub(crate) fn share(state: &State, lua: &Lua) -> mlua::Result<()> {
    let Ok(package) = lua.globals().raw_get::<Table>("package") else {
        return Ok(());
    };
    let field = |name: &str| match package.raw_get::<Value>(name) {
        Ok(Value::String(text)) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let (path, cpath) = (field("path"), field("cpath"));
    let preload = package.raw_get::<Value>("preload")?;
    let preload_count = preload.as_table().map_or(0, |preload| preload.pairs::<Value, Value>().count());
    {
        let known = state.system.modules.read();
        if known.path == path && known.cpath == cpath && known.preload_count == preload_count {
            return Ok(());
        }
    }
    let functions = lua.create_table()?;
    if let Value::Table(preload) = preload {
        for pair in preload.pairs::<Value, Value>() {
            if let (name, Value::Function(loader)) = pair?
                && loader.info().what != "C"
            {
                functions.raw_set(name, loader)?;
            }
        }
    }
    let preload = if functions.is_empty() {
        None
    } else {
        let values = MultiValue::from_iter([Value::Table(functions)]);
        Some(
            packet::encode(lua, state, values, Roots::Values("package.preload"))
                .map_err(mlua::Error::external)?,
        )
    };
    *state.system.modules.write() = Arc::new(Modules { path, cpath, preload, preload_count });
    Ok(())
}

/// The plain fields of a module, for the comparison with what another state has.
#[derive(Default)]
pub(crate) struct Fields(BTreeMap<Vec<u8>, Field>);

#[derive(Clone, PartialEq)]
enum Field {
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    /// Any function is like any other: only that there is one can be compared.
    Function,
}

impl Fields {
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
    let Fields(here) = Fields::of(module)?;
    let names = home.keys().chain(here.keys().filter(|name| !home.contains_key(*name)));
    let mut differing: Vec<&Vec<u8>> = names.filter(|name| home.get(*name) != here.get(*name)).collect();
    differing.sort();
    if differing.is_empty() {
        return Ok(());
    }
    let values = |field: &Vec<u8>| {
        format!("(home has {}, goroutines get {})", Shown(home.get(field)), Shown(here.get(field)))
    };
    let what = match differing[..] {
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
    let name = String::from_utf8_lossy(name);
    (system.report)(&format!(
        "module '{name}': {what}; goroutine.configure{{copy_modules = {{\"{name}\"}}}} sends it as it is"
    ));
    Ok(())
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
            Some(Field::Function) => f.write_str("a function"),
        }
    }
}
