//! The embedder's async functions, called by goroutines.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::{Lua, MultiValue};
use runtime_core::WaitGroup;

use crate::support::{Carrier, PATIENCE, builder, eventually, home, run};

crate::under_each_backend! {
    async_functions_of_many_goroutines_overlap_in_one_isolate
    an_async_function_gives_all_its_values
    our_own_calls_work_before_and_after_an_async_function
    an_async_function_works_in_a_nested_coroutine
    pcall_catches_an_error_after_an_async_function
    a_wait_that_c_forbids_leaves_nothing_for_an_async_function
    cancelling_works_in_our_waits_after_an_async_function
    results_after_an_async_function_are_checked_like_others
    cancelling_drops_the_future
    shutting_down_drops_the_future
}

/// Adds one to a count as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `echo(...)`: gives its arguments, after a turn of the executor.
fn register_echo(lua: &Lua) -> mlua::Result<()> {
    let echo = lua.create_async_function(|_, values: MultiValue| async move {
        futures_lite::future::yield_now().await;
        Ok(values)
    })?;
    lua.globals().set("echo", echo)
}

fn async_functions_of_many_goroutines_overlap_in_one_isolate(backend: Carrier) {
    const MANY: usize = 50;
    // Nobody gets through before all are there.
    let group = WaitGroup::new();
    group.add(MANY as i64).unwrap();
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder
        .setup(move |lua| {
            let group = group.clone();
            let meet = lua.create_async_function(move |_, ()| {
                let group = group.clone();
                async move {
                    group.done().map_err(mlua::Error::external)?;
                    group.wait().await;
                    Ok("met")
                }
            })?;
            lua.globals().set("meet", meet)
        })
        .build()
        .unwrap();
    let lua = home(&goroutines);
    let met: usize = run(
        &lua,
        r#"
        local met = 0
        for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(50, function() return meet() end), 30000)) do
          assert(result.success, result.error)
          assert(result.values[1] == "met")
          met = met + 1
        end
        return met
        "#,
    );
    assert_eq!(met, MANY);
}

fn an_async_function_gives_all_its_values(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r##"
        local function count(...) return select("#", ...), ... end
        for _ = 1, 20 do
          local ok, n, a, b, c, d = goroutine.await(goroutine.async(function() return count(echo(nil, "x", nil)) end))
          assert(ok, n)
          assert(n == 3 and a == nil and b == "x" and c == nil and d == nil)
          local _, none = goroutine.await(goroutine.async(function() return count(echo()) end))
          assert(none == 0)
          local _, list = goroutine.await(goroutine.async(function() return echo({ 1, { 2 } }) end))
          assert(list[2][1] == 2)
        end
        "##,
    );
}

fn our_own_calls_work_before_and_after_an_async_function(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local channel = goroutine.channel()
        local handle = goroutine.async(function()
          local sum = 0
          for i = 1, 20 do
            goroutine.sleep(0.5)
            sum = sum + echo(i)
            channel:send(sum)
            sum = echo(sum)
            local ok, inner = goroutine.await(goroutine.async(function(n) return echo(n) + echo(1) end, i))
            assert(ok and inner == i + 1, tostring(inner))
          end
          channel:close()
          assert(goroutine.current():status() == "running")
          return sum, goroutine.current():id()
        end)
        local last, count = 0, 0
        for value in channel:iter() do last, count = value, count + 1 end
        assert(last == 210 and count == 20, last .. ", " .. count)
        local ok, sum, id = handle:await()
        assert(ok, sum)
        assert(sum == 210 and id == handle:id())
        assert(handle:status() == "done")
        "#,
    );
}

fn an_async_function_works_in_a_nested_coroutine(backend: Carrier) {
    if cfg!(feature = "lua51") {
        return; // Lua 5.1 cannot wait inside `pcall`, and forgets no wait that C forbade.
    }
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local ok, text = goroutine.await(goroutine.async(function()
          local list = {}
          local generator = coroutine.wrap(function()
            for i = 1, 5 do
              coroutine.yield(echo(i))
              goroutine.sleep(0.5)
            end
          end)
          for value in generator do
            list[#list + 1] = value
            goroutine.yield()
          end
          return table.concat(list, ",")
        end))
        assert(ok and text == "1,2,3,4,5", tostring(text))
        "#,
    );
}

fn pcall_catches_an_error_after_an_async_function(backend: Carrier) {
    if cfg!(feature = "lua51") {
        return; // Lua 5.1 cannot wait inside `pcall`, and forgets no wait that C forbade.
    }
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local ok, caught, text, after = goroutine.await(goroutine.async(function()
          local ok, err = pcall(function()
            echo(1)
            error("caught", 0)
          end)
          return ok, err, echo("after")
        end))
        assert(ok and caught == false and text == "caught" and after == "after", tostring(text))
        local ok, err, traceback = goroutine.await(goroutine.async(function()
          echo(1)
          error({ code = 7 })
        end))
        assert(not ok and type(err) == "table" and err.code == 7, tostring(err))
        assert(traceback:sub(1, 15) == "stack traceback", traceback)
        "#,
    );
}

