//! What is measured in processes of its own: memory, and other interpreters.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use benches::{BACKENDS, Home, resident};
use mlua::Lua;

use crate::{Figures, of_rounds};

/// Measures a question.
type Measure = fn() -> Vec<Figures>;

/// Names, and what measures.
pub(crate) const QUESTIONS: &[(&str, Measure)] = &[("sleepers", sleepers), ("luajit", luajit)];

/// How many sleep.
const MANY: usize = 100_000;

fn sleepers() -> Vec<Figures> {
    let others = ["tokio, bare", "coroutines in one Lua state"];
    let kinds = BACKENDS.map(|name| ("goroutines", name)).into_iter();
    kinds
        .chain(others.map(|name| ("instead", name)))
        .filter_map(|(kind, name)| {
            let rounds: Vec<f64> = (0..3).filter_map(|_| number(own_process(name)?)).collect();
            if rounds.is_empty() { None } else { Some(of_rounds(kind, name, "bytes", rounds)) }
        })
        .collect()
}

fn own_process(who: &str) -> Option<Command> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.args(["asleep", who]);
    Some(command)
}

fn number(mut command: Command) -> Option<f64> {
    let output = command.output().ok()?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Prints how many bytes each of many sleepers takes. They never wake: the process ends.
pub(crate) fn asleep(who: &str) -> ExitCode {
    let measured = match who {
        "tokio, bare" => tokio_tasks(),
        "coroutines in one Lua state" => coroutines(),
        backend => goroutines(backend),
    };
    match measured {
        Some(bytes) => {
            println!("{:.0}", bytes as f64 / MANY as f64);
            std::process::exit(0)
        }
        None => ExitCode::FAILURE,
    }
}

fn goroutines(backend: &str) -> Option<usize> {
    let home = Home::new(backend, 2);
    home.run("local goroutine = require('goroutine') goroutine.await(goroutine.async(function() end))");
    let before = resident()?;
    home.run(&format!(
        "local goroutine = require('goroutine')
        local asleep = goroutine.wait_group()
        asleep:add({MANY})
        for _ = 1, {MANY} do goroutine.spawn(function() asleep:done() goroutine.sleep(1e8) end) end
        asleep:wait()"
    ));
    let more = resident()?.saturating_sub(before);
    // Their runtime would be ended, and so would they.
    std::mem::forget(home);
    Some(more)
}

fn tokio_tasks() -> Option<usize> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().ok()?;
    let before = resident()?;
    let more = runtime.block_on(async {
        for _ in 0..MANY {
            tokio::spawn(tokio::time::sleep(Duration::from_secs(100_000)));
        }
        // Those that have begun are in the timers' list.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Some(resident()?.saturating_sub(before))
    });
    std::mem::forget(runtime);
    more
}

fn coroutines() -> Option<usize> {
    let lua = Lua::new();
    let before = resident()?;
    let code = format!(
        "all = {{}}
        for i = 1, {MANY} do
            all[i] = coroutine.create(function() coroutine.yield() end)
            coroutine.resume(all[i])
        end"
    );
    lua.load(code).exec().ok()?;
    let more = resident()?.saturating_sub(before);
    drop(lua);
    Some(more)
}

const FIB: &str = "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end ";

/// 8 x fib(32) in the stock interpreters. In `luajit` also as goroutines, with the library that `./build-module luajit
/// target/stock/luajit/goroutine.so` makes.
fn luajit() -> Vec<Figures> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/stock/luajit/goroutine.so");
    let plain = format!("{FIB} for _ = 1, 8 do fib(32) end");
    let parallel = format!(
        "{FIB} local goroutine = require('goroutine')
        goroutine.configure({{ isolates = 2 }})
        local handles = goroutine.spawn_many(8, function() return fib(32) end)
        for _, handle in ipairs(handles) do assert(handle:await()) end"
    );
    let run = |program: &str, code: &str| -> Option<f64> {
        let begin = Instant::now();
        let status = Command::new(program).env("LUA_CPATH", &library).args(["-e", code]).status().ok()?;
        status.success().then(|| begin.elapsed().as_secs_f64() * 1e3)
    };
    let rows = [
        ("goroutines", "goroutines on 2 isolates in luajit", "luajit", parallel.as_str()),
        ("instead", "one after another in luajit", "luajit", plain.as_str()),
        ("instead", "one after another in lua5.4", "lua5.4", plain.as_str()),
    ];
    // In turns, so that all have the same machine.
    let mut rounds = vec![Vec::new(); rows.len()];
    for _ in 0..5 {
        for ((_, name, program, code), rounds) in rows.iter().zip(&mut rounds) {
            match run(program, code) {
                Some(took) => rounds.push(took),
                None => eprintln!("not measured: {name}"),
            }
        }
    }
    let measured = rows.iter().zip(rounds).filter(|(_, rounds)| !rounds.is_empty());
    measured.map(|((kind, name, ..), rounds)| of_rounds(kind, name, "ms", rounds)).collect()
}
