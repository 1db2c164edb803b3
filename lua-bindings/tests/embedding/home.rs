//! Home states that can be interrupted while they compute.
#![cfg(not(feature = "luajit"))] // a compiled loop sees no hook

use std::thread;
use std::time::Duration;

use goroutine::{Goroutines, StartedAs};
use mlua::{Function, Lua};

use super::local::local;
use crate::support::{CLOSES_VARIABLES, Carrier, PATIENCE, builder, look_for, run};

crate::under_each_backend! {
    one_who_looks_in_sees_what_they_do
    those_that_go_ahead_do_so_while_another_computes
    one_that_is_interruptible_ends_when_it_is_cancelled_though_it_computes
    others_end_when_they_have_computed
    what_a_cancelled_one_waits_for_can_be_ended_while_another_computes
    a_script_that_computes_hears_of_an_interrupt_where_it_is
    what_computes_is_left_as_it_was
}

fn one_who_looks_in_sees_what_they_do(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    look_for(&lua, goroutines.observer(), |dump| {
        dump.contains(": running\n") && dump.contains("script.lua:2: in ")
    });
    let script = r#"local seen = seen
        local function inner() while not seen() do end end
        goroutine.async(function() inner() return 1 end):await()
    "#;
    goroutines.interruptible(&lua, || run::<()>(&lua, script)).unwrap();
}

/// Gives `gate()`, `ahead()` and `interruptible()`, which concern the goroutine that runs or is started next, and runs the script.
fn interruptibly(goroutines: &Goroutines, lua: &Lua, script: &str) {
    let ahead = lua.create_function(|lua, ()| {
        let place = Some("the embedder".into());
        goroutine::start_next_as(lua, StartedAs { place, ahead: true, by_home: false });
        Ok(())
    });
    let interruptible = lua.create_function(|lua, ()| {
        goroutine::interrupt_when_cancelled(lua);
        Ok(())
    });
    let end_wait = lua.create_function(|lua, id: u64| Ok(goroutine::end_wait(lua, id)));
    lua.globals().set("ahead", ahead.unwrap()).unwrap();
    lua.globals().set("interruptible", interruptible.unwrap()).unwrap();
    lua.globals().set("end_wait", end_wait.unwrap()).unwrap();
    goroutines.interruptible(lua, || run::<()>(lua, script)).unwrap();
}

fn those_that_go_ahead_do_so_while_another_computes(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    interruptibly(
        &goroutines,
        &lua,
        r#"
        local over, others = false, 0
        ahead()
        local first = goroutine.async(function()
          for _ = 1, 3 do goroutine.sleep(1) end
          ahead()
          goroutine.async(function() over = true end)
        end)
        local computing = goroutine.async(function()
          goroutine.async(function() others = others + 1 end)
          while not over do end
          return others
        end)
        local ok, seen = computing:await()
        assert(ok and seen == 0, "the script's own wait until the one that computes has ended")
        assert(first:done())
        "#,
    );
}

fn one_that_is_interruptible_ends_when_it_is_cancelled_though_it_computes(backend: Carrier) {
    if !CLOSES_VARIABLES {
        return;
    }
    let (goroutines, lua, _reports) = local(&backend);
    interruptibly(
        &goroutines,
        &lua,
        r#"
        local closed, caught, began = 0, 0
        local function endless() began = true while true do end end
        local function cancelled(fn)
          began = false
          local handle = goroutine.async(fn)
          ahead()
          goroutine.async(function()
            repeat goroutine.sleep(1) until began
            handle:cancel("enough")
          end)
          local ok, err = handle:await()
          assert(not ok and goroutine.is_cancelled(err), tostring(err))
        end
        cancelled(function()
          interruptible()
          local variable <close> = setmetatable({}, { __close = function() for _ = 1, 1e5 do end closed = closed + 1 end })
          endless()
        end)
        assert(closed == 1, closed)
        cancelled(function()
          interruptible()
          while true do
            local _, err = pcall(endless)
            caught = caught + 1
          end
        end)
        assert(caught > 0, caught)
        cancelled(function()
          interruptible()
          while true do pcall(coroutine.wrap(endless)) end
        end)
        cancelled(function()
          interruptible()
          local ended <close> = setmetatable({}, { __close = endless })
          endless()
        end)
        "#,
    );
}

fn others_end_when_they_have_computed(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    interruptibly(
        &goroutines,
        &lua,
        r#"
        local began, told, finished = false, false, false
        local handle = goroutine.async(function()
          began = true
          while not told do end
          for _ = 1, 1e6 do end
          finished = true
        end)
        ahead()
        goroutine.async(function()
          repeat goroutine.sleep(1) until began
          handle:cancel()
          told = true
        end)
        handle:await()
        assert(finished, "goroutine.local is as ever")
        "#,
    );
}

