//! [`Registry`]: the goroutines that live, and what has been counted of all.
//!
//! Each is entered when it is made and taken out when it has ended, on whatever threads that is: so the registry is in parts,
//! each with a lock of its own, held for a few instructions. Nothing waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use runtime_core::{Status, Watch};

use crate::goroutine::{Failure, GoroutineHandle, Queued};
use crate::packet::Packet;

const PARTS: usize = 16;

/// A goroutine that lives. It is not one of its handles: an error that nobody can await any more is reported all the same.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) watch: Watch<Packet, Box<Failure>, Queued>,
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
struct Part {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    totals: Totals,
}

/// See the module's page.
#[derive(Default)]
pub(crate) struct Registry {
    parts: [Arc<Mutex<Part>>; PARTS],
    meters: Mutex<Meters>,
}

/// The place of a goroutine in the registry. Given back when dropped.
pub(crate) struct Listed {
    part: Arc<Mutex<Part>>,
    at: u32,
}

impl Registry {
    pub(crate) fn enter(&self, handle: &GoroutineHandle, started_at: &Arc<str>) -> Listed {
        let part = &self.parts[handle.id() as usize % PARTS];
        let entry = Entry { watch: handle.watch(), started_at: Arc::clone(started_at) };
        let mut entries = part.lock();
        entries.totals.started += 1;
        let at = match entries.free.pop() {
            Some(at) => {
                entries.entries[at as usize] = Some(entry);
                at
            }
            None => {
                entries.entries.push(Some(entry));
                (entries.entries.len() - 1) as u32
            }
        };
        drop(entries);
        Listed { part: Arc::clone(part), at }
    }

    /// Those that live, in the order in which they were made.
    pub(crate) fn living(&self) -> Vec<Entry> {
        let mut living = Vec::new();
        for part in &self.parts {
            living.extend(part.lock().entries.iter().flatten().cloned());
        }
        living.retain(|entry| !entry.watch.status().is_ended());
        living.sort_unstable_by_key(|entry| entry.watch.id());
        living
    }

    pub(crate) fn totals(&self) -> Totals {
        self.parts.iter().fold(Totals::default(), |sum, part| {
            let Totals { started, failed, cancelled } = part.lock().totals;
            Totals {
                started: sum.started + started,
                failed: sum.failed + failed,
                cancelled: sum.cancelled + cancelled,
            }
        })
    }

    /// How many bytes all states have sent.
    pub(crate) fn shipped(&self) -> u64 {
        let meters = self.meters.lock();
        meters.gone + meters.there.iter().map(|meter| meter.load(Ordering::Relaxed)).sum::<u64>()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut part = self.part.lock();
        let entry = part.entries.get_mut(self.at as usize).and_then(Option::take);
        part.free.push(self.at);
        match entry.as_ref().map(|entry| entry.watch.status()) {
            Some(Status::Failed) => part.totals.failed += 1,
            Some(Status::Cancelled) => part.totals.cancelled += 1,
            _ => {}
        }
        drop(part);
        // What it held is dropped without the lock.
        drop(entry);
    }
}

#[derive(Default)]
struct Meters {
    there: Vec<Arc<AtomicU64>>,
    /// What states have sent that are no more.
    gone: u64,
}

/// Counts the bytes that one state sends. Only that state's thread writes to it.
pub(crate) struct Meter {
    bytes: Arc<AtomicU64>,
    registry: Arc<Registry>,
}

impl Meter {
    pub(crate) fn new(registry: &Arc<Registry>) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        registry.meters.lock().there.push(Arc::clone(&bytes));
        Self { bytes, registry: Arc::clone(registry) }
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.store(self.bytes.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let mut meters = self.registry.meters.lock();
        meters.gone += self.bytes.load(Ordering::Relaxed);
        meters.there.retain(|meter| !Arc::ptr_eq(meter, &self.bytes));
    }
}
