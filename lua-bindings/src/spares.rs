//! Spare isolates, which take over what has not started when isolates are blocked: asleep in the kernel inside a C function,
//! or computing in one without end.
//!
//! **Who starts and ends them.** The monitor sees which isolates are blocked, and starts as many spares as could take
//! something from the queue. A spare is an isolate like the others; it ends when it has had nothing to do for a while. What
//! had begun in a blocked isolate waits with it: a goroutine does not move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use runtime_core::WorkerBody;

use crate::inquiry::Inquiries;
use crate::isolate::Isolate;
use crate::system::{StartError, System};

/// How long a spare that has nothing to do stays.
pub(crate) const STAY: Duration = Duration::from_secs(1);

/// How many spares there are.
#[derive(Default)]
pub(crate) struct Spares {
    there: AtomicUsize,
    /// Those that have not begun to take goroutines yet.
    starting: AtomicUsize,
    told: AtomicBool,
}

impl Spares {
    pub(crate) fn are_starting(&self) -> bool {
        self.starting.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn count(&self) -> usize {
        self.there.load(Ordering::SeqCst)
    }
}

/// One of the spares, until it ends.
struct Spare(Arc<System>);

impl Drop for Spare {
    fn drop(&mut self) {
        self.0.spares.there.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One that has not begun yet.
struct Starting(Arc<System>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.spares.starting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl System {
    /// Starts spares: `asleep` isolates are asleep in C functions, and `stuck` ones compute there. If an isolate has nothing to do, that is
    /// sent for first. Called by the monitor, at each look while isolates run goroutines.
    pub(crate) fn take_over(self: &Arc<Self>, asleep: usize, stuck: usize) {
        let (waiting, there) = (self.queue.len(), self.spares.count());
        if waiting == 0 || self.is_closing() || self.queue.wake_idle() || asleep + stuck == 0 {
            return;
        }
        let (isolates, most) = {
            let settings = self.settings();
            (settings.isolates, settings.max_blocked)
        };
        // Those that compute take a processor away from the others, so there is no use in many spares.
        let wanted = asleep + stuck.min(isolates.saturating_sub(there));
        let wanted = wanted.min(waiting).saturating_sub(self.spares.starting.load(Ordering::SeqCst));
        let room = most.saturating_sub(there + self.blocking.running());
        if room == 0 && wanted > 0 && !self.spares.told.swap(true, Ordering::SeqCst) {
            (self.report)(&format!(
                "{most} isolates are blocked in C functions, so that goroutines wait for one of them; \
                 goroutine.configure{{max_blocked = N}} allows more"
            ));
        }
        for _ in 0..wanted.min(room) {
            if self.start_spare().is_err() {
                return; // the monitor comes again
            }
        }
    }

    fn start_spare(self: &Arc<Self>) -> Result<(), StartError> {
        self.spares.there.fetch_add(1, Ordering::SeqCst);
        self.spares.starting.fetch_add(1, Ordering::SeqCst);
        let (spare, starting) = (Spare(Arc::clone(self)), Starting(Arc::clone(self)));
        self.add_worker(&format!("spare-{}", runtime_core::next_id()), body(spare, starting))
    }
}

fn body(spare: Spare, starting: Starting) -> WorkerBody {
    Box::new(move |spawner| {
        Box::pin(async move {
            let system = &spare.0;
            let isolate = match Isolate::new(system, spawner) {
                Ok(isolate) => std::rc::Rc::new(isolate),
                Err(error) => {
                    (system.report)(&format!("cannot start an isolate: {}", crate::fault::text(&error)));
                    return;
                }
            };
            let answering = Inquiries::begin(system);
            drop(starting);
            isolate.accept(system, Some(STAY)).await;
            drop(answering);
            isolate.wind_down().await;
        })
    })
}
