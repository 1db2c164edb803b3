//! [`Shared`]: what the modules have in common, in all states.

use std::collections::BTreeMap;
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
    task: Mutex<Option<Task>>,
}

/// The task whose function runs in the home state.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) env: BTreeMap<String, String>,
}

impl Shared {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, io: Io::default(), http: Clients::default(), task: Mutex::default() }
    }

    pub(crate) fn task(&self) -> Option<Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_task(&self, task: Option<Task>) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }
}
