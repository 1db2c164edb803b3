//! Deadlocks: the home state waits for what can never come.
//!
//! **When it is one.** The home state blocks without a limit; no isolate runs a goroutine, none waits to be started, and nothing
//! outside could wake any: no timer is pending, no job runs on another thread, and no goroutine is in an async function of the
//! embedder's. [`Outside`] counts these. Since then nothing has changed, and everybody who could change something is asleep.
//!
//! **How that is found out.** While the home state blocks, it looks now and then. An isolate shows what it runs, but not that
//! it is about to: a goroutine that was woken just now shows nowhere. So the isolates' threads must be asleep in the kernel,
//! too, at several looks in a row, between which none has taken up a goroutine. A thread that has been woken is not asleep,
//! wherever its waker has got to.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use runtime_core::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle};

use crate::api::describe;
use crate::system::System;

/// How many looks in a row have to show the same.
const LOOKS: u32 = 3;
/// The time between two of these.
const BETWEEN: Duration = Duration::from_millis(10);
/// The home state looks for the first time after this, then after twice as long each time, up to [`SELDOM`].
const FIRST: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_millis(500);

/// Counts what could wake a goroutine from outside.
#[derive(Clone, Default)]
pub(crate) struct Outside(Arc<AtomicUsize>);

/// One of these, until it is dropped.
pub(crate) struct Pending(Outside);

impl Outside {
    pub(crate) fn pending(&self) -> Pending {
        self.0.fetch_add(1, Ordering::SeqCst);
        Pending(self.clone())
    }

    fn is_quiet(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A backend whose timers and jobs are counted.
pub(crate) struct Counting {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) outside: Outside,
}

struct CountedSleep {
    sleep: Sleep,
    pending: Option<Pending>,
}

impl Future for CountedSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.sleep.as_mut().poll(cx);
        if polled.is_ready() {
            self.pending = None;
        }
        polled
    }
}

impl Backend for Counting {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        self.inner.start_worker(name, body)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let pending = Some(self.outside.pending());
        Box::pin(CountedSleep { sleep: self.inner.sleep_until(deadline), pending })
    }

    fn run_blocking(&self, job: BlockingJob) {
        let pending = self.outside.pending();
        self.inner.run_blocking(Box::new(move || {
            let _pending = pending;
            job();
        }));
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.inner.block_on(future);
    }

    fn may_block(&self) -> bool {
        self.inner.may_block()
    }
}

/// What looks for deadlocks, in runtimes that do.
pub(crate) struct Detector {
    /// Not the counting one: its own timers wake nobody.
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) outside: Outside,
}

impl Detector {
    /// Ready once there is a deadlock, with its description. `what` the home state waits for.
    /// `home_turns`: how often goroutines that run in the home state have had a turn.
    pub(crate) async fn found(
        &self,
        system: &Arc<System>,
        what: &'static str,
        home_turns: impl Fn() -> u64,
    ) -> String {
        let mut pause = FIRST;
        loop {
            self.sleep(pause).await;
            pause = (pause * 2).min(SELDOM);
            if self.is_deadlock(system, &home_turns).await {
                return self.describe(system, what).await;
            }
        }
    }

    async fn sleep(&self, time: Duration) {
        self.backend.sleep_until(self.backend.now() + time).await;
    }

    async fn is_deadlock(&self, system: &System, home_turns: impl Fn() -> u64) -> bool {
        let mut turns = None;
        for look in 0..LOOKS {
            if look > 0 {
                self.sleep(BETWEEN).await;
            }
            let now = system.monitor.turns_if_all_sleep().map(|turns| (turns, home_turns()));
            let quiet = system.queue.is_empty() && !system.spares.are_starting() && self.outside.is_quiet();
            if !quiet || now.is_none() || (look > 0 && now != turns) {
                return false;
            }
            turns = now;
        }
        true
    }

    async fn describe(&self, system: &Arc<System>, what: &'static str) -> String {
        let seen = system.inquiries.ask(system).await;
        let now = self.backend.now();
        let mut text = format!("all goroutines are asleep - deadlock!\nthe script: waiting in {what}");
        for entry in system.registry.living() {
            text.push('\n');
            describe(&mut text, &entry, seen.get(&entry.watch.id()), now);
        }
        text
    }
}
