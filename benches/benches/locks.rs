//! What locks cost: free ones from Rust and from Lua, and one that four threads fight for. Beside async-lock and tokio.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros make undocumented items; a bench may stop"
)]

use std::future::Future;
use std::num::NonZeroUsize;
use std::thread;

use benches::Home;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlua::Lua;
use runtime_core::block_on;
use runtime_core::locks::{Holder, Mutex, Semaphore};
use runtime_core::testing::BareBackend;

/// How many times a Lua loop locks and unlocks.
const MANY: u64 = 100_000;
/// How many threads fight, and how often each comes in.
const THREADS: u64 = 4;
const EACH: u64 = 2_000;

fn from_rust(c: &mut Criterion) {
    let mut group = c.benchmark_group("lock + unlock, free");
    let (mutex, holder) = (Mutex::new(), Holder::new());
    group.bench_function("runtime-core mutex", |b| {
        b.iter(|| {
            mutex.try_lock(&holder).expect("it is free");
            mutex.unlock(&holder).expect("it is held");
        });
    });
    let semaphore = Semaphore::new(NonZeroUsize::MIN);
    group.bench_function("runtime-core semaphore", |b| {
        b.iter(|| semaphore.try_acquire() && semaphore.release().is_ok());
    });
    let mutex = async_lock::Mutex::new(());
    group.bench_function("async-lock mutex", |b| b.iter(|| drop(mutex.try_lock())));
    let mutex = tokio::sync::Mutex::new(());
    group.bench_function("tokio mutex", |b| b.iter(|| drop(mutex.try_lock())));
    group.finish();
}

fn from_lua(c: &mut Criterion) {
    let mut group = c.benchmark_group("from Lua, free");
    group.sample_size(20).throughput(Throughput::Elements(MANY));
    let home = Home::new("threads", 1);
    for (name, make, enter, leave) in [
        ("mutex lock + unlock", "mutex()", "lock", "unlock"),
        ("rwmutex rlock + runlock", "rwmutex()", "rlock", "runlock"),
        ("semaphore acquire + release", "semaphore(1)", "acquire", "release"),
        ("mutex try_lock + unlock", "mutex()", "try_lock", "unlock"),
    ] {
        let run = home.function(&format!(
            r#"
            local goroutine = require("goroutine")
            return function(n)
                local lock = goroutine.{make}
                for _ = 1, n do
                    lock:{enter}()
                    lock:{leave}()
                end
            end"#
        ));
        group.bench_function(name, |b| b.iter(|| run.call::<()>(MANY)));
    }
    let lua = Lua::new();
    let plain = lua.create_function(|_, ()| Ok(true)).expect("a function");
    let run: mlua::Function = lua
        .load("local f = ... return function(n) for _ = 1, n do f() f() end end")
        .call(plain)
        .expect("a function");
    group.bench_function("two calls of a function of Rust's (mlua)", |b| b.iter(|| run.call::<()>(MANY)));
    group.finish();
}

/// Some threads that each come in so often.
fn fight<F: Future<Output = ()>>(enter: impl Fn(Holder) -> F + Sync) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let enter = &enter;
            scope.spawn(move || {
                let (backend, holder) = (BareBackend::new(), Holder::new());
                for _ in 0..EACH {
                    block_on(&backend, enter(holder.clone()));
                }
            });
        }
    });
}

fn contended(c: &mut Criterion) {
    let mut group = c.benchmark_group("four threads at one mutex");
    group.sample_size(10).throughput(Throughput::Elements(THREADS * EACH));
    let mutex = Mutex::new();
    group.bench_function("runtime-core", |b| {
        b.iter(|| {
            fight(|holder| {
                let mutex = &mutex;
                async move {
                    mutex.lock(&holder).await.expect("another may hold it");
                    mutex.unlock(&holder).expect("it is held");
                }
            });
        });
    });
    let mutex = async_lock::Mutex::new(());
    group.bench_function("async-lock", |b| b.iter(|| fight(|_| async { drop(mutex.lock().await) })));
    let mutex = tokio::sync::Mutex::new(());
    group.bench_function("tokio", |b| b.iter(|| fight(|_| async { drop(mutex.lock().await) })));
    group.finish();
}

criterion_group!(all, from_rust, from_lua, contended);
criterion_main!(all);
