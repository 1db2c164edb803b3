//! Does everything at random for a while, under each backend: starts, cancels, times out, sends, selects, locks, fails, panics.
//! Afterwards nothing may be left: no goroutine, no waiter, no thread, no file descriptor, no memory.
//!
//! `cargo run --release -p benches --bin stress -- SECONDS [BACKEND...]`. It ends with exit code 1 if something is wrong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::{BACKENDS, backend, resident};
use goroutine::Goroutines;
use mlua::{Function, Lua};

/// The work: returns `round(seed)`, which checks that its own objects are as they should be.
const WORK: &str = include_str!("work.lua");

/// Rounds before anything is measured: by then pools, caches and spare isolates are there.
const WARM: usize = 20;
/// How much more memory than after these may be in use. The allocator keeps what it gets, in amounts that vary.
const MORE: usize = 64 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(seconds) = arguments.next().and_then(|seconds| seconds.parse::<u64>().ok()) else {
        eprintln!("stress: SECONDS [BACKEND...]");
        return ExitCode::from(2);
    };
    let chosen: Vec<String> = arguments.collect();
    let chosen: Vec<&str> =
        if chosen.is_empty() { BACKENDS.to_vec() } else { chosen.iter().map(String::as_str).collect() };
    let each = Duration::from_secs(seconds) / chosen.len() as u32;
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            others(panic);
        }
    }));
    let mut good = true;
    for name in chosen {
        match stress(name, each) {
            Ok(report) => println!("{name}: {report}"),
            Err(error) => {
                println!("{name}: WRONG: {error}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the process has of the system's.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: usize,
    files: usize,
    memory: usize,
}

impl Held {
    fn now() -> Self {
        let count = |folder: &str| std::fs::read_dir(folder).map_or(0, Iterator::count);
        Self {
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
            memory: resident().unwrap_or(0),
        }
    }
}

fn stress(name: &str, time: Duration) -> Result<String, String> {
    let goroutines = Goroutines::builder()
        .shared_backend(backend(name))
        .isolates(2)
        .time_slice(Duration::from_millis(1))
        .on_unhandled_error(|_| {}) // they fail on purpose
        .setup(|lua| {
            let panic = lua.create_function(|_, ()| -> mlua::Result<()> { panic!("on purpose") })?;
            lua.globals().set("panic_on_purpose", panic)
        })
        .build()
        .map_err(|error| error.to_string())?;
    let lua = goroutine::new_state();
    goroutines.install(&lua).map_err(|error| error.to_string())?;
    let round: Function = lua.load(WORK).set_name("@work.lua").eval().map_err(|error| error.to_string())?;
    let run = |seed: usize| round.call::<u64>(seed).map_err(|error| error.to_string());
    let mut started = 0;
    for seed in 0..WARM {
        started += run(seed)?;
    }
    let before = settled(&lua)?;
    let until = Instant::now() + time;
    let mut rounds = WARM;
    while Instant::now() < until {
        started += run(rounds)?;
        rounds += 1;
    }
    let after = settled(&lua)?;
    let told = format!("{rounds} rounds, {started} goroutines; before {before:?}, after {after:?}");
    if after.threads > before.threads || after.files > before.files || after.memory > before.memory + MORE {
        return Err(format!("more is held than before: {told}"));
    }
    let unfinished = goroutines.shutdown(Duration::from_secs(10));
    match unfinished {
        goroutine::Shutdown::Complete => Ok(told),
        other => Err(format!("{other:?}: {told}")),
    }
}

/// What is held once garbage is collected, and spare isolates have retired. What collects garbage starts goroutines, and so keeps
/// spares at work: they are given time to retire before it is tried again.
fn settled(lua: &Lua) -> Result<Held, String> {
    let collect = "
        local goroutine = require('goroutine')
        for _ = 1, 2 do
            collectgarbage()
            goroutine.await_all(goroutine.spawn_many(50, function() goroutine.sleep(5) collectgarbage() end))
        end";
    let left = "
        local stats = require('goroutine').stats()
        local goroutines = stats.goroutines
        return stats.blocked, goroutines.waiting + goroutines.running + goroutines.queued";
    let failed = |error: mlua::Error| error.to_string();
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        lua.load(collect).exec().map_err(failed)?;
        let retiring = Instant::now() + Duration::from_secs(3);
        while Instant::now() < retiring {
            let (blocked, goroutines) = lua.load(left).eval::<(usize, usize)>().map_err(failed)?;
            if blocked + goroutines == 0 {
                return Ok(Held::now());
            }
            if Instant::now() > limit {
                return Err(format!("{goroutines} goroutines and {blocked} spare isolates are left"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
