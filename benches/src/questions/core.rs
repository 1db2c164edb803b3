//! The core alone, on each backend: what goroutines would cost without Lua.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime_core::{
    Backend, Channel, Ended, Handle, Pool, PoolOptions, Runtime, Slot, Task, TaskError, block_on,
};

use super::{Round, Row, Unit};
use crate::{BACKENDS, backend};

/// The runtime that a pool's task runs on.
struct Job(Arc<Runtime>);

impl Task for Job {
    type Canceller = ();
    fn canceller(&self) {}
    fn start(self, mut slot: Slot<Self>) {
        let runtime = Arc::clone(&self.0);
        let _: Handle<(), TaskError<Infallible>> = runtime.spawn(move || async move {
            slot.begin();
            slot.finish(Ended::Completed);
            Ok(())
        });
    }
    fn dropped(self) {}
}

type Outcome<T> = Handle<T, TaskError<Infallible>>;

/// Starts a task.
fn start<T: Send + Sync + 'static, F: Future<Output = T> + 'static>(
    runtime: &Runtime,
    make: impl FnOnce() -> F + Send + 'static,
) -> Outcome<T> {
    runtime.spawn(|| async { Ok(make().await) })
}

fn wait<T>(runtime: &Runtime, tasks: impl IntoIterator<Item = Outcome<T>>)
where
    T: Send + Sync + 'static,
{
    block_on(runtime.backend(), async {
        for task in tasks {
            task.wait().await;
        }
    });
}

pub(super) fn rows(question: &str) -> Vec<Row> {
    let (count, workers): (u32, usize) = match question {
        "start" | "await" | "pool" => (50_000, 2),
        "stream" => (200_000, 2),
        "ping-pong" => (20_000, 1),
        "ping-pong-between" => (2_000, 2),
        "timers" => (10, 2),
        _ => return Vec::new(),
    };
    let question = question.to_owned();
    let row = |name: &'static str| {
        let question = question.clone();
        Row::new(name, Unit::Each(count), move || set_up(&question, name, workers, count))
    };
    BACKENDS.into_iter().map(row).collect()
}

fn set_up(question: &str, name: &str, workers: usize, count: u32) -> Round {
    let backend = backend(name);
    let runtime = match Runtime::new(Arc::clone(&backend), workers) {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => panic!("{error}"),
    };
    let timed = move |work: &dyn Fn(&Arc<Runtime>)| {
        let begin = Instant::now();
        work(&runtime);
        begin.elapsed()
    };
    match question {
        "start" => Box::new(move || {
            timed(&|runtime| {
                let tasks: Vec<_> = (0..count).map(|_| start(runtime, || async {})).collect();
                wait(runtime, tasks);
            })
        }),
        "await" => Box::new(move || {
            timed(&|runtime| {
                let tasks: Vec<_> =
                    (0..count).map(|n| start(runtime, move || async move { (n, n + 1) })).collect();
                wait(runtime, tasks);
            })
        }),
        "pool" => {
            let mut options = PoolOptions::default();
            (options.workers, options.queue) = (2, Some(1024));
            let pool = Pool::new("p", options, backend);
            Box::new(move || {
                timed(&|runtime| {
                    block_on(runtime.backend(), async {
                        for _ in 0..count {
                            if pool.submit(Job(Arc::clone(runtime)), 0, None).await.is_err() {
                                panic!("a pool that nobody closes takes what it is given");
                            }
                        }
                        pool.wait().await;
                    });
                })
            })
        }
        "stream" => Box::new(move || timed(&|runtime| stream(runtime, count))),
        "timers" => Box::new(move || timed(&|runtime| sleeps(runtime, &backend, count))),
        _ => Box::new(move || timed(&|runtime| ping_pong(runtime, count))),
    }
}

fn stream(runtime: &Runtime, count: u32) {
    let channel = Channel::new(1024);
    let sending = channel.clone();
    let sender = start(runtime, move || async move {
        for n in 0..count {
            let _ = sending.send(n).await;
        }
    });
    let receiver = start(runtime, move || async move {
        for _ in 0..count {
            channel.receive().await;
        }
    });
    wait(runtime, [sender, receiver]);
}

/// Where there are two workers, each gets one of the two: a task that has begun stays, and the other worker is free.
fn ping_pong(runtime: &Runtime, count: u32) {
    let (there, back) = (Channel::new(0), Channel::new(0));
    let (other_there, other_back) = (there.clone(), back.clone());
    let other = start(runtime, move || async move {
        for _ in 0..count {
            if let Some(value) = other_there.receive().await {
                let _ = other_back.send(value).await;
            }
        }
    });
    let first = start(runtime, move || async move {
        for n in 0..count {
            let _ = there.send(n).await;
            back.receive().await;
        }
    });
    wait(runtime, [first, other]);
}

fn sleeps(runtime: &Runtime, backend: &Arc<dyn Backend>, count: u32) {
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let backend = Arc::clone(backend);
            start(runtime, move || async move {
                for _ in 0..count {
                    backend.sleep_until(backend.now() + Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    wait(runtime, tasks);
}
