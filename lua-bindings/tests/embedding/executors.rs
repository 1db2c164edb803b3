//! Home states whose scripts run inside an embedder's executor, by mlua's `call_async` and `exec_async`: their blocking calls
//! yield to it.

#[cfg(feature = "backend-tokio")]
mod tokio_runtimes;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::{self, block_on, poll_once};
use mlua::{FromLuaMulti, Lua};

use crate::support::{Carrier, builder, home, run, started};

crate::under_each_backend! {
    a_blocking_call_lets_other_scripts_of_the_state_run
    every_way_to_wait_yields
    a_script_whose_future_is_dropped_takes_no_value_with_it
    errors_name_the_line_of_the_script
    a_coroutine_of_the_scripts_own_blocks_and_is_never_shown_a_yield
    a_call_across_a_c_function_blocks
    goroutines_of_the_state_itself_run_while_scripts_wait
    several_scripts_that_wait_serve_goroutines_of_the_state
    an_interruption_ends_a_wait_in_an_executor
}

/// Runs a script that is called `script.lua` in an executor.
async fn script<R: FromLuaMulti>(lua: &Lua, source: &str) -> R {
    match lua.load(source).set_name("@script.lua").call_async(()).await {
        Ok(results) => results,
        Err(error) => panic!("{error}\nin:{source}"),
    }
}

/// Polls a script until it waits.
async fn until_it_waits<F: Future + Unpin>(script: F) -> F {
    let mut script = script;
    assert!(poll_once(&mut script).await.is_none(), "the script has not waited");
    script
}

fn a_blocking_call_lets_other_scripts_of_the_state_run(backend: Carrier) {
    let (_goroutines, lua, _reports) = started(&backend, 1);
    run::<()>(&lua, "there, back = goroutine.channel(), goroutine.channel()");
    let first = script::<String>(&lua, "there:send('question') return (back:receive())");
    let second = script::<String>(&lua, "local got = there:receive() back:send('answer') return got");
    // They wait for each other, on one thread.
    let (answer, question) = block_on(future::zip(first, second));
    assert_eq!((answer.as_str(), question.as_str()), ("answer", "question"));
}

fn every_way_to_wait_yields(backend: Carrier) {
    let (_goroutines, lua, _reports) = started(&backend, 2);
    run::<()>(
        &lua,
        r#"
        gate = goroutine.channel()
        function later(...) gate:receive() return ... end
        "#,
    );
    for source in [
        "return select(2, goroutine.await(goroutine.async(later, 7)))",
        "return select(2, goroutine.async(later, 7):await())",
        "return goroutine.await_all({ goroutine.async(later, 7) })[1].values[1]",
        "return select(3, goroutine.await_any({ goroutine.async(later, 7) }))",
        "goroutine.spawn(later) goroutine.wait_all() return 7",
        "return goroutine.scope(function(scope) scope:spawn(later) return 7 end)",
        "return select(2, goroutine.timeout(30000, function() gate:receive() return 7 end))",
        "goroutine.select({ { channel = gate, receive = true } }) return 7",
        "for _ in gate:iter() do end return 7",
        "gate:range(print) return 7",
        "local group = goroutine.wait_group() group:add(1)
        goroutine.spawn(function() later() group:done() end) group:wait() return 7",
        "goroutine.pool_create('one', { workers = 1 }) goroutine.pool_submit('one', later) goroutine.pool_wait('one') return 7",
        "goroutine.pool_create('two', { workers = 1 }) return goroutine.pool_map('two', { 7 }, later)[1]",
        "local mutex, locked = goroutine.mutex(), goroutine.channel()
        goroutine.spawn(function() mutex:lock() locked:send(true) later() mutex:unlock() end)
        locked:receive() mutex:lock() mutex:unlock() return 7",
        "goroutine.sleep(1) goroutine.yield() later() return 7",
        "local ok, got = pcall(later, 7) return got",
    ] {
        if cfg!(feature = "lua51") && (source.contains("pcall") || source.contains("iter()")) {
            continue; // nothing yields across these there
        }
        let mut waiting = pin!(script::<i64>(&lua, source));
        let opened = future::poll_fn(|cx| {
            // The script has yielded if this is ever reached, and its goroutine waits at the gate or will find it closed.
            assert!(waiting.as_mut().poll(cx).is_pending(), "it has not waited: {source}");
            Poll::Ready(())
        });
        block_on(opened);
        run::<()>(&lua, "gate:close()");
        assert_eq!(block_on(waiting), 7, "{source}");
        run::<()>(&lua, "gate = goroutine.channel()");
    }
}

