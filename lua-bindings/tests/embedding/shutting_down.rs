//! The end of a runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use goroutine::Shutdown;
use mlua::Lua;

use crate::support::{Carrier, Door, PATIENCE, builder, eventually, home, run, started};

crate::under_each_backend! {
    an_idle_runtime_shuts_down_completely
    goroutines_that_wait_are_cancelled_and_unwind
    shutting_down_cancels_what_is_queued
    a_goroutine_stuck_in_native_code_is_abandoned_within_the_bound
    an_endless_loop_does_not_hold_up_the_shutdown
    shutting_down_twice_is_harmless
    the_closer_shuts_down_from_another_thread
    dropping_shuts_down
    nothing_can_be_started_afterwards
    home_is_woken_from_its_wait
}

fn an_idle_runtime_shuts_down_completely(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 3);
    assert!(run::<bool>(&lua, "return (goroutine.await(goroutine.async(function() end)))"));
    assert_eq!(goroutines.shutdown(PATIENCE), Shutdown::Complete);
}

fn goroutines_that_wait_are_cancelled_and_unwind(backend: Carrier) {
    if !crate::support::CLOSES_VARIABLES {
        return;
    }
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        closed = goroutine.atomic_int()
        handles = goroutine.spawn_many(100, function()
          local guard <close> = setmetatable({}, { __close = function() closed:add() end })
          goroutine.sleep(math.huge)
        end)
        for _, handle in ipairs(handles) do
          while handle:status() ~= "waiting" do goroutine.sleep(0.1) end
        end
        "#,
    );
    assert_eq!(goroutines.shutdown(PATIENCE), Shutdown::Complete);
    run::<()>(
        &lua,
        r#"
        assert(closed:load() == 100, closed:load())
        for _, handle in ipairs(handles) do
          assert(handle:status() == "cancelled", handle:status())
          local ok, err = handle:await()
          assert(not ok and tostring(err) == "cancelled: shutdown", tostring(err))
        end
        "#,
    );
}

/// A function that blocks its isolate's thread before a door.
fn blocking(door: &Arc<Door>) -> impl Fn(&Lua) -> mlua::Result<()> + Send + Sync + use<> {
    let door = Arc::clone(door);
    move |lua| {
        let door = Arc::clone(&door);
        let pass = lua.create_function(move |_, ()| {
            door.pass();
            Ok(())
        })?;
        lua.globals().set("pass_door", pass)
    }
}

fn shutting_down_cancels_what_is_queued(backend: Carrier) {
    let door = Arc::new(Door::default());
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(blocking(&door)).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(&lua, "goroutine.spawn(function() pass_door() end)");
    door.wait_until_reached();
    run::<()>(
        &lua,
        r#"
        ran = goroutine.atomic_int()
        handles = goroutine.spawn_many(20, function() ran:add() end)
        "#,
    );
    assert_eq!(goroutines.shutdown(Duration::from_millis(50)), Shutdown::Abandoned(1));
    // They have ended, though their isolate is still stuck.
    run::<()>(
        &lua,
        r#"
        for _, handle in ipairs(handles) do
          local ok, err = handle:await(30000)
          assert(not ok and goroutine.is_cancelled(err), tostring(err))
        end
        assert(ran:load() == 0)
        "#,
    );
    door.open();
}

fn a_goroutine_stuck_in_native_code_is_abandoned_within_the_bound(backend: Carrier) {
    let door = Arc::new(Door::default());
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let (builder, _reports) = builder(&backend, 2);
    let register = blocking(&door);
    let goroutines = builder
        .setup(move |lua| {
            let held = Arc::clone(&held);
            let hold = lua.create_function(move |_, ()| Ok(Arc::strong_count(&held)))?;
            lua.globals().set("hold", hold)?;
            register(lua)
        })
        .build()
        .unwrap();
    let lua = home(&goroutines);
    run::<()>(&lua, "stuck = goroutine.async(function() pass_door() end)");
    door.wait_until_reached();
    let begun = Instant::now();
    assert_eq!(goroutines.shutdown(Duration::from_millis(200)), Shutdown::Abandoned(1));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200) && took < PATIENCE, "it took {took:?}");
    // The isolate ends once its goroutine does.
    door.open();
    drop(goroutines);
    drop(lua);
    eventually("the isolates are gone", || Arc::strong_count(&alive) == 1);
}

