//! What our Lua files are run with: the standard globals, whatever the script makes of its own.

use mlua::{IntoLuaMulti, Lua, Table, Value};

/// Where a home state's registry keeps the standard globals.
const GLOBALS: &str = "goroutine.globals";

/// What our Lua files find as globals. Some are loaded long after the script has begun, whose globals may be called as it likes.
const STANDARD: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "bit",
    "bit32",
    "collectgarbage",
    "coroutine",
    "debug",
    "dofile",
    "error",
    "getfenv",
    "getmetatable",
    "io",
    "ipairs",
    "jit",
    "load",
    "loadfile",
    "loadstring",
    "math",
    "newproxy",
    "next",
    "os",
    "package",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "require",
    "select",
    "setfenv",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "utf8",
    "warn",
    "xpcall",
];

/// Keeps the standard globals of a home state as they are now.
pub(super) fn keep_globals(lua: &Lua) -> mlua::Result<()> {
    let (kept, globals) = (lua.create_table()?, lua.globals());
    for name in STANDARD {
        kept.raw_set(*name, globals.raw_get::<Value>(*name)?)?;
    }
    lua.set_named_registry_value(GLOBALS, kept)
}

/// The standard globals, whatever the script has made of them. Nobody changes those of isolates: goroutines have tables of their own.
pub(crate) fn globals(lua: &Lua) -> mlua::Result<Table> {
    let kept: Option<Table> = lua.named_registry_value(GLOBALS)?;
    Ok(kept.unwrap_or_else(|| lua.globals()))
}

/// Runs one of our Lua files.
pub(super) fn chunk<R: mlua::FromLuaMulti>(
    lua: &Lua,
    name: &str,
    source: &str,
    args: impl IntoLuaMulti,
) -> mlua::Result<R> {
    lua.load(source)
        .set_name(format!("=[goroutine:{name}]"))
        .set_mode(mlua::chunk::ChunkMode::Text)
        .set_environment(globals(lua)?)
        .call(args)
}
