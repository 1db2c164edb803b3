//! Goroutines in the home state itself, in a program.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use goroutine::{Backend, Goroutines, StartedAs};
use mlua::{Function, Lua, Thread, UserData, Value};
use runtime_core::block_on;

use crate::support::{CLOSES_VARIABLES, Carrier, PATIENCE, Reports, builder, look_for, run};

crate::under_each_backend! {
    a_program_can_make_it_what_require_gives
    an_async_function_holds_up_nobody
    an_async_function_that_is_cancelled_is_dropped
    a_panic_is_the_error_of_its_goroutine
    a_state_that_is_dropped_lets_go_what_its_goroutines_held
    winding_down_closes_variables
    a_script_may_be_run_as_a_future
    a_coroutine_that_rust_resumes_blocks_where_it_is
    a_callback_of_a_rust_function_cannot_wait_in_a_goroutine
    two_states_have_goroutines_of_their_own
    shutting_down_cancels_them_at_the_next_wait
    shutting_down_from_another_thread_ends_the_wait_for_them
    one_who_looks_in_sees_what_they_wait_for_while_the_state_blocks
    goroutines_know_from_which_they_descend
}

pub(super) fn local(backend: &Carrier) -> (Goroutines, Lua, Reports) {
    let (builder, reports) = builder(backend, 1);
    let goroutines = builder.lazy(true).build().unwrap();
    let lua = goroutine::new_state();
    let module = goroutines.local_module(&lua).unwrap();
    lua.globals().set("goroutine", module).unwrap();
    (goroutines, lua, reports)
}

fn a_program_can_make_it_what_require_gives(backend: Carrier) {
    let (_goroutines, lua, _reports) = local(&backend);
    let (same, sum): (bool, i64) = run(
        &lua,
        r#"
        local sum = 0
        goroutine.spawn_many(4, function(n) sum = sum + n end)
        goroutine.wait_all()
        return goroutine == require("goroutine") and goroutine == require("goroutine.local"), sum
        "#,
    );
    assert!(same);
    assert_eq!(sum, 10);
}

/// An async function that waits for so many milliseconds.
fn nap(backend: &Arc<dyn Backend>, lua: &Lua) -> Function {
    let backend = Arc::clone(backend);
    lua.create_async_function(move |_, milliseconds: u64| {
        let sleep = backend.sleep_until(backend.now() + Duration::from_millis(milliseconds));
        async move {
            sleep.await;
            Ok(milliseconds)
        }
    })
    .unwrap()
}

fn an_async_function_holds_up_nobody(backend: Carrier) {
    let (_goroutines, lua, _reports) = local(&backend);
    lua.globals().set("nap", nap(&backend, &lua)).unwrap();
    let started = Instant::now();
    let (sum, after): (u64, u64) = run(
        &lua,
        r#"
        local sum, after = 0, 0
        for i = 1, 50 do
            goroutine.spawn(function()
                local long = nap(100 + i)
                sum = sum + long
                goroutine.sleep(1)
                local short = nap(1)
                after = after + short
            end)
        end
        goroutine.wait_all()
        return sum, after
        "#,
    );
    assert_eq!((sum, after), (6275, 50));
    assert!(started.elapsed() < Duration::from_secs(4), "one after another");
}

fn an_async_function_that_is_cancelled_is_dropped(backend: Carrier) {
    let (_goroutines, lua, _reports) = local(&backend);
    let held = Arc::new(());
    let never = {
        let held = Arc::clone(&held);
        lua.create_async_function(move |_, ()| {
            let held = Arc::clone(&held);
            async move {
                poll_fn(|_| Poll::<()>::Pending).await;
                drop(held);
                Ok(())
            }
        })
    };
    lua.globals().set("never", never.unwrap()).unwrap();
    let (ok, cancelled): (bool, bool) = run(
        &lua,
        r#"
        local handle = goroutine.async(function() never() end)
        goroutine.sleep(1)
        handle:cancel()
        local ok, err = handle:await(30000)
        return ok, goroutine.is_cancelled(err)
        "#,
    );
    assert_eq!((ok, cancelled), (false, true));
    lua.gc_collect().unwrap();
    lua.gc_collect().unwrap();
    assert_eq!(Arc::strong_count(&held), 2);
}

fn a_panic_is_the_error_of_its_goroutine(backend: Carrier) {
    let (_goroutines, lua, _reports) = local(&backend);
    let panics = lua.create_function(|_, ()| -> mlua::Result<()> { panic!("on purpose") });
    lua.globals().set("panics", panics.unwrap()).unwrap();
    let (ok, error, after): (bool, String, String) = run(
        &lua,
        r#"
        local ok, err = goroutine.await(goroutine.async(function() panics() end))
        local _, after = goroutine.await(goroutine.async(function() return "goes on" end))
        return ok, err, after
        "#,
    );
    assert!(!ok && error.contains("on purpose"), "{error}");
    assert_eq!(after, "goes on");
}

