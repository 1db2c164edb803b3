//! `detect_deadlocks`.

use std::time::Duration;

use mlua::Lua;

use crate::support::{Carrier, builder, home, run};

crate::under_each_backend! {
    a_wait_that_nothing_can_end_raises_and_tells_who_waits_for_what
    a_script_alone_is_told_too
    what_may_still_be_woken_is_no_deadlock
}

fn state(backend: &Carrier) -> (goroutine::Goroutines, Lua) {
    let (builder, _reports) = builder(backend, 2);
    let setup = |lua: &Lua| {
        // Longer than a deadlock takes to be found.
        let sleep = lua.create_function(|_, ()| {
            std::thread::sleep(Duration::from_millis(400));
            Ok(())
        })?;
        lua.globals().set("sleep_in_c", sleep)?;
        let wait = lua.create_async_function(|_, ()| async move {
            let (tell, told) = flume::bounded(1);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(400));
                tell.send(()).unwrap();
            });
            told.recv_async().await.map_err(mlua::Error::external)
        })?;
        lua.globals().set("wait_outside", wait)
    };
    let goroutines = builder.setup(setup).detect_deadlocks(true).build().unwrap();
    let lua = home(&goroutines);
    (goroutines, lua)
}

fn a_wait_that_nothing_can_end_raises_and_tells_who_waits_for_what(backend: Carrier) {
    let (_goroutines, lua) = state(&backend);
    run::<()>(
        &lua,
        r#"
        local one, two = goroutine.channel(), goroutine.mutex()
        two:lock()
        local a = goroutine.async(function() one:receive() return "a" end)
        a:name("the receiver")
        local b = goroutine.async(function() two:lock() two:unlock() return "b" end)
        local ok, err = pcall(goroutine.wait_all)
        assert(not ok)
        assert(err:find("^script%.lua:7: all goroutines are asleep %- deadlock!\n"), err)
        assert(err:find("the script: waiting in wait_all", 1, true), err)
        local line = err:match("\n(goroutine " .. a:id() .. "[^\n]*)")
        assert(line:find("'the receiver'", 1, true) and line:find("script.lua:4", 1, true) and line:find("waiting in receive for", 1, true), line)
        line = err:match("\n(goroutine " .. b:id() .. "[^\n]*)")
        assert(line:find("script.lua:6", 1, true) and line:find("waiting in lock for", 1, true), line)
        -- All is as it was: what is waited for may still come.
        two:unlock()
        one:send(1)
        assert(select(2, a:await()) == "a" and select(2, b:await()) == "b")
        goroutine.wait_all()
        -- It goes by the names that scripts know.
        ok, err = pcall(goroutine.scope, function(scope) scope:spawn(function() one:receive() end) end)
        assert(not ok and err:find("the script: waiting in scope\n", 1, true), err)
        goroutine.wait_all() -- a scope that has raised has cancelled its goroutines
        "#,
    );
}

fn a_script_alone_is_told_too(backend: Carrier) {
    let (_goroutines, lua) = state(&backend);
    run::<()>(
        &lua,
        r#"
        for _, call in ipairs({
            function() goroutine.channel():receive() end,
            function() goroutine.channel():send(1) end,
            function() goroutine.select({ { channel = goroutine.channel(), receive = true } }) end,
            function() local wg = goroutine.wait_group() wg:add(1) wg:wait() end,
            function() goroutine.context():done():receive() end,
        }) do
            local ok, err = pcall(call)
            assert(not ok and err:find("all goroutines are asleep - deadlock!", 1, true), tostring(err))
        end
        "#,
    );
}

fn what_may_still_be_woken_is_no_deadlock(backend: Carrier) {
    let (_goroutines, lua) = state(&backend);
    run::<()>(
        &lua,
        r#"
        local function later(wait, ...)
            local channel = goroutine.channel()
            goroutine.spawn(function(...) wait(...) channel:send("came") end, ...)
            assert(channel:receive() == "came")
        end
        later(goroutine.sleep, 400)
        later(function() sleep_in_c() end)
        later(function() wait_outside() end)
        later(function() local until_then = goroutine.now() + 400 while goroutine.now() < until_then do end end)
        later(function() goroutine.after(400):receive() end)
        later(function() local ticker = goroutine.ticker(400) ticker:receive() ticker:stop() end)
        later(function() goroutine.context():with_timeout(400):done():receive() end)
        later(function() goroutine.channel():receive(400) end)
        later(function() goroutine.select({ { after = 400 } }) end)
        later(function() os.execute("sleep 0.4") end)
        later(function() goroutine.blocking(function() sleep_in_c() end):await() end)
        -- Goroutines that wake each other all the time.
        local ping, pong = goroutine.channel(), goroutine.channel()
        goroutine.spawn(function()
            -- Lua 5.1 cannot wait in an iterator.
            local v, there = ping:receive()
            while there do
                pong:send(v)
                v, there = ping:receive()
            end
            pong:close()
        end)
        local player = goroutine.async(function()
            local until_then, count = goroutine.now() + 400, 0
            while goroutine.now() < until_then do ping:send(count) pong:receive() count = count + 1 end
            ping:close()
            return "played"
        end)
        assert(select(2, player:await()) == "played")
        "#,
    );
}