fn a_script_whose_future_is_dropped_takes_no_value_with_it(backend: Carrier) {
    let (_goroutines, lua, _reports) = started(&backend, 1);
    run::<()>(&lua, "channel = goroutine.channel()");
    block_on(async {
        let waiting = until_it_waits(Box::pin(script::<i64>(&lua, "return (channel:receive())"))).await;
        drop(waiting);
        let received = until_it_waits(Box::pin(script::<i64>(&lua, "return (channel:receive())"))).await;
        run::<()>(&lua, "channel:send(1)");
        assert_eq!(received.await, 1);
    });
}

fn errors_name_the_line_of_the_script(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 1);
    let failed = |source: &str| -> String {
        let outcome = block_on(async {
            let call = lua.load(source).set_name("@script.lua").call_async::<()>(());
            let call = until_it_waits(Box::pin(call)).await;
            let _ = goroutines.closer()(Duration::from_secs(30));
            call.await
        });
        outcome.unwrap_err().to_string()
    };
    let error = failed(
        "local started = goroutine.async(goroutine.sleep, 1e9)
        local ok, why = started:await()
        goroutine.sleep('long')",
    );
    assert!(error.contains("script.lua:3: "), "{error}");
}

fn a_coroutine_of_the_scripts_own_blocks_and_is_never_shown_a_yield(backend: Carrier) {
    let (_goroutines, lua, _reports) = started(&backend, 1);
    let seen: String = block_on(script(
        &lua,
        r#"
        local co = coroutine.wrap(function()
            local _, value = goroutine.await(goroutine.async(function() goroutine.sleep(5) return "through" end))
            coroutine.yield(value)
            return "the end"
        end)
        return co() .. ", " .. co()
        "#,
    ));
    assert_eq!(seen, "through, the end");
}

fn a_call_across_a_c_function_blocks(backend: Carrier) {
    if cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit")) {
        return; // Lua's own error, there
    }
    let (_goroutines, lua, _reports) = started(&backend, 1);
    let sorted: String = block_on(script(
        &lua,
        r#"
        local list = { 3, 1, 2 }
        table.sort(list, function(a, b) goroutine.sleep(1) return a < b end)
        return table.concat(list)
        "#,
    ));
    assert_eq!(sorted, "123");
}

fn goroutines_of_the_state_itself_run_while_scripts_wait(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.lazy(true).build().unwrap();
    let lua = home(&goroutines);
    let module = goroutines.local_module(&lua).unwrap();
    lua.globals().set("here", module).unwrap();
    let sum: i64 = block_on(script(
        &lua,
        r#"
        local sum = 0
        here.spawn_many(10, function(n) here.sleep(n % 3) sum = sum + n end)
        here.wait_all()
        return sum
        "#,
    ));
    assert_eq!(sum, 55);
}

fn several_scripts_that_wait_serve_goroutines_of_the_state(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.lazy(true).build().unwrap();
    let lua = home(&goroutines);
    let module = goroutines.local_module(&lua).unwrap();
    lua.globals().set("here", module).unwrap();
    run::<()>(&lua, "left, gate = {}, here.channel()");
    let long = script::<String>(
        &lua,
        r#"
        local worker = here.async(function() gate:receive() here.sleep(5) return "served" end)
        return (select(2, worker:await()))
        "#,
    );
    // It comes later, ends sooner, and so was the last one to leave a waker when it went.
    let short = script::<()>(&lua, "here.async(function() here.sleep(1) end):await() gate:send(true)");
    let (served, ()) = block_on(future::zip(long, short));
    assert_eq!(served, "served");
}

fn an_interruption_ends_a_wait_in_an_executor(backend: Carrier) {
    let (goroutines, lua, _reports) = started(&backend, 1);
    let error = block_on(async {
        let call = lua.load("goroutine.sleep(1e9)").set_name("@script.lua").exec_async();
        let call = until_it_waits(Box::pin(call)).await;
        let interrupt = goroutines.interrupter();
        let elsewhere = std::thread::spawn(move || interrupt(Duration::from_secs(30)));
        let error = call.await.unwrap_err();
        let _ = elsewhere.join().unwrap();
        error
    });
    assert!(error.to_string().contains("script.lua:1: interrupted"), "{error}");
}