fn what_a_cancelled_one_waits_for_can_be_ended_while_another_computes(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    interruptibly(
        &goroutines,
        &lua,
        r#"
        local mutex, began, computed, over = goroutine.mutex(), false, false, false
        mutex:lock()
        local waiting = goroutine.async(function() mutex:lock() end)
        goroutine.yield()
        assert(waiting:status() == "waiting")
        goroutine.async(function()
          began = true
          while not over do end
          computed = true
        end)
        ahead()
        goroutine.async(function()
          repeat goroutine.sleep(1) until began
          waiting:cancel()
          assert(end_wait(waiting:id()) == false, "it has to wait for its turn")
          over = true
        end)
        local ok, err = waiting:await()
        assert(not ok and goroutine.is_cancelled(err), tostring(err))
        assert(computed, "it has waited for its turn")
        assert(end_wait(waiting:id()) == true, "nothing computes")
        "#,
    );
}

fn a_script_that_computes_hears_of_an_interrupt_where_it_is(backend: Carrier) {
    let (goroutines, lua, _reports) = local(&backend);
    let interrupt = goroutines.interrupter();
    let begin = lua.create_function(move |_, ()| {
        let interrupt = interrupt.clone();
        thread::spawn(move || interrupt(PATIENCE));
        Ok(())
    });
    lua.globals().set("begin", begin.unwrap()).unwrap();
    interruptibly(
        &goroutines,
        &lua,
        r#"begin()
        local ok, err = pcall(function()
          while true do end
        end)
        assert(not ok and err == "script.lua:3: interrupted", err)
        "#,
    );
}

/// What a function computes that calls, resumes, raises, catches and allocates, with a hook of its own: the same each time.
const COMPUTES: &str = r#"
    local concat, insert = table.concat, table.insert
    return function(rounds)
      local sum, lines = 0, 0
      local object = setmetatable({}, { __index = function(_, key) return #key end, __add = function(_, n) return n + 1 end })
      local function generate(n)
        return coroutine.wrap(function()
          for i = 1, n do
            local ok, err = pcall(error, { i })
            coroutine.yield(ok and 0 or err[1])
          end
        end)
      end
      local hooked = coroutine.create(function(n)
        debug.sethook(function() lines = lines + 1 end, "l")
        local x = 0
        for i = 1, n do
          x = x + i
        end
        debug.sethook()
        return x
      end)
      for round = 1, rounds do
        for value in generate(20) do sum = (sum * 31 + value) % 1000003 end
        local parts = {}
        for i = 1, 50 do insert(parts, i .. ":" .. round) end
        local text = concat(parts, ","):gsub("%d+", function(digits) return #digits end)
        for i = 1, #text, 7 do sum = (sum + text:byte(i) * i) % 1000003 end
        sum = (sum + object[parts[1]] + (object + round)) % 1000003
        local t = {}
        for i = 1, 100 do t[i] = (i * 7919 + round) % 101 end
        table.sort(t, function(a, b) return a > b end)
        sum = (sum + t[50] * round) % 1000003
      end
      local ok, x = coroutine.resume(hooked, 200)
      return sum, ok and x, lines
    end
"#;

fn what_computes_is_left_as_it_was(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let slice = Duration::from_micros(100);
    let goroutines = builder.lazy(true).time_slice(slice).build().unwrap();
    let lua = goroutine::new_state();
    lua.globals().set("goroutine", goroutines.local_module(&lua).unwrap()).unwrap();
    lua.globals().set("compute", run::<Function>(&lua, COMPUTES)).unwrap();
    let rounds = if cfg!(debug_assertions) { 3000 } else { 20_000 };
    let alone: (i64, i64, i64) = run(&lua, &format!("return compute({rounds})"));
    lua.globals().set("rounds", rounds).unwrap();
    lua.globals().set("alone", alone.0).unwrap();
    // Elsewhere lines are missed while ours has the place of the script's hook.
    let sees_all = cfg!(any(feature = "lua54", feature = "lua55"));
    lua.globals().set("lines", sees_all.then_some(alone.2)).unwrap();
    interruptibly(
        &goroutines,
        &lua,
        r#"
        local ticks, over = 0, false
        ahead()
        goroutine.async(function()
          while not over do
            goroutine.sleep(0.1)
            ticks = ticks + 1
            local garbage = { ticks, tostring(ticks) }
          end
        end)
        local handle = goroutine.async(function()
          interruptible()
          return compute(rounds)
        end)
        local _, sum, x, seen = handle:await()
        over = true
        assert(sum == alone and x == 20100 and seen == (lines or seen), sum .. " " .. x .. " " .. seen)
        assert(ticks > 0, "it was interrupted")
        assert(compute(rounds) == alone, "the script, too")
        "#,
    );
}
