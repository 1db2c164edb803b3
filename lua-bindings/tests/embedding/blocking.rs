//! C functions that keep their isolate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use mlua::Lua;

use crate::support::{Carrier, builder, eventually, home, run};

crate::under_each_backend! {
    spares_take_over_from_isolates_that_are_asleep_in_a_function
    a_spare_takes_over_from_an_isolate_that_computes_in_a_function
    one_that_computes_in_a_function_after_a_wait_holds_up_no_start
    the_bound_of_spares_is_told
}

/// A place where everybody waits, on the thread, until so many have come.
#[derive(Clone)]
struct Meeting(Arc<(Mutex<usize>, Condvar)>, usize);

impl Meeting {
    fn of(count: usize) -> Self {
        Self(Arc::default(), count)
    }

    /// Registers `meet()`.
    fn register(&self, lua: &Lua) -> mlua::Result<()> {
        let this = self.clone();
        let meet = lua.create_function(move |_, ()| {
            let Meeting(shared, count) = &this;
            let (here, all) = &**shared;
            let mut here = here.lock().unwrap();
            *here += 1;
            all.notify_all();
            while *here < *count {
                here = all.wait(here).unwrap();
            }
            Ok(*count)
        })?;
        lua.globals().set("meet", meet)
    }
}

fn spares_take_over_from_isolates_that_are_asleep_in_a_function(backend: Carrier) {
    let meeting = Meeting::of(20);
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(move |lua| meeting.register(lua)).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local handles, blocked = {}, 0
        for i = 1, 20 do handles[i] = goroutine.async(function() return meet() end) end
        for i = 1, 20 do
            local ok, count = handles[i]:await(60000)
            assert(ok and count == 20, tostring(count))
            blocked = math.max(blocked, goroutine.stats().blocked)
        end
        assert(blocked >= 18 and goroutine.stats().isolates >= 20, blocked)
        "#,
    );
    eventually("those that are idle have ended", || {
        lua.load("local stats = goroutine.stats() return stats.blocked == 0 and stats.isolates == 2")
            .eval()
            .unwrap()
    });
}

/// Registers `spin()`, which computes until somebody calls `stop()`.
fn register_spin(lua: &Lua, stop: &Arc<AtomicBool>) -> mlua::Result<()> {
    let (spinning, stopping) = (Arc::clone(stop), Arc::clone(stop));
    let spin = lua.create_function(move |_, ()| {
        while !spinning.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        Ok(())
    })?;
    lua.globals().set("spin", spin)?;
    let stop = lua.create_function(move |_, ()| {
        stopping.store(true, Ordering::SeqCst);
        Ok(())
    })?;
    lua.globals().set("stop", stop)
}

fn a_spare_takes_over_from_an_isolate_that_computes_in_a_function(backend: Carrier) {
    let stop = Arc::new(AtomicBool::new(false));
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(move |lua| register_spin(lua, &stop)).build().unwrap();
    run::<()>(
        &home(&goroutines),
        r#"
        local computing = goroutine.async(function() spin() return "stopped" end)
        assert(goroutine.async(function() stop() end):await(60000))
        local ok, how = computing:await(60000)
        assert(ok and how == "stopped", how)
        "#,
    );
}

/// There are no spares: what starts has to be taken by the isolate that has nothing to do, each time.
fn one_that_computes_in_a_function_after_a_wait_holds_up_no_start(backend: Carrier) {
    let stop = Arc::new(AtomicBool::new(false));
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(move |lua| register_spin(lua, &stop)).lazy(true).build().unwrap();
    run::<()>(
        &home(&goroutines),
        r#"
        goroutine.configure({ max_blocked = 1 })
        local spins = goroutine.channel(1)
        local computing = goroutine.async(function()
            goroutine.sleep(1)
            spins:send(true)
            spin()
            return "stopped"
        end)
        spins:receive()
        for i = 1, 200 do
            local ok, n = goroutine.async(function() return i end):await(60000)
            assert(ok and n == i, n)
        end
        assert(goroutine.async(function() stop() end):await(60000))
        local ok, how = computing:await(60000)
        assert(ok and how == "stopped", how)
        "#,
    );
}

fn the_bound_of_spares_is_told(backend: Carrier) {
    // More than there can be isolates, so that it is over only when the last has come from home.
    let meeting = Meeting::of(7);
    let (builder, reports) = builder(&backend, 1);
    let isolates = meeting.clone();
    let goroutines = builder.setup(move |lua| isolates.register(lua)).lazy(true).build().unwrap();
    let lua = home(&goroutines);
    meeting.register(&lua).unwrap();
    run::<()>(
        &lua,
        r#"
        goroutine.configure({ max_blocked = 2 })
        all = {}
        for i = 1, 6 do all[i] = goroutine.async(function() return meet() end) end
        "#,
    );
    reports.wait_for(1);
    let told = reports.take();
    assert!(told[0].contains("2 isolates are blocked") && told[0].contains("max_blocked"), "{told:?}");
    // Those that could not start come after the first have ended.
    {
        let Meeting(shared, _) = &meeting;
        *shared.0.lock().unwrap() += 7;
        shared.1.notify_all();
    }
    run::<()>(&lua, "for _, handle in ipairs(all) do assert(handle:await(60000)) end");
}
