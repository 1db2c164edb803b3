//! [`Observer`]: looking at a runtime from threads that have no Lua state.

use std::fmt;
use std::sync::Arc;

use runtime_core::{PoolStats, Status, block_on};

use crate::api;
use crate::pool::has_ended;
use crate::system::System;

/// Looks at a runtime from any thread, also while the home state is busy. Made by
/// [`Goroutines::observer`](crate::Goroutines::observer).
#[derive(Clone)]
pub struct Observer(Arc<System>);

/// A goroutine that was started and has not ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Living {
    /// Its number, unique in the process.
    pub id: u64,
    /// The name that it was given, if any.
    pub name: Option<Arc<str>>,
    /// What it does.
    pub status: Status,
    /// `file:line` of the call that started it.
    pub started_at: Arc<str>,
}

impl Observer {
    pub(crate) fn new(system: Arc<System>) -> Self {
        Self(system)
    }

    /// The goroutines that live, in the order in which they were made.
    pub fn living(&self) -> Vec<Living> {
        let living = self.0.registry.living().into_iter();
        living
            .map(|entry| Living {
                id: entry.watch.id(),
                name: entry.watch.name(),
                status: entry.watch.status(),
                started_at: entry.started_at,
            })
            .collect()
    }

    /// What the module's `dump` gives. Those of `goroutine.local` are seen while their state blocks. Takes up to 1 s where states are busy.
    /// Blocks the calling thread, which must not be that of a home state.
    pub fn dump(&self) -> String {
        block_on(&*self.0.backend, api::describe_all(&self.0, Vec::new()))
    }

    /// Cancels all that descends from the goroutine of this number, which the home state has started (see [`root_id`](crate::root_id)): not that
    /// one itself. What one of them starts while it computes on may be missed.
    pub fn cancel_descendants(&self, root: u64, reason: &str) {
        // Those that were being started while others were cancelled are seen the next time.
        for _ in 0..16 {
            let handles = self.0.registry.descendants(root).into_iter().map(|watch| watch.handle());
            if handles.filter(|handle| handle.cancel(Some(reason))).count() == 0 {
                break;
            }
        }
    }

    /// What the pools that are open do, by name.
    pub fn pools(&self) -> Vec<PoolStats> {
        let open = self.0.pools.iter().filter(|pool| !has_ended(pool));
        let mut pools: Vec<_> = open.map(|pool| pool.stats()).collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        pools
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("backend", &self.0.backend.name()).finish_non_exhaustive()
    }
}
