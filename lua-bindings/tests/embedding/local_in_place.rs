//! Waits of local goroutines that block in place: in coroutines which older references to `coroutine.resume` have resumed.

use crate::support::{Carrier, builder, home, run};

crate::under_each_backend! {
    a_wait_in_place_that_holds_up_who_could_end_it_is_a_deadlock
    waits_in_place_that_hold_up_each_other_are_deadlocks
    what_is_held_up_is_over_in_time_and_named
}

/// Runs a script that has both references, in a runtime that looks for deadlocks. Gives what was reported.
fn run_with_older(backend: &Carrier, source: &str) -> Vec<String> {
    let (builder, reports) = builder(backend, 1);
    let goroutines = builder.detect_deadlocks(true).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        &format!(
            "local resume, wrap, create = coroutine.resume, coroutine.wrap, coroutine.create goroutine = require('goroutine.local') {source}"
        ),
    );
    let reports = reports.take();
    let (warnings, others): (Vec<_>, Vec<_>) = reports
        .into_iter()
        .partition(|report| report.starts_with("warning: a goroutine of goroutine.local waits"));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    others
}

fn a_wait_in_place_that_holds_up_who_could_end_it_is_a_deadlock(backend: Carrier) {
    let reports = run_with_older(
        &backend,
        r#"
        local ch, ok, err = goroutine.channel(), nil, nil
        goroutine.spawn(function() ok, err = resume(create(function() assert(ch:receive()) end)) end)
        goroutine.sleep(1)
        -- It was over long ago, but the other was on top of it.
        assert(ok == false, tostring(ok))
        assert(err:find("^script.lua:3: all goroutines are asleep %- deadlock!\nthe script: waiting in sleep\n"), err)
        assert(err:find("waiting in receive for", 1, true) and err:find("load goroutine.local first", 1, true), err)
        -- Nothing is left of it.
        local got = goroutine.async(function() return ch:receive() end)
        assert(ch:send("sent") == true)
        assert(select(2, got:await()) == "sent")
        "#,
    );
    assert!(reports.is_empty(), "{reports:?}");
}

fn waits_in_place_that_hold_up_each_other_are_deadlocks(backend: Carrier) {
    let reports = run_with_older(
        &backend,
        r#"
        local ch, mutex, locked = goroutine.channel(), goroutine.mutex(), 0
        local producer = goroutine.async(function()
          wrap(function() goroutine.sleep(1) end)()
          return ch:send("from the producer", 1)
        end)
        local consumer = goroutine.async(function() return wrap(function() return ch:receive() end)() end)
        local lockers = {}
        for i = 1, 3 do
          lockers[i] = goroutine.async(function()
            wrap(function() mutex:lock() goroutine.sleep(1) locked = locked + 1 mutex:unlock() end)()
          end)
        end
        local failed = 0
        for _, handle in ipairs({ consumer, lockers[1], lockers[2], lockers[3] }) do
          local ok, err = handle:await()
          if not ok then
            assert(err:find("all goroutines are asleep - deadlock!", 1, true) and err:find("load goroutine.local first", 1, true), err)
            failed = failed + 1
          end
        end
        assert(failed + locked >= 3, failed .. " " .. locked)
        local ok, sent, why = producer:await()
        assert(ok and (sent == true or why == "timeout exceeded"), tostring(sent))
        -- Who held a lock and failed has given it back.
        mutex:lock()
        mutex:unlock()
        "#,
    );
    assert!(reports.is_empty(), "{reports:?}");
}

fn what_is_held_up_is_over_in_time_and_named(backend: Carrier) {
    let reports = run_with_older(
        &backend,
        r#"
        local gate, dump = goroutine.channel(), nil
        local first = goroutine.async(function() return wrap(function() return gate:receive(1) end)() end)
        local second = goroutine.async(function()
          return wrap(function()
            goroutine.sleep(20)
            dump = goroutine.dump()
            gate:send("too late", 0)
          end)()
        end)
        first:name("the first")
        second:name("the second")
        local ok, value, received, why = first:await()
        assert(ok and value == nil and received == false and why == "timeout exceeded", tostring(value))
        assert(second:await())
        for _, name in ipairs({ "the first", "the second" }) do
          local told = dump:match("'" .. name .. "' [^\n]*")
          assert(told and not told:find("busy", 1, true), dump)
        end
        "#,
    );
    assert!(reports.is_empty(), "{reports:?}");
}
