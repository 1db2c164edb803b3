//! How goroutines that compute are interrupted: by which signal, beside whose handlers, and what there is without signals.

use goroutine::Interrupt;

use crate::support::{Carrier, builder, home, run};

crate::under_each_backend! {
    a_hook_interrupts_where_no_signal_may
    without_interrupts_a_goroutine_keeps_its_isolate_until_it_waits
    a_handler_that_was_there_before_gets_the_signals_of_others
    nothing_is_installed_before_the_first_goroutine
    what_is_no_signal_is_a_build_error
}

/// Cancels what computes without end, which can be done only by interrupting it.
const STOPS: &str = r#"
    local function endless() while true do end end
    local handle = goroutine.async(endless)
    repeat goroutine.sleep(1) until handle:status() == "running"
    handle:cancel("enough")
    local ok, err = handle:await(20000)
    assert(not ok and goroutine.is_cancelled(err), tostring(err))
"#;

/// LuaJIT's hooks do not see what it has compiled; this setup keeps it from that.
fn interpreted(lua: &mlua::Lua) -> mlua::Result<()> {
    if cfg!(feature = "luajit") { lua.load("jit.off()").exec() } else { Ok(()) }
}

fn a_hook_interrupts_where_no_signal_may(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(interpreted).interrupt_by(Interrupt::Hook).build().unwrap();
    let home = home(&goroutines);
    run::<()>(&home, STOPS);
    // It is not the script's.
    run::<()>(
        &home,
        "local ok, hook = goroutine.async(function() return debug.gethook() end):await() assert(ok and hook == nil, tostring(hook))",
    );
}

fn without_interrupts_a_goroutine_keeps_its_isolate_until_it_waits(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.interrupt_by(Interrupt::Never).build().unwrap();
    let (order, interrupts): (String, u64) = run(
        &home(&goroutines),
        r#"
        local order, begun = goroutine.channel(2), goroutine.channel()
        goroutine.spawn(function()
          begun:send(true)
          local until_then = os.clock() + 0.1 -- ten time slices
          while os.clock() < until_then do end
          order:send("first")
        end)
        begun:receive()
        goroutine.spawn(function() order:send("second") end)
        return (order:receive()) .. (order:receive()), goroutine.stats().interrupts
        "#,
    );
    assert_eq!((order.as_str(), interrupts), ("firstsecond", 0));
}

/// There are no signals for interrupts elsewhere.
#[cfg(not(target_os = "linux"))]
fn a_handler_that_was_there_before_gets_the_signals_of_others(_: Carrier) {}

#[cfg(not(target_os = "linux"))]
fn nothing_is_installed_before_the_first_goroutine(_: Carrier) {}

#[cfg(not(target_os = "linux"))]
fn what_is_no_signal_is_a_build_error(_: Carrier) {}

#[cfg(target_os = "linux")]
fn a_handler_that_was_there_before_gets_the_signals_of_others(backend: Carrier) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::SIGUSR2;

    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR2, Arc::clone(&heard)).unwrap();
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(interpreted).interrupt_by(Interrupt::Signal(SIGUSR2)).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(&lua, STOPS);
    assert!(!heard.load(Ordering::SeqCst), "what is ours is not passed on");
    signal_hook::low_level::raise(SIGUSR2).unwrap();
    assert!(heard.load(Ordering::SeqCst));
    // And interrupts work as before.
    run::<()>(&lua, STOPS);
}

/// Whether this process has a handler for the signal.
#[cfg(target_os = "linux")]
fn has_handler(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (signal - 1)) != 0
}

#[cfg(target_os = "linux")]
fn nothing_is_installed_before_the_first_goroutine(backend: Carrier) {
    // One of the real-time signals for each backend, since a handler stays.
    let signal =
        40 + ["threads", "tokio", "smol"].iter().position(|name| *name == backend.name()).unwrap_or(3) as i32;
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.setup(interpreted).interrupt_by(Interrupt::Signal(signal)).build().unwrap();
    let lua = home(&goroutines);
    run::<()>(&lua, "goroutine.channel(1):send(1) goroutine.wait_group():wait()");
    assert!(!has_handler(signal), "before the first goroutine");
    run::<()>(&lua, STOPS);
    assert!(has_handler(signal), "once one was interrupted");
}

#[cfg(target_os = "linux")]
fn what_is_no_signal_is_a_build_error(backend: Carrier) {
    for signal in [-1, 0, 9, 33, 65, 1000] {
        let (builder, _reports) = builder(&backend, 1);
        let error = builder.interrupt_by(Interrupt::Signal(signal)).build().unwrap_err();
        assert!(matches!(error, goroutine::BuildError::Start(_)), "{signal}: {error:?}");
    }
}