fn an_endless_loop_does_not_hold_up_the_shutdown(backend: Carrier) {
    // Not really endless: it has to leave the machine to the tests that follow.
    let over = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&over);
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder
        .setup(move |lua| {
            let flag = Arc::clone(&flag);
            let over = lua.create_function(move |_, ()| Ok(flag.load(Ordering::SeqCst)))?;
            lua.globals().set("over", over)
        })
        .build()
        .unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local started = goroutine.channel()
        goroutine.spawn(function()
          started:send(true)
          while not over() do end
        end)
        started:receive()
        "#,
    );
    let begun = Instant::now();
    let shutdown = goroutines.shutdown(Duration::from_millis(500));
    let took = begun.elapsed();
    over.store(true, Ordering::SeqCst);
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    // Where the loop cannot be interrupted its isolate is left to itself, at the end of the bound and not before.
    match shutdown {
        Shutdown::Complete => {}
        shutdown => {
            assert_eq!(shutdown, Shutdown::Abandoned(1));
            assert!(took >= Duration::from_millis(500), "it took {took:?}");
        }
    }
}

fn shutting_down_twice_is_harmless(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(&lua, "goroutine.spawn(goroutine.sleep, 1e9)");
    for _ in 0..3 {
        assert_eq!(goroutines.shutdown(PATIENCE), Shutdown::Complete);
    }
    drop(goroutines);
}

fn the_closer_shuts_down_from_another_thread(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(&lua, "sleeping = goroutine.async(goroutine.sleep, 1e9)");
    let close = goroutines.closer();
    let closing = thread::spawn({
        let close = close.clone();
        move || close(PATIENCE)
    });
    assert_eq!(closing.join().unwrap(), Shutdown::Complete);
    assert!(run::<bool>(&lua, "return goroutine.is_cancelled(select(2, sleeping:await()))"));
    drop(goroutines);
    // Without the runtime it has nothing left to do.
    assert_eq!(close(PATIENCE), Shutdown::Complete);
}

fn dropping_shuts_down(backend: Carrier) {
    if !crate::support::CLOSES_VARIABLES {
        return;
    }
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        closed = goroutine.atomic_int()
        goroutine.spawn_many(10, function()
          local guard <close> = setmetatable({}, { __close = function() closed:add() end })
          goroutine.sleep(math.huge)
        end)
        for _ = 1, 10 do goroutine.await(goroutine.async(function() end)) end
        "#,
    );
    drop(goroutines);
    let closed: i64 = run(&lua, "return closed:load()");
    // Those that had begun have unwound; the others have never run.
    let (waiting, error): (bool, String) =
        run(&lua, "return pcall(function() local h = goroutine.spawn(print) return h end)");
    assert!((0..=10).contains(&closed), "{closed}");
    assert_eq!((waiting, error.as_str()), (false, "script.lua:1: goroutines have been shut down"));
}

fn nothing_can_be_started_afterwards(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(&lua, "goroutine.pool_create('left', { workers = 1 })");
    assert_eq!(goroutines.shutdown(PATIENCE), Shutdown::Complete);
    run::<()>(
        &lua,
        r#"
        local function refused(f, ...)
          local ok, err = pcall(function(...) local r = f(...) return r end, ...)
          assert(not ok and err:find("goroutines have been shut down", 1, true), tostring(err))
        end
        refused(goroutine.spawn, print)
        refused(goroutine.async, print)
        refused(goroutine.spawn_many, 2, print)
        refused(goroutine.timeout, 1000, print)
        refused(goroutine.scope, function(s) s:spawn(print) end)
        -- A pool's task is refused one way or the other, and nothing hangs.
        for _ = 1, 20 do
          local ok, handle = pcall(goroutine.pool_async, "left", print)
          if ok and handle then
            local done, err = handle:await(30000)
            assert(not done and goroutine.is_cancelled(err), tostring(err))
          end
        end
        goroutine.pool_close("left")
        assert(goroutine.wait_all(30000))
        "#,
    );
}

fn home_is_woken_from_its_wait(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 2);
    let close = goroutines.closer();
    run::<()>(
        &lua,
        r#"
        handle = goroutine.async(goroutine.sleep, 1e9)
        while handle:status() ~= "waiting" do goroutine.sleep(0.1) end
        "#,
    );
    let closing = thread::spawn(move || close(PATIENCE));
    let error: String = run(&lua, "return tostring(select(2, handle:await(30000)))");
    assert_eq!(error, "cancelled: shutdown");
    assert_eq!(closing.join().unwrap(), Shutdown::Complete);
}
