//! What goroutines cost: starting, awaiting, pools, channels, sleeping. Beside each what one would use instead.
//!
//! `cargo bench -p benches` prints times per element; sleepers print their memory first.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros make undocumented items; a bench may stop"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::{BACKENDS, Home, resident};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use mlua::Lua;

/// How many goroutines a measurement starts.
const MANY: u64 = 100_000;

fn start(c: &mut Criterion) {
    let mut group = c.benchmark_group("start + join");
    group.sample_size(10).throughput(Throughput::Elements(MANY));
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        let run = home.function(
            r#"
            local goroutine = require("goroutine")
            return function(n)
                local group = goroutine.wait_group()
                group:add(n)
                local function work() group:done() end
                for _ = 1, n do goroutine.spawn(work) end
                group:wait()
            end"#,
        );
        group.bench_function(BenchmarkId::new("goroutine", backend), |b| b.iter(|| run.call::<()>(MANY)));
        let captured = home.function(
            r#"
            local goroutine = require("goroutine")
            return function(n)
                local x, y, z = 1, 2, 3
                for _ = 1, n do goroutine.spawn(function() return x + y + z end) end
                goroutine.wait_all()
            end"#,
        );
        group.bench_function(BenchmarkId::new("goroutine, 3 captured", backend), |b| {
            b.iter(|| captured.call::<()>(MANY));
        });
    }
    group.bench_function("tokio::spawn", |b| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        b.iter(|| {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..MANY).map(|_| tokio::spawn(async {})).collect();
                for task in tasks {
                    task.await.expect("a task that ends");
                }
            });
        });
    });
    // A thousand stand for all: a hundred thousand states take half a minute.
    group.throughput(Throughput::Elements(1000));
    group.bench_function("a Lua state per task, one thread", |b| {
        b.iter(|| {
            for _ in 0..1000 {
                let lua = Lua::new();
                black_box(lua.load("return 1").eval::<i64>().expect("a number"));
            }
        });
    });
    group.finish();
}

fn awaiting(c: &mut Criterion) {
    let mut group = c.benchmark_group("async + await of 2 values");
    group.sample_size(10).throughput(Throughput::Elements(MANY));
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        let run = home.function(
            r#"
            local goroutine = require("goroutine")
            local function work(a, b) return a, b end
            return function(n)
                local handles = {}
                for i = 1, n do handles[i] = goroutine.async(work, i, 2) end
                for i = 1, n do handles[i]:await() end
            end"#,
        );
        group.bench_function(backend, |b| b.iter(|| run.call::<()>(MANY)));
    }
    group.finish();
}

fn pools(c: &mut Criterion) {
    let mut group = c.benchmark_group("pool of 2, tiny tasks with a captured number");
    group.sample_size(10).throughput(Throughput::Elements(MANY));
    for backend in BACKENDS {
        for queue in [4, 1024] {
            let home = Home::new(backend, 2);
            home.run(&format!(
                r#"require("goroutine").pool_create("bench", {{ workers = 2, queue = {queue} }})"#
            ));
            let run = home.function(
                r#"
                local goroutine = require("goroutine")
                return function(n)
                    local x = 1
                    local function task() return x end
                    for _ = 1, n do goroutine.pool_submit("bench", task) end
                    goroutine.pool_wait("bench")
                end"#,
            );
            let id = BenchmarkId::new(format!("queue {queue}"), backend);
            group.bench_function(id, |b| b.iter(|| run.call::<()>(MANY)));
        }
    }
    group.finish();
}

fn channels(c: &mut Criterion) {
    let mut group = c.benchmark_group("channel, integers, capacity 1024");
    group.sample_size(10).throughput(Throughput::Elements(MANY));
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        let run = home.function(
            r#"
            local goroutine = require("goroutine")
            return function(n)
                local channel = goroutine.channel(1024)
                goroutine.spawn(function()
                    for i = 1, n do channel:send(i) end
                end)
                goroutine.async(function()
                    for _ = 1, n do channel:receive() end
                end):await()
            end"#,
        );
        group.bench_function(BenchmarkId::new("stream", backend), |b| b.iter(|| run.call::<()>(MANY)));
    }
    group.finish();
}

fn cpu(c: &mut Criterion) {
    let mut group = c.benchmark_group("8 x fib(27)");
    group.sample_size(10);
    const FIB: &str = "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end ";
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        let run = home.function(&format!(
            r#"{FIB}
            local goroutine = require("goroutine")
            return function()
                for _, handle in ipairs(goroutine.spawn_many(8, function() return fib(27) end)) do handle:await() end
            end"#
        ));
        group.bench_function(BenchmarkId::new("goroutines on 2 isolates", backend), |b| {
            b.iter(|| run.call::<()>(()))
        });
    }
    let lua = Lua::new();
    let plain: mlua::Function = lua
        .load(format!("{FIB} return function() for _ = 1, 8 do fib(27) end end"))
        .eval()
        .expect("a function");
    group.bench_function("one after another in a plain state", |b| b.iter(|| plain.call::<()>(())));
    group.finish();
}

/// Prints the memory of sleeping goroutines. Not a criterion measurement: that has no notion of memory.
fn sleepers() {
    for backend in BACKENDS {
        let home = Home::new(backend, 2);
        home.run(
            r#"
            local goroutine = require("goroutine")
            goroutine.await(goroutine.async(function() end))
            "#,
        );
        let before = resident();
        let begin = Instant::now();
        home.run(
            r#"
            local goroutine = require("goroutine")
            local asleep = goroutine.wait_group()
            asleep:add(100000)
            for _ = 1, 100000 do
                goroutine.spawn(function()
                    asleep:done()
                    goroutine.sleep(3000)
                end)
            end
            asleep:wait()
            "#,
        );
        let started = begin.elapsed();
        if let (Some(before), Some(now)) = (before, resident()) {
            let each = now.saturating_sub(before) as f64 / MANY as f64;
            println!(
                "sleepers/{backend}: 100000 asleep after {started:.2?}, {each:.0} bytes each (resident memory)"
            );
        } else {
            println!("sleepers/{backend}: the system does not tell the resident memory");
        }
        home.run(r#"require("goroutine").wait_all()"#);
        let woken = begin.elapsed().saturating_sub(Duration::from_secs(3));
        println!("sleepers/{backend}: all awake again {woken:.2?} after the 3 s that they slept");
    }
}

criterion_group!(all, start, awaiting, pools, channels, cpu);

fn main() {
    // `cargo test` runs benches too, with `--test`: then one sample of each shows that they work.
    let test = std::env::args().any(|arg| arg == "--test");
    let filtered = std::env::args().skip(1).any(|arg| !arg.starts_with('-') && !"sleepers".contains(&arg));
    if !test && !filtered {
        sleepers();
    }
    all();
    Criterion::default().configure_from_args().final_summary();
}