struct Held(#[allow(dead_code, reason = "counted")] Arc<()>);

impl UserData for Held {}

fn a_state_that_is_dropped_lets_go_what_its_goroutines_held(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    let held = Arc::new(());
    lua.globals().set("held", lua.create_userdata(Held(Arc::clone(&held))).unwrap()).unwrap();
    run::<()>(
        &lua,
        r#"
        for _ = 1, 10 do
            local mine = held
            goroutine.spawn(function() goroutine.sleep(1e9) return mine end)
            goroutine.async(function() goroutine.channel():receive() return mine end)
        end
        goroutine.sleep(1)
        for _ = 1, 10 do goroutine.spawn(function() return held end) end -- never runs
        result = goroutine.async(function() return held end)
        "#,
    );
    drop(lua);
    assert_eq!(Arc::strong_count(&held), 1);
    drop(goroutines);
}

fn winding_down_closes_variables(backend: Carrier) {
    if !CLOSES_VARIABLES {
        return;
    }
    let (goroutines, lua, _reports) = local(&backend);
    run::<()>(
        &lua,
        r#"
        closed = 0
        for _ = 1, 3 do
            goroutine.spawn(function()
                local guard <close> = setmetatable({}, { __close = function()
                    goroutine.sleep(1)
                    closed = closed + 1
                end })
                goroutine.sleep(1e9)
            end)
        end
        goroutine.sleep(1)
        goroutine.spawn(function() closed = 100 end)
        "#,
    );
    goroutines.wind_down(&lua, PATIENCE);
    assert_eq!(lua.globals().get::<i64>("closed").unwrap(), 3);
}

fn a_script_may_be_run_as_a_future(backend: Carrier) {
    let (_goroutines, lua, _reports) = local(&backend);
    lua.globals().set("nap", nap(&backend, &lua)).unwrap();
    let script = r#"
        local order = {}
        goroutine.spawn(function() order[#order + 1] = nap(20) end)
        order[#order + 1] = nap(5)
        goroutine.wait_all()
        return table.concat(order, " ")
        "#;
    let order: String = block_on(&*backend, lua.load(script).eval_async()).unwrap();
    assert_eq!(order, "5 20");
}

fn a_coroutine_that_rust_resumes_blocks_where_it_is(backend: Carrier) {
    let (_goroutines, lua, _reports) = local(&backend);
    let thread: Thread = run(
        &lua,
        r#"
        return coroutine.create(function(a)
            local ran
            goroutine.spawn(function() ran = "ran" end)
            goroutine.sleep(1)
            local b = coroutine.yield(a + 1)
            goroutine.sleep(1)
            return b .. ran
        end)
        "#,
    );
    assert_eq!(thread.resume::<i64>(1).unwrap(), 2);
    assert_eq!(thread.resume::<String>("it ").unwrap(), "it ran");
}

fn a_callback_of_a_rust_function_cannot_wait_in_a_goroutine(backend: Carrier) {
    if cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit")) {
        return; // the error is Lua's own there
    }
    let (_goroutines, lua, _reports) = local(&backend);
    let calls = lua.create_function(|_, callback: Function| callback.call::<Value>(()));
    lua.globals().set("calls", calls.unwrap()).unwrap();
    let (at_home, ok, error): (String, bool, String) = run(
        &lua,
        r#"
        local function callback() goroutine.sleep(1) return "waited" end
        return calls(callback), goroutine.await(goroutine.async(function() return calls(callback) end))
        "#,
    );
    assert_eq!(at_home, "waited");
    assert!(!ok && error.contains("cannot wait across a C-call boundary"), "{error}");
}

fn two_states_have_goroutines_of_their_own(backend: Carrier) {
    let (goroutines, one, _reports) = local(&backend);
    let two = goroutine::new_state();
    goroutines.local_module(&two).unwrap();
    for lua in [&one, &two] {
        run::<()>(lua, r#"ran = 0 require("goroutine").spawn(function() ran = ran + 1 end)"#);
    }
    run::<()>(&one, r#"require("goroutine").yield()"#);
    assert_eq!(one.globals().get::<i64>("ran").unwrap(), 1);
    assert_eq!(two.globals().get::<i64>("ran").unwrap(), 0);
    drop(one);
    run::<()>(&two, r#"require("goroutine").yield()"#);
    assert_eq!(two.globals().get::<i64>("ran").unwrap(), 1);
}

fn shutting_down_cancels_them_at_the_next_wait(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    run::<()>(
        &lua,
        r#"
        waiting = goroutine.async(function() goroutine.sleep(1e9) end)
        goroutine.yield()
        "#,
    );
    let close = goroutines.closer();
    let _ = thread::spawn(move || close(PATIENCE)).join().unwrap();
    let (ok, why, refused): (bool, String, bool) = run(
        &lua,
        r#"
        local ok, err = waiting:await(30000)
        return ok, tostring(err), pcall(goroutine.spawn, print)
        "#,
    );
    assert_eq!((ok, why.as_str(), refused), (false, "cancelled: shutdown", false));
}

fn shutting_down_from_another_thread_ends_the_wait_for_them(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    let close = goroutines.closer();
    let closing = lua.create_function(move |_, ()| {
        let close = close.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            let _ = close(PATIENCE);
        });
        Ok(())
    });
    lua.globals().set("closing", closing.unwrap()).unwrap();
    let (ok, why): (bool, String) = run(
        &lua,
        r#"
        local waiting = goroutine.async(function() goroutine.sleep(1e9) end)
        closing()
        local ok, err = waiting:await()
        return ok, tostring(err)
        "#,
    );
    assert_eq!((ok, why.as_str()), (false, "cancelled: shutdown"));
}

fn one_who_looks_in_sees_what_they_wait_for_while_the_state_blocks(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    look_for(&lua, goroutines.observer(), |dump| dump.contains("waiting in receive"));
    run::<()>(
        &lua,
        r#"
        local gate = goroutine.channel()
        local function inner() gate:receive() end
        local waiter = goroutine.async(function() inner() end)
        while not seen() do goroutine.sleep(1) end
        gate:close()
        waiter:await()
        "#,
    );
}

fn goroutines_know_from_which_they_descend(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let register = |lua: &Lua| {
        let ids = lua.create_function(|lua, ()| Ok((goroutine::current_id(lua), goroutine::root_id(lua))))?;
        lua.globals().set("ids", ids)
    };
    let goroutines = builder.setup(register).build().unwrap();
    let lua = goroutine::new_state();
    lua.globals().set("goroutine", goroutines.module(&lua).unwrap()).unwrap();
    lua.globals().set("here", goroutines.local_module(&lua).unwrap()).unwrap();
    register(&lua).unwrap();
    let start_by_home = lua.create_function(|lua, ()| {
        goroutine::start_next_as(lua, StartedAs { by_home: true, ..StartedAs::default() });
        Ok(())
    });
    lua.globals().set("start_by_home", start_by_home.unwrap()).unwrap();
    let observer = goroutines.observer();
    let cancel = lua.create_function(move |_, root: u64| {
        observer.cancel_descendants(root, "over");
        Ok(())
    });
    lua.globals().set("cancel_descendants", cancel.unwrap()).unwrap();
    run::<()>(
        &lua,
        r#"
        assert(ids() == nil, "the script is none")
        local function grown(start, generations)
            local id, root = ids()
            if generations == 0 then return id, root end
            local ok, youngest, its = goroutine.await(start(grown, start, generations - 1))
            assert(ok, youngest)
            return id, root, youngest, its
        end
        -- Both with and without what a packet takes: a captured value.
        for _, start in ipairs({ goroutine.async, here.async }) do
            local handle = start(grown, goroutine.async, 3)
            local ok, id, root, youngest, its = handle:await()
            assert(ok and id == root and its == id and youngest ~= id, id)
            assert(handle:id() == id)
        end
        goroutine.pool_create("p", { workers = 1 })
        local ok, id, inner = here.await(here.async(function()
            local _, _, root = goroutine.await(goroutine.pool_async("p", function() return ids() end))
            return ids(), root
        end))
        assert(ok and id == inner, "a task of a pool descends from who submits it")
        -- Those that descend from one can be cancelled, and nobody else is.
        local function forever() goroutine.sleep(1e9) end
        local other = here.async(forever)
        local handles = here.async(function()
            local child = here.async(function()
                local ok, err = goroutine.await(goroutine.async(forever))
                error(err, 0)
            end)
            return child, goroutine.async(forever)
        end)
        local _, local_child, child = handles:await()
        here.sleep(1)
        cancel_descendants(handles:id())
        assert(tostring(select(2, local_child:await())) == "cancelled: over")
        assert(tostring(select(2, child:await())) == "cancelled: over")
        assert(other:status() == "running" or other:status() == "waiting", other:status())
        other:cancel()
        -- One that counts as the home state's, and what it starts, beside what else is started there.
        here.async(function()
            local _, _, before = here.async(ids):await()
            start_by_home()
            local its = here.async(function() return grown(goroutine.async, 2) end)
            local ok, id, root, youngest, of_youngest = its:await()
            assert(ok and id == its:id() and root == id and of_youngest == id and youngest ~= id, id)
            local _, _, after = here.async(ids):await()
            assert(before == ids() and after == before)
            here.wait_all()
        end):await()
        "#,
    );
}
