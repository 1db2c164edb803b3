//! What locks, counters and channels cost that need not wait, from Rust and from Lua, and a lock that four threads fight for.
//! Beside async-lock, flume and tokio, and beside plain calls of a function of Rust's from Lua.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros make undocumented items; a bench may stop"
)]

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use benches::Home;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlua::Lua;
use runtime_core::locks::{Holder, Mutex, Semaphore};
use runtime_core::testing::BareBackend;
use runtime_core::{AtomicInt, Channel, block_on};

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
    let semaphore = async_lock::Semaphore::new(1);
    group.bench_function("async-lock semaphore", |b| b.iter(|| drop(semaphore.try_acquire())));
    let semaphore = tokio::sync::Semaphore::new(1);
    group.bench_function("tokio semaphore", |b| b.iter(|| drop(semaphore.try_acquire())));
    group.finish();

    let mut group = c.benchmark_group("try_send + try_receive, capacity 1");
    let channel = Channel::new(1);
    group.bench_function("runtime-core", |b| {
        b.iter(|| (channel.try_send(1_u64).is_ok(), channel.try_receive().is_ok()));
    });
    let (sender, receiver) = flume::bounded(1);
    group.bench_function("flume", |b| {
        b.iter(|| (sender.try_send(1_u64).is_ok(), receiver.try_recv().is_ok()));
    });
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    group.bench_function("tokio mpsc", |b| {
        b.iter(|| (sender.try_send(1_u64).is_ok(), receiver.try_recv().is_ok()));
    });
    group.finish();

    let mut group = c.benchmark_group("add");
    let value = AtomicInt::new(0);
    group.bench_function("runtime-core atomic int", |b| b.iter(|| value.add(1)));
    let value = AtomicI64::new(0);
    group.bench_function("std AtomicI64", |b| b.iter(|| value.fetch_add(1, Ordering::SeqCst)));
    group.finish();
}

/// What is called in pairs, and once.
const PAIRS: [(&str, &str, &str, &str); 5] = [
    ("mutex lock + unlock", "mutex()", "lock()", "unlock()"),
    ("rwmutex rlock + runlock", "rwmutex()", "rlock()", "runlock()"),
    ("semaphore acquire + release", "semaphore(1)", "acquire()", "release()"),
    ("mutex try_lock + unlock", "mutex()", "try_lock()", "unlock()"),
    ("channel try_send + try_receive", "channel(1)", "try_send(7)", "try_receive()"),
];
const ONCE: [(&str, &str, &str); 2] =
    [("atomic_int add", "atomic_int()", "add()"), ("atomic_int load", "atomic_int()", "load()")];

fn from_lua(c: &mut Criterion) {
    let mut group = c.benchmark_group("from Lua, free");
    group.sample_size(20).throughput(Throughput::Elements(MANY));
    let home = Home::new("threads", 1);
    let pairs = PAIRS.map(|(name, make, enter, leave)| (name, make, format!("it:{enter} it:{leave}")));
    let once = ONCE.map(|(name, make, act)| (name, make, format!("it:{act}")));
    for (flavour, inside) in [("goroutine", false), ("goroutine", true), ("goroutine.local", true)] {
        for (name, make, acts) in pairs.iter().chain(&once) {
            let work = format!("for _ = 1, n do {acts} end");
            let run = home.function(&match inside {
                false => format!(
                    "local goroutine = require('{flavour}')
                    return function(n) local it = goroutine.{make} {work} end"
                ),
                true => format!(
                    "local goroutine = require('{flavour}')
                    local function act(n) local it = goroutine.{make} {work} end
                    return function(n) assert(goroutine.async(act, n):await()) end"
                ),
            });
            let place = if inside { format!("in a goroutine of {flavour}") } else { "at home".into() };
            group.bench_function(format!("{name}, {place}"), |b| b.iter(|| run.call::<()>(MANY)));
        }
    }
    let lua = Lua::new();
    let plain = lua.create_function(|_, ()| Ok(true)).expect("a function");
    for (name, calls) in [("two calls", "f() f()"), ("one call", "f()")] {
        let run: mlua::Function = lua
            .load(format!("local f = ... return function(n) for _ = 1, n do {calls} end end"))
            .call(&plain)
            .expect("a function");
        group.bench_function(format!("{name} of a function of Rust's (mlua)"), |b| {
            b.iter(|| run.call::<()>(MANY));
        });
    }
    let run: mlua::Function = lua
        .load("local it = ... return function(n) for _ = 1, n do it:act() end end")
        .call(Plain)
        .expect("a function");
    group.bench_function("one call of a method of a userdata of Rust's (mlua)", |b| {
        b.iter(|| run.call::<()>(MANY))
    });
    group.finish();
}

/// An object of an embedder's, with a method that does nothing.
struct Plain;

impl mlua::UserData for Plain {
    fn add_methods<M: mlua::UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("act", |_, _, ()| Ok(true));
    }
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
