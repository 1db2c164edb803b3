//! [`Shared`]: what the modules have in common, in all states.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::io::Io;
use crate::modules::http::Clients;
use crate::sink::Sink;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) sink: Sink,
    pub(crate) io: Io,
    pub(crate) http: Clients,
    /// The tasks whose functions run, by the numbers of their goroutines.
    tasks: Mutex<HashMap<u64, Task>>,
}

/// A task whose function runs in the home state.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) env: BTreeMap<String, String>,
}

impl Shared {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, io: Io::default(), http: Clients::default(), tasks: Mutex::default() }
    }

    /// The task that this goroutine is the function of.
    pub(crate) fn task(&self, goroutine: Option<u64>) -> Option<Task> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).get(&goroutine?).cloned()
    }

    pub(crate) fn begin_task(&self, goroutine: u64, task: Task) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(goroutine, task);
    }

    pub(crate) fn end_task(&self, goroutine: u64) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(&goroutine);
    }
}
