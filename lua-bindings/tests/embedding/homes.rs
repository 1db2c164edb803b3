//! Home states: which Lua states can be one, and what they see.

use std::thread;

use goroutine::Shutdown;
use mlua::{Lua, LuaOptions, StdLib, Table};

use crate::support::{Carrier, PATIENCE, builder, home, run, started};

/// In Lua 5.1 and LuaJIT coroutines come with the base library.
#[cfg(any(feature = "lua51", feature = "luajit"))]
const COROUTINE: StdLib = StdLib::NONE;
#[cfg(not(any(feature = "lua51", feature = "luajit")))]
const COROUTINE: StdLib = StdLib::COROUTINE;

crate::under_each_backend! {
    a_plain_state_without_debug_is_a_home
    a_state_with_few_libraries_is_a_home
    a_state_without_a_library_that_is_needed_is_told_which
    installing_twice_in_a_state_is_an_error
    the_module_is_what_require_gives
    two_states_share_one_runtime
    a_state_on_another_thread_is_a_home
    a_state_may_end_before_its_goroutines
    a_state_may_outlive_its_runtime
}

fn a_plain_state_without_debug_is_a_home(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.build().unwrap();
    let lua = Lua::new();
    goroutines.install(&lua).unwrap();
    let (ok, value): (bool, i64) = run(
        &lua,
        r#"
        assert(debug == nil)
        local goroutine = require("goroutine")
        local n, helper = 20, function(x) return x + 1 end
        return goroutine.await(goroutine.async(function() return helper(n) * 2 end))
        "#,
    );
    assert_eq!((ok, value), (true, 42));
    let (ok, error, traceback): (bool, String, String) = run(
        &lua,
        r#"
        local goroutine = require("goroutine")
        return goroutine.await(goroutine.async(function() error("broken") end))
        "#,
    );
    assert_eq!((ok, error.as_str()), (false, "script.lua:3: broken"));
    assert!(traceback.starts_with("stack traceback"), "{traceback}");
    let (ok, error): (bool, String) = run(
        &lua,
        r#"
        local goroutine = require("goroutine")
        local count = 0
        return pcall(function() local h = goroutine.spawn(function() count = 1 end) return h end)
        "#,
    );
    assert!(
        !ok && error.starts_with("script.lua:4: ") && error.contains("'count' (script.lua:4)"),
        "{error}"
    );
}

fn a_state_with_few_libraries_is_a_home(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.build().unwrap();
    let lua = Lua::new_with(StdLib::PACKAGE | COROUTINE | StdLib::TABLE | StdLib::STRING, LuaOptions::new())
        .unwrap();
    goroutines.install(&lua).unwrap();
    // Inside, all libraries are there.
    let (ok, value): (bool, i64) = run(
        &lua,
        r#"
        local goroutine = require("goroutine")
        return goroutine.await(goroutine.async(function() return math.floor(4.5) end))
        "#,
    );
    assert_eq!((ok, value), (true, 4));
}

fn a_state_without_a_library_that_is_needed_is_told_which(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.build().unwrap();
    for (libraries, missing) in [
        (COROUTINE | StdLib::TABLE | StdLib::STRING, "package"),
        (StdLib::PACKAGE | StdLib::TABLE | StdLib::STRING, "coroutine"),
        (StdLib::PACKAGE | COROUTINE | StdLib::STRING, "table"),
        (StdLib::PACKAGE | COROUTINE | StdLib::TABLE, "string"),
    ] {
        let lua = Lua::new_with(libraries, LuaOptions::new()).unwrap();
        match goroutines.install(&lua) {
            Ok(()) => assert_ne!(missing, "package", "`require` is where the module goes"),
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.starts_with("cannot install goroutines: ")
                        && error.contains(missing)
                        && error.contains("library"),
                    "without {missing}: {error}"
                );
            }
        }
    }
}

fn installing_twice_in_a_state_is_an_error(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 1);
    let error = goroutines.install(&lua).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot install goroutines: goroutines are installed in this Lua state already"
    );
    let (other, _lua, _reports) = started(&backend, 1);
    assert!(other.install(&lua).is_err());
    // What was there works on.
    assert!(run::<bool>(&lua, "return (goroutine.await(goroutine.async(function() end)))"));
}

fn the_module_is_what_require_gives(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.build().unwrap();
    let lua = Lua::new();
    let module: Table = goroutines.module(&lua).unwrap();
    let required: Table = run(&lua, "return require('goroutine')");
    assert_eq!(module, required);
    assert!(lua.globals().get::<mlua::Value>("goroutine").unwrap().is_nil());
}

fn two_states_share_one_runtime(backend: Carrier) {
    let (goroutines, first, _reports) = started(&backend, 2);
    let second = home(&goroutines);
    run::<()>(&first, "goroutine.pool_create('common', { workers = 1 })");
    let (ok, value): (bool, String) = run(
        &second,
        "return goroutine.await(goroutine.pool_async('common', function() return 'through the other' end))",
    );
    assert_eq!((ok, value.as_str()), (true, "through the other"));
    let submitted: i64 = run(&first, "return goroutine.pool_stats('common').submitted");
    assert_eq!(submitted, 1);
    // Each waits for its own goroutines only.
    run::<()>(&first, "gate = goroutine.channel() goroutine.spawn(function() gate:receive() end)");
    assert!(run::<bool>(&second, "return goroutine.wait_all(30000)"));
    run::<()>(&first, "gate:close() assert(goroutine.wait_all(30000))");
}

fn a_state_on_another_thread_is_a_home(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lua = home(&goroutines);
                for i in 0..50 {
                    let source = format!(
                        "return select(2, goroutine.await(goroutine.async(function(n) return n + 1 end, {i})))"
                    );
                    assert_eq!(run::<i64>(&lua, &source), i + 1);
                }
            });
        }
    });
    assert!(run::<bool>(&lua, "return (goroutine.await(goroutine.async(function() end)))"));
}

fn a_state_may_end_before_its_goroutines(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        for i = 1, 50 do
          goroutine.spawn(function() for _ = 1, i do goroutine.yield() end end)
          goroutine.spawn(goroutine.sleep, 1e9)
        end
        "#,
    );
    drop(lua);
    let lua = home(&goroutines);
    assert!(run::<bool>(&lua, "return (goroutine.await(goroutine.async(function() end)))"));
    drop(lua);
    assert_eq!(goroutines.shutdown(PATIENCE), Shutdown::Complete);
}

fn a_state_may_outlive_its_runtime(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        done = goroutine.async(function() return { "kept" } end)
        goroutine.await(done)
        sleeping = goroutine.async(goroutine.sleep, 1e9)
        channel = goroutine.channel(1)
        "#,
    );
    drop(goroutines);
    run::<()>(
        &lua,
        r#"
        assert(select(2, done:await())[1] == "kept")
        local ok, err = sleeping:await()
        assert(not ok and goroutine.is_cancelled(err), tostring(err))
        assert(sleeping:status() == "cancelled", sleeping:status())
        channel:send(1)
        assert(channel:receive() == 1)
        assert(goroutine.wait_all(30000))
        assert(goroutine.now() > 0)
        "#,
    );
}
