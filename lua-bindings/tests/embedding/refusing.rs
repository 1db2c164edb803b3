//! What of the embedder's cannot travel.

use mlua::{Lua, UserData};

use crate::support::{Carrier, builder, home, run};

crate::under_each_backend! {
    a_function_that_only_home_has_is_refused
    an_object_of_the_embedders_is_refused_where_it_is_given
    a_global_object_of_the_embedders_fails_only_when_touched
}

struct Connection;

impl UserData for Connection {}

fn register(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    globals.set("only_at_home", lua.create_function(|_, ()| Ok("home"))?)?;
    globals.set("connection", lua.create_userdata(Connection)?)
}

fn a_function_that_only_home_has_is_refused(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.build().unwrap();
    let lua = home(&goroutines);
    register(&lua).unwrap();
    let (ok, error): (bool, String) = run(
        &lua,
        r#"
        local f = only_at_home
        return pcall(function() local h = goroutine.async(function() return f() end) return h end)
        "#,
    );
    assert!(!ok);
    assert!(error.starts_with("script.lua:3: cannot send upvalue 'f' (C function"), "{error}");
}

fn an_object_of_the_embedders_is_refused_where_it_is_given(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.build().unwrap();
    let lua = home(&goroutines);
    register(&lua).unwrap();
    for (start, path) in [
        ("local c = connection local h = goroutine.async(function() return c end)", "upvalue 'c'"),
        ("local h = goroutine.spawn(print, { db = connection })", "argument 1.db"),
        ("local h = goroutine.channel(1):send({ connection })", "the value[1]"),
    ] {
        let (ok, error): (bool, String) = run(&lua, &format!("return pcall(function() {start} end)"));
        assert!(!ok, "{start}");
        // Lua 5.1 forgets who made a tail call, and with that the line.
        let line = if cfg!(feature = "lua51") { "" } else { "script.lua:1: " };
        assert!(
            error.trim_start_matches("script.lua:1: ").starts_with(&format!("cannot send {path} (userdata"))
                && error.starts_with(line),
            "{start}: {error}"
        );
    }
}

fn a_global_object_of_the_embedders_fails_only_when_touched(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.build().unwrap();
    let lua = home(&goroutines);
    register(&lua).unwrap();
    run::<()>(
        &lua,
        r#"
        local function use(touch)
          if touch then return connection end
          return "not touched"
        end
        local ok, value = goroutine.await(goroutine.async(use, false))
        assert(ok and value == "not touched", tostring(value))
        local ok, err = goroutine.await(goroutine.async(use, true))
        assert(not ok and err:find("cannot send global 'connection' (userdata", 1, true), tostring(err))
        local ok, err = goroutine.await(goroutine.async(function() return only_at_home() end))
        assert(not ok and err:find("only_at_home", 1, true), tostring(err))
        "#,
    );
}
