//! What is shown on a terminal while tasks run: a line a task and a line a pool, redrawn in place.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use goroutine::{Observer, PoolStats};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::event::Event;
use crate::visible;

/// How often it is redrawn.
const TICK: Duration = Duration::from_millis(120);

/// What has changed.
#[derive(Debug)]
pub(crate) enum Draw {
    Start {
        workflow: String,
        task: String,
        attempt: u64,
    },
    End {
        workflow: String,
        task: String,
    },
    /// From now on nothing is shown.
    Nothing,
}

impl Draw {
    /// What there is to be drawn for an event.
    pub(crate) fn of(event: &Event<'_>) -> Option<Self> {
        match *event {
            Event::TaskStart { workflow, task, attempt } => {
                Some(Self::Start { workflow: workflow.into(), task: task.into(), attempt })
            }
            Event::TaskEnd(result) => {
                Some(Self::End { workflow: result.workflow.clone(), task: result.task.clone() })
            }
            _ => None,
        }
    }
}

/// The live display.
pub(crate) struct Progress {
    multi: MultiProgress,
    tasks: Mutex<HashMap<(String, String), ProgressBar>>,
    pools: Arc<Pools>,
    colour: bool,
}

#[derive(Default)]
struct Pools {
    ended: AtomicBool,
    bars: Mutex<HashMap<Arc<str>, ProgressBar>>,
}

impl Progress {
    pub(crate) fn new(observer: Observer, colour: bool) -> Self {
        let multi = MultiProgress::new();
        let pools = Arc::new(Pools::default());
        let (shown, display) = (Arc::clone(&pools), multi.clone());
        // Without the thread there are no lines for pools.
        let _ = thread::Builder::new().name("progress".into()).spawn(move || {
            while !shown.ended.load(Ordering::Relaxed) {
                shown.draw(&display, observer.pools());
                thread::sleep(TICK);
            }
        });
        Self { multi, tasks: Mutex::default(), pools, colour }
    }

    /// Draws what has changed. Only the thread that writes to the terminal does.
    pub(crate) fn draw(&self, draw: Draw) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match draw {
            Draw::Start { workflow, task, attempt } => {
                let bar = tasks.entry((workflow, task.clone())).or_insert_with(|| {
                    let bar = self.multi.add(ProgressBar::new_spinner());
                    bar.set_style(self.style());
                    bar.enable_steady_tick(TICK);
                    bar
                });
                let task = visible::line(&task);
                bar.set_message(if attempt > 1 {
                    format!("{task} (attempt {attempt})")
                } else {
                    task.into_owned()
                });
            }
            Draw::End { workflow, task } => {
                if let Some(bar) = tasks.remove(&(workflow, task)) {
                    bar.finish_and_clear();
                }
            }
            Draw::Nothing => {
                drop(tasks);
                self.end();
            }
        }
    }

    /// Writes something else above it.
    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        self.multi.suspend(write);
    }

    /// Takes it away.
    fn end(&self) {
        self.pools.ended.store(true, Ordering::Relaxed);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain().for_each(|(_, bar)| bar.finish_and_clear());
        let mut bars = self.pools.bars.lock().unwrap_or_else(PoisonError::into_inner);
        bars.drain().for_each(|(_, bar)| bar.finish_and_clear());
        let _ = self.multi.clear();
    }

    fn style(&self) -> ProgressStyle {
        let template =
            if self.colour { "{spinner:.cyan} {msg} {elapsed:.dim}" } else { "{spinner} {msg} {elapsed}" };
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

impl Pools {
    fn draw(&self, display: &MultiProgress, pools: Vec<PoolStats>) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended.load(Ordering::Relaxed) {
            return;
        }
        bars.retain(|name, bar| {
            let open = pools.iter().any(|pool| pool.name == *name);
            if !open {
                bar.finish_and_clear();
            }
            open
        });
        for pool in pools {
            let bar = bars.entry(Arc::clone(&pool.name)).or_insert_with(|| {
                let bar = display.add(ProgressBar::new(0));
                let template = "  pool {msg} [{bar:20}] {pos}/{len}";
                bar.set_style(
                    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                bar
            });
            let done = pool.completed + pool.failed + pool.cancelled;
            bar.set_length(pool.submitted);
            bar.set_position(done);
            let rate = done as f64 / bar.elapsed().as_secs_f64().max(0.001);
            bar.set_message(format!(
                "{}: {} running, {} queued, {rate:.0}/s",
                visible::line(&pool.name),
                pool.active,
                pool.queued
            ));
        }
    }
}
