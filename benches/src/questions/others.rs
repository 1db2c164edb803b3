//! What one would use instead.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use async_executor::Executor;
use mlua::{Function, Lua};

use super::{Round, Row, Unit};

const FIB: &str = "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end ";

pub(super) fn rows(question: &str) -> Vec<Row> {
    let mut rows = tokio_rows(question);
    rows.extend(smol_rows(question));
    rows.extend(thread_rows(question));
    rows.extend(rayon_rows(question));
    rows.extend(state_rows(question));
    rows
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// A round without anything to set up.
fn plain(work: impl Fn() + Clone + 'static) -> impl Fn() -> Round {
    move || {
        let work = work.clone();
        Box::new(move || timed(&work))
    }
}

fn ok<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

// tokio

fn on_tokio<F: Future<Output = ()>>(
    threads: usize,
    work: impl Fn() -> F + Clone + 'static,
) -> impl Fn() -> Round {
    move || {
        let runtime =
            ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build());
        let work = work.clone();
        Box::new(move || timed(|| runtime.block_on(work())))
    }
}

fn tokio_rows(question: &str) -> Vec<Row> {
    use tokio::sync::mpsc::channel;
    let name = "tokio, bare";
    vec![match question {
        "start" | "await" => Row::new(
            name,
            Unit::Each(50_000),
            on_tokio(2, || async {
                let tasks: Vec<_> = (0..50_000).map(|n| tokio::spawn(async move { (n, n + 1) })).collect();
                for task in tasks {
                    ok(task.await);
                }
            }),
        ),
        "stream" => Row::new(
            name,
            Unit::Each(200_000),
            on_tokio(2, || async {
                let (send, mut receive) = channel(1024);
                let sender = tokio::spawn(async move {
                    for n in 0..200_000 {
                        ok(send.send(n).await);
                    }
                });
                ok(tokio::spawn(async move { while receive.recv().await.is_some() {} }).await);
                ok(sender.await);
            }),
        ),
        "ping-pong" | "ping-pong-between" => {
            let (threads, count) = if question == "ping-pong" { (1, 20_000) } else { (2, 2_000) };
            let work = move || async move {
                let ((there, mut came), (back, mut answers)) = (channel(1), channel(1));
                let other = tokio::spawn(async move {
                    while let Some(n) = came.recv().await {
                        if back.send(n).await.is_err() {
                            break;
                        }
                    }
                });
                ok(tokio::spawn(async move {
                    for n in 0..count {
                        ok(there.send(n).await);
                        answers.recv().await;
                    }
                })
                .await);
                ok(other.await);
            };
            Row::new(name, Unit::Each(count), on_tokio(threads, work))
        }
        "timers" => Row::new(
            name,
            Unit::Each(10),
            on_tokio(2, || async {
                let sleeps = || async {
                    for _ in 0..10 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                let tasks: Vec<_> = (0..1000).map(|_| tokio::spawn(sleeps())).collect();
                for task in tasks {
                    ok(task.await);
                }
            }),
        ),
        _ => return Vec::new(),
    }]
}

// smol's executor, on two threads

/// Ends its threads when it is dropped.
struct Smol {
    executor: Arc<Executor<'static>>,
    _end: async_channel::Sender<()>,
}

impl Smol {
    fn new(threads: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let (end, ended) = async_channel::unbounded();
        for _ in 0..threads {
            let (executor, ended) = (Arc::clone(&executor), ended.clone());
            thread::spawn(move || async_io::block_on(executor.run(ended.recv())));
        }
        Self { executor, _end: end }
    }

    /// A method, so that a closure which asks takes the whole with it: `_end` too, without which the threads end.
    fn executor(&self) -> Arc<Executor<'static>> {
        Arc::clone(&self.executor)
    }
}

fn on_smol<F: Future<Output = ()>>(
    threads: usize,
    work: impl Fn(Arc<Executor<'static>>) -> F + Clone + 'static,
) -> impl Fn() -> Round {
    move || {
        let (smol, work) = (Smol::new(threads), work.clone());
        Box::new(move || timed(|| async_io::block_on(work(smol.executor()))))
    }
}

fn smol_rows(question: &str) -> Vec<Row> {
    use async_channel::bounded;
    let name = "smol, bare";
    vec![match question {
        "start" | "await" => Row::new(
            name,
            Unit::Each(50_000),
            on_smol(2, |executor| async move {
                let tasks: Vec<_> = (0..50_000).map(|n| executor.spawn(async move { (n, n + 1) })).collect();
                for task in tasks {
                    task.await;
                }
            }),
        ),
        "stream" => Row::new(
            name,
            Unit::Each(200_000),
            on_smol(2, |executor| async move {
                let (send, receive) = bounded(1024);
                let sender = executor.spawn(async move {
                    for n in 0..200_000 {
                        ok(send.send(n).await);
                    }
                });
                executor.spawn(async move { while receive.recv().await.is_ok() {} }).await;
                sender.await;
            }),
        ),
        "ping-pong" | "ping-pong-between" => {
            let (threads, count) = if question == "ping-pong" { (1, 20_000) } else { (2, 2_000) };
            let work = move |executor: Arc<Executor<'static>>| async move {
                let ((there, came), (back, answers)) = (bounded(1), bounded(1));
                let other = executor.spawn(async move {
                    while let Ok(n) = came.recv().await {
                        if back.send(n).await.is_err() {
                            break;
                        }
                    }
                });
                executor
                    .spawn(async move {
                        for n in 0..count {
                            ok(there.send(n).await);
                            ok(answers.recv().await);
                        }
                    })
                    .await;
                other.await;
            };
            Row::new(name, Unit::Each(count), on_smol(threads, work))
        }
        "timers" => Row::new(
            name,
            Unit::Each(10),
            on_smol(2, |executor| async move {
                let sleeps = || async {
                    for _ in 0..10 {
                        async_io::Timer::after(Duration::from_millis(1)).await;
                    }
                };
                let tasks: Vec<_> = (0..1000).map(|_| executor.spawn(sleeps())).collect();
                for task in tasks {
                    task.await;
                }
            }),
        ),
        _ => return Vec::new(),
    }]
}