fn a_wait_that_c_forbids_leaves_nothing_for_an_async_function(backend: Carrier) {
    if cfg!(feature = "lua51") {
        return; // Lua 5.1 cannot wait inside `pcall`, and forgets no wait that C forbade.
    }
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local ok, sorted, echoed, received = goroutine.await(goroutine.async(function()
          local sorted = pcall(table.sort, { 3, 1, 2 }, function(a, b)
            goroutine.sleep(1e9) -- cannot wait here
            return a < b
          end)
          local echoed = echo("echoed")
          pcall(string.gsub, "abc", "%a", function() goroutine.channel():receive() end)
          local channel = goroutine.channel(1)
          channel:send(echo("received"))
          return sorted, echoed, (channel:receive())
        end), 20000)
        assert(ok, sorted)
        assert(sorted == false and echoed == "echoed" and received == "received", tostring(echoed))
        "#,
    );
}

fn cancelling_works_in_our_waits_after_an_async_function(backend: Carrier) {
    if !crate::support::CLOSES_VARIABLES {
        return;
    }
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local seen, closed = goroutine.atomic_int(), goroutine.atomic_int()
        local handles = goroutine.spawn_many(20, function()
          local guard <close> = setmetatable({}, { __close = function() closed:add() end })
          echo("driven")
          for _ = 1, 3 do
            local ok, err = pcall(goroutine.sleep, 1e9)
            if not ok and goroutine.is_cancelled(err) then seen:add() end
          end
          goroutine.channel():receive()
        end)
        for _, handle in ipairs(handles) do
          while handle:status() ~= "waiting" do goroutine.sleep(0.1) end
          goroutine.sleep(0.1)
          handle:cancel("enough")
        end
        for _, handle in ipairs(handles) do
          local ok, err = handle:await(20000)
          assert(not ok and tostring(err) == "cancelled: enough", tostring(err))
          assert(handle:status() == "cancelled", handle:status())
        end
        -- One that was cancelled in `echo` itself has seen nothing.
        assert(seen:load() % 3 == 0 and seen:load() > 0, seen:load())
        assert(closed:load() == 20, closed:load())
        "#,
    );
}

fn results_after_an_async_function_are_checked_like_others(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(register_echo).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        local ok, err = goroutine.await(goroutine.async(function()
          return { log = { file = echo(io.tmpfile()) } }
        end))
        assert(not ok and err:find("log.file", 1, true), tostring(err))
        local ok, err = goroutine.await(goroutine.async(function()
          echo(1)
          coroutine.yield(1)
        end))
        assert(not ok and err:find("attempt to yield from outside a coroutine", 1, true), tostring(err))
        local ok, alive = goroutine.await(goroutine.async(function() return echo("alive") end))
        assert(ok and alive == "alive")
        "#,
    );
}

/// `hang()`: never ends; the count says how many futures of it live.
fn register_hang(count: &Arc<AtomicUsize>) -> impl Fn(&Lua) -> mlua::Result<()> + Send + Sync + use<> {
    let count = Arc::clone(count);
    move |lua| {
        let count = Arc::clone(&count);
        let hang = lua.create_async_function(move |_, ()| {
            let counted = Counted::new(&count);
            async move {
                std::future::pending::<()>().await;
                drop(counted);
                Ok(())
            }
        })?;
        lua.globals().set("hang", hang)
    }
}

fn cancelling_drops_the_future(backend: Carrier) {
    if !crate::support::CLOSES_VARIABLES {
        return;
    }
    let count = Arc::new(AtomicUsize::new(0));
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_hang(&count)).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(
        &lua,
        r#"
        closed = goroutine.atomic_int()
        handles = goroutine.spawn_many(20, function()
          local guard <close> = setmetatable({}, { __close = function() closed:add() end })
          hang()
        end)
        "#,
    );
    eventually("all hang", || count.load(Ordering::SeqCst) == 20);
    run::<()>(
        &lua,
        r#"
        for _, handle in ipairs(handles) do handle:cancel("enough") end
        for _, handle in ipairs(handles) do
          local ok, err = handle:await(30000)
          assert(not ok and tostring(err) == "cancelled: enough", tostring(err))
          assert(handle:status() == "cancelled")
        end
        assert(closed:load() == 20, closed:load())
        assert(select(2, goroutine.timeout(20, function() hang() end)) == "timeout exceeded")
        "#,
    );
    eventually("all futures are dropped", || count.load(Ordering::SeqCst) == 0);
}

fn shutting_down_drops_the_future(backend: Carrier) {
    let count = Arc::new(AtomicUsize::new(0));
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.setup(register_hang(&count)).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(&lua, "goroutine.spawn_many(20, function() hang() end)");
    eventually("all hang", || count.load(Ordering::SeqCst) == 20);
    assert_eq!(goroutines.shutdown(PATIENCE), goroutine::Shutdown::Complete);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[cfg(feature = "backend-tokio")]
#[test]
fn under_tokio_async_functions_may_use_tokio() {
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_millis(100);
    let backend: Carrier = Arc::new(goroutine::backend_tokio::Tokio::new());
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder
        .setup(|lua| {
            let nap = lua.create_async_function(|_, ()| async {
                let handle = ::tokio::spawn(async {
                    ::tokio::time::sleep(LONG).await;
                    "rested"
                });
                handle.await.map_err(mlua::Error::external)
            })?;
            lua.globals().set("nap", nap)
        })
        .build()
        .unwrap();
    let lua = home(&goroutines);
    let begun = Instant::now();
    let rested: usize = run(
        &lua,
        r#"
        local rested = 0
        for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(100, function() return nap() end))) do
          assert(result.success, result.error)
          if result.values[1] == "rested" then rested = rested + 1 end
        end
        return rested
        "#,
    );
    assert_eq!(rested, 100);
    let took = begun.elapsed();
    assert!(took >= LONG && took < 50 * LONG, "one after another they take 10 s; it took {took:?}");
}
