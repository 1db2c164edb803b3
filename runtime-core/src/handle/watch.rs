//! [`Watch`]: a task for those who only look in.

use std::fmt;
use std::sync::Arc;

use super::Handle;
use super::shared::Shared;
use crate::outcome::Status;
use crate::sync;
use crate::sync::atomic::Ordering;

/// A task seen by somebody who looks in, without a part in it: a failure that nobody can await is reported all the same.
pub struct Watch<T, E, Q = ()> {
    pub(super) shared: sync::Arc<Shared<T, E, Q>>,
}

impl<T, E, Q> Watch<T, E, Q> {
    /// The number the task was made with.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Where the task stands.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The name somebody gave it.
    pub fn name(&self) -> Option<Arc<str>> {
        self.shared.name()
    }

    /// A handle of the task, also if there was none any more.
    pub fn handle(&self) -> Handle<T, E, Q> {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Handle { shared: sync::Arc::clone(&self.shared) }
    }
}

impl<T, E, Q> Clone for Watch<T, E, Q> {
    fn clone(&self) -> Self {
        Self { shared: sync::Arc::clone(&self.shared) }
    }
}

impl<T, E, Q> fmt::Debug for Watch<T, E, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id()).field("status", &self.status()).finish()
    }
}