// Threads, with nothing else and with a Lua state each

fn fib_in_a_state(times: u32) {
    let lua = Lua::new();
    let code = format!("{FIB} for _ = 1, {times} do fib(27) end");
    ok(lua.load(code).exec());
}

fn thread_rows(question: &str) -> Vec<Row> {
    vec![match question {
        "start" | "await" => Row::new(
            "std threads",
            Unit::Each(500),
            plain(|| {
                let threads: Vec<_> = (0..500).map(|n| thread::spawn(move || (n, n + 1))).collect();
                for thread in threads {
                    let _ = thread.join();
                }
            }),
        ),
        "stream" => Row::new(
            "std threads",
            Unit::Each(200_000),
            plain(|| {
                let (send, receive) = sync_channel(1024);
                let sender = thread::spawn(move || (0..200_000).for_each(|n| ok(send.send(n))));
                receive.into_iter().for_each(drop);
                let _ = sender.join();
            }),
        ),
        "ping-pong-between" => Row::new(
            "std threads",
            Unit::Each(2_000),
            plain(|| {
                let ((there, came), (back, answers)) = (sync_channel(0), sync_channel(0));
                let other = thread::spawn(move || came.into_iter().for_each(|n: u32| ok(back.send(n))));
                for n in 0..2_000 {
                    ok(there.send(n));
                    ok(answers.recv());
                }
                drop(there);
                let _ = other.join();
            }),
        ),
        "cpu" => Row::new(
            "two std threads, a Lua state each",
            Unit::Whole,
            plain(|| {
                let threads = [4, 4].map(|times| thread::spawn(move || fib_in_a_state(times)));
                threads.into_iter().for_each(|thread| drop(thread.join()));
            }),
        ),
        _ => return Vec::new(),
    }]
}

// rayon

fn on_rayon(work: impl Fn(&rayon::Scope<'_>) + Clone + Send + Sync + 'static) -> impl Fn() -> Round {
    move || {
        let pool = ok(rayon::ThreadPoolBuilder::new().num_threads(2).build());
        let work = work.clone();
        Box::new(move || timed(|| pool.scope(&work)))
    }
}

fn rayon_rows(question: &str) -> Vec<Row> {
    vec![match question {
        "start" | "pool" => Row::new(
            "rayon",
            Unit::Each(50_000),
            on_rayon(|scope| {
                for n in 0..50_000 {
                    scope.spawn(move |_| {
                        std::hint::black_box(n);
                    });
                }
            }),
        ),
        "cpu" => Row::new(
            "rayon, a Lua state per task",
            Unit::Whole,
            on_rayon(|scope| (0..8).for_each(|_| scope.spawn(|_| fib_in_a_state(1)))),
        ),
        _ => return Vec::new(),
    }]
}

// Lua states of one thread

fn in_a_state(unit: Unit, code: &'static str) -> impl Fn() -> Round {
    let count = match unit {
        Unit::Each(count) => count,
        Unit::Whole => 0,
    };
    move || {
        let lua = Lua::new();
        let function: Function = ok(lua.load(code).eval());
        Box::new(move || {
            let _lua = &lua;
            timed(|| ok(function.call::<()>(count)))
        })
    }
}

fn state_rows(question: &str) -> Vec<Row> {
    let coroutines = "coroutines in one Lua state";
    let row = |name: &str, unit, code| vec![Row::new(name, unit, in_a_state(unit, code))];
    match question {
        "start" => {
            let mut rows = row(
                coroutines,
                Unit::Each(50_000),
                "local function work() end
                return function(n) for _ = 1, n do coroutine.resume(coroutine.create(work)) end end",
            );
            rows.push(Row::new(
                "a Lua state per task, one thread",
                Unit::Each(300),
                plain(|| {
                    for _ in 0..300 {
                        ok(Lua::new().load("return 1").eval::<i64>());
                    }
                }),
            ));
            rows
        }
        "await" => row(
            coroutines,
            Unit::Each(50_000),
            "local function work(x) return x, x + 1 end
            return function(n) for i = 1, n do coroutine.resume(coroutine.create(work), i) end end",
        ),
        "ping-pong" => row(
            coroutines,
            Unit::Each(20_000),
            "return function(n)
                local other = coroutine.create(function() while true do coroutine.yield() end end)
                for _ = 1, n do coroutine.resume(other) end
            end",
        ),
        "cpu" => row(
            "one after another in one Lua state",
            Unit::Whole,
            "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
            return function() for _ = 1, 8 do fib(27) end end",
        ),
        "table" => row(
            "a deep copy in one Lua state, one way",
            Unit::Whole,
            "local records = {}
            for i = 1, 1000 do
                records[i] = { id = i, name = 'record ' .. i, tags = { 'red ' .. i, 'green ' .. i, 'blue ' .. i } }
            end
            local function copy(value, seen)
                if type(value) ~= 'table' then return value end
                if seen[value] then return seen[value] end
                local made = {}
                seen[value] = made
                for k, v in pairs(value) do made[copy(k, seen)] = copy(v, seen) end
                return setmetatable(made, getmetatable(value))
            end
            return function() assert(#copy(records, {}) == 1000) end",
        ),
        _ => Vec::new(),
    }
}
