//! [`Modules`]: where the home state finds its modules. Isolates look in the same places.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use crate::packet::{self, Packet, Roots};
use crate::state::State;

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
