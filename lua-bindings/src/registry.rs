//! [`Registry`]: the goroutines that live, and what has been counted of all.
//!
//! It knows the [`Origin`]s, and these know their goroutines: so starting a goroutine touches what all threads share once in
//! a lot. Its lock is held for a few instructions, and nothing waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use runtime_core::Status;

use crate::goroutine::GoroutineWatch;
use crate::origin::Origin;

/// A goroutine that lives. It is not one of its handles: an error that nobody can await any more is reported all the same.
pub(crate) struct Entry {
    pub(crate) watch: GoroutineWatch,
    pub(crate) started_at: Arc<str>,
}

/// What has been counted so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) started: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
}

#[derive(Default)]
struct Origins {
    places: Vec<Option<Weak<Origin>>>,
    free: Vec<u32>,
}

/// See the module's page.
#[derive(Default)]
pub(crate) struct Registry {
    origins: Arc<Mutex<Origins>>,
    failed: AtomicU64,
    cancelled: AtomicU64,
    meters: Mutex<Meters>,
}

/// The place of an origin in the registry. Given back when dropped.
pub(crate) struct Listed {
    origins: Arc<Mutex<Origins>>,
    at: u32,
}

impl Registry {
    /// Makes an origin that is listed as long as it lives.
    pub(crate) fn enter(&self, make: impl FnOnce(Listed) -> Origin) -> Arc<Origin> {
        let at = {
            let mut origins = self.origins.lock();
            origins.free.pop().unwrap_or_else(|| {
                origins.places.push(None);
                (origins.places.len() - 1) as u32
            })
        };
        let origin = Arc::new(make(Listed { origins: Arc::clone(&self.origins), at }));
        self.origins.lock().places[at as usize] = Some(Arc::downgrade(&origin));
        origin
    }

    /// A goroutine has ended.
    pub(crate) fn ended(&self, status: Status) {
        match status {
            Status::Failed => &self.failed,
            Status::Cancelled => &self.cancelled,
            _ => return,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    fn origins(&self) -> Vec<Arc<Origin>> {
        // What may be the last share of an origin is dropped without the lock.
        self.origins.lock().places.iter().flatten().filter_map(Weak::upgrade).collect()
    }

    /// Those that descend from this goroutine of the home state's, and live.
    pub(crate) fn descendants(&self, root: u64) -> Vec<GoroutineWatch> {
        let origins = self.origins();
        let members =
            origins.iter().filter(|origin| origin.root == Some(root)).flat_map(|origin| origin.members());
        members.filter(|watch| !watch.status().is_ended()).collect()
    }

    /// Those that live, in the order in which they were made.
    pub(crate) fn living(&self) -> Vec<Entry> {
        let origins = self.origins();
        let mut living: Vec<_> = origins
            .iter()
            .flat_map(|origin| {
                let members = origin.members().into_iter();
                members.map(|watch| Entry { watch, started_at: Arc::clone(&origin.started_at) })
            })
            .filter(|entry| !entry.watch.status().is_ended())
            .collect();
        living.sort_unstable_by_key(|entry| entry.watch.id());
        living
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            started: self.sum(|meter| &meter.started),
            failed: self.failed.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// How many bytes all states have sent.
    pub(crate) fn shipped(&self) -> u64 {
        self.sum(|meter| &meter.bytes)
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        let meters = self.meters.lock();
        let of = |meter: &Counts| count(meter).load(Ordering::Relaxed);
        of(&meters.gone) + meters.there.iter().map(|meter| of(meter)).sum::<u64>()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut origins = self.origins.lock();
        let place = origins.places.get_mut(self.at as usize).and_then(Option::take);
        origins.free.push(self.at);
        drop(origins);
        drop(place);
    }
}

#[derive(Default)]
struct Counts {
    bytes: AtomicU64,
    started: AtomicU64,
}

#[derive(Default)]
struct Meters {
    there: Vec<Arc<Counts>>,
    /// What states have counted that are no more.
    gone: Counts,
}

/// Counts the goroutines that one state starts, and the bytes that it sends. Only that state's thread writes to it.
pub(crate) struct Meter {
    counts: Arc<Counts>,
    registry: Arc<Registry>,
}

/// Only one thread writes to `count`.
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

impl Meter {
    pub(crate) fn new(registry: &Arc<Registry>) -> Self {
        let counts = Arc::new(Counts::default());
        registry.meters.lock().there.push(Arc::clone(&counts));
        Self { counts, registry: Arc::clone(registry) }
    }

    pub(crate) fn add(&self, bytes: usize) {
        add(&self.counts.bytes, bytes as u64);
    }

    pub(crate) fn started(&self) {
        add(&self.counts.started, 1);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let mut meters = self.registry.meters.lock();
        // Under the lock, so only one thread writes here, too.
        add(&meters.gone.bytes, self.counts.bytes.load(Ordering::Relaxed));
        add(&meters.gone.started, self.counts.started.load(Ordering::Relaxed));
        meters.there.retain(|meter| !Arc::ptr_eq(meter, &self.counts));
    }
}
