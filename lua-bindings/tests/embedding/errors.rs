//! Errors of the embedder's functions, and errors that nobody awaits.

use mlua::Lua;

use crate::support::{Carrier, builder, home, run, started};

crate::under_each_backend! {
    an_error_of_the_embedders_function_has_clean_text
    a_panic_fails_only_its_goroutine
    an_error_that_nobody_awaits_is_reported_once_with_its_place
    an_error_that_is_awaited_is_not_reported
    an_error_whose_handle_goes_with_its_state_is_reported
    an_error_whose_handle_goes_after_the_runtime_is_reported
}

fn register(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    let fail = |_: &Lua, text: String| -> mlua::Result<()> { Err(mlua::Error::runtime(text)) };
    globals.set("fail", lua.create_function(fail)?)?;
    let external = |_: &Lua, ()| -> mlua::Result<()> {
        Err(mlua::Error::external(std::io::Error::other("disk is full")))
    };
    globals.set("external", lua.create_function(external)?)?;
    let late = |_: Lua, text: String| async move { Err::<(), _>(mlua::Error::runtime(text)) };
    globals.set("fail_late", lua.create_async_function(late)?)?;
    globals.set(
        "panics",
        lua.create_function(|_, ()| -> mlua::Result<()> { panic!("a bug in the embedder's function") })?,
    )?;
    let panics = |_: Lua, ()| async { panic!("a bug in the embedder's future") };
    let panics = lua.create_async_function(move |lua, ()| {
        let future = panics(lua, ());
        async move {
            let () = future.await;
            Ok(())
        }
    })?;
    globals.set("panics_late", panics)
}

fn an_error_of_the_embedders_function_has_clean_text(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register).build().unwrap();
    let lua = home(&goroutines);
    for (call, wanted) in [
        ("fail('no such user')", "no such user"),
        ("fail_late('no such host')", "no such host"),
        ("external()", "disk is full"),
        ("fail('two\\nlines')", "two\nlines"),
    ] {
        let source = format!(
            r#"
            local ok, err, traceback = goroutine.await(goroutine.async(function()
              {call}
              return "not reached"
            end))
            return ok, type(err), tostring(err), traceback
            "#
        );
        let (ok, kind, error, traceback): (bool, String, String, String) = run(&lua, &source);
        assert_eq!((ok, kind.as_str(), error.as_str()), (false, "string", wanted), "{call}");
        assert!(traceback.starts_with("stack traceback"), "{call}: {traceback}");
    }
}

fn a_panic_fails_only_its_goroutine(backend: Carrier) {
    // One isolate: the others run in the same as the one that panics.
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(register).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local gate = goroutine.channel()
        local neighbour = goroutine.async(function() return gate:receive() end)
        for _, name in ipairs({ "panics", "panics_late" }) do
          for _ = 1, 10 do
            local handle = goroutine.async(function()
              if name == "panics" then panics() else panics_late() end
              return "not reached"
            end)
            local ok, err = handle:await(30000)
            assert(not ok and tostring(err):find("a bug in the embedder's", 1, true), tostring(err))
            assert(handle:status() == "failed", handle:status())
            assert(select(2, goroutine.await(goroutine.async(function() return "alive" end), 30000)) == "alive")
          end
        end
        gate:send("still here")
        assert(select(2, neighbour:await(30000)) == "still here")
        "#,
    );
}

fn an_error_that_nobody_awaits_is_reported_once_with_its_place(backend: Carrier) {
    let (_goroutines, lua, reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        goroutine.spawn(function()
          error("nobody awaits this", 0)
        end)
        assert(goroutine.wait_all(30000))
        "#,
    );
    reports.wait_for(1);
    let report = reports.take();
    let [report] = &report[..] else {
        panic!("one report expected: {report:?}");
    };
    let first = report.lines().next().unwrap();
    assert!(first.contains("(started at script.lua:2)"), "{report}");
    assert!(first.ends_with("failed: nobody awaits this"), "{report}");
    assert!(report.contains("\nstack traceback"), "{report}");
    assert!(report.contains("script.lua:3"), "{report}");
}

fn an_error_that_is_awaited_is_not_reported(backend: Carrier) {
    let (goroutines, lua, reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        for _ = 1, 20 do
          assert(not goroutine.await(goroutine.async(function() error("seen", 0) end)))
        end
        collectgarbage()
        "#,
    );
    drop(lua);
    drop(goroutines);
    assert_eq!(reports.take(), Vec::<String>::new());
}

fn an_error_whose_handle_goes_with_its_state_is_reported(backend: Carrier) {
    let (goroutines, lua, reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        handle = goroutine.async(function() error("held to the end", 0) end)
        while not handle:done() do goroutine.sleep(0.1) end
        "#,
    );
    assert_eq!(reports.take(), Vec::<String>::new());
    drop(lua);
    drop(goroutines);
    let report = reports.take();
    assert_eq!(report.len(), 1, "{report:?}");
    assert!(report[0].contains("failed: held to the end"), "{report:?}");
}

fn an_error_whose_handle_goes_after_the_runtime_is_reported(backend: Carrier) {
    let (goroutines, lua, reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        handle = goroutine.async(function() error("outlived", 0) end)
        while not handle:done() do goroutine.sleep(0.1) end
        "#,
    );
    drop(goroutines);
    assert_eq!(reports.take(), Vec::<String>::new());
    drop(lua);
    let report = reports.take();
    assert_eq!(report.len(), 1, "{report:?}");
    assert!(report[0].contains("failed: outlived"), "{report:?}");
}
