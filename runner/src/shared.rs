//! [`Shared`]: what the modules have in common, in all states.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{PipeWriter, Read as _, pipe};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use goroutine::Commands;
use mlua::Lua;

use crate::io::Io;
use crate::modules::http::Clients;
use crate::sink::{Origin, Sink};

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) sink: Sink,
    pub(crate) io: Io,
    /// The commands that run.
    pub(crate) commands: Arc<Commands>,
    pub(crate) http: Clients,
    /// What the script may use, in bytes.
    pub(crate) memory_limit: Option<usize>,
    /// The tasks whose functions have begun, by the goroutines of those: all descend from these that run for them.
    tasks: Mutex<HashMap<u64, Task>>,
    /// The goroutines that run a function of a task.
    functions: Mutex<HashSet<u64>>,
    /// Those who print what commands say.
    printers: Mutex<Vec<JoinHandle<()>>>,
    /// One share for each stream of a command that is being read.
    readers: Arc<()>,
}

/// What holds for all that runs for a task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) env: BTreeMap<String, String>,
}

impl Shared {
    pub(crate) fn new(sink: Sink, memory_limit: Option<usize>) -> Self {
        Self {
            sink,
            io: Io::default(),
            commands: Arc::default(),
            http: Clients::default(),
            memory_limit,
            tasks: Mutex::default(),
            functions: Mutex::default(),
            printers: Mutex::default(),
            readers: Arc::default(),
        }
    }

    /// What is written there is printed as what scripts print, line by line or more.
    pub(crate) fn printer(self: &Arc<Self>, origin: Origin) -> std::io::Result<PipeWriter> {
        let (mut from, to) = pipe()?;
        let shared = Arc::clone(self);
        let printer = thread::Builder::new().name("printer".into()).spawn(move || {
            let mut buffer = [0; 16 << 10];
            let mut text = Vec::new();
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                text.extend_from_slice(&buffer[..count]);
                // A line is not cut in half, unless it is a very long one.
                let whole = text.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
                let whole = whole.or_else(|| (text.len() > 1 << 20).then_some(text.len()));
                if let Some(whole) = whole {
                    shared.sink.print(&text[..whole], || origin.clone());
                    text.drain(..whole);
                    // Then the command is held up, and nobody else.
                    if let Some(room) = shared.sink.room() {
                        futures_lite::future::block_on(room);
                    }
                }
            }
            if !text.is_empty() {
                shared.sink.print(&text, || origin);
            }
        })?;
        let mut printers = lock(&self.printers);
        printers.retain(|printer| !printer.is_finished());
        printers.push(printer);
        Ok(to)
    }

    /// A stream of a command is read until this is dropped.
    pub(crate) fn reading(&self) -> Arc<()> {
        Arc::clone(&self.readers)
    }

    /// Waits for what commands have said to be printed, at most until then: one that goes on says more.
    pub(crate) fn printed(&self, until: Instant) {
        let printers = std::mem::take(&mut *lock(&self.printers));
        let is_over =
            || printers.iter().all(|printer| printer.is_finished()) && Arc::strong_count(&self.readers) == 1;
        while !is_over() && Instant::now() < until {
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// The task that the running goroutine, or one from which it descends, was started for.
    pub(crate) fn task(&self, lua: &Lua) -> Option<Task> {
        let root = goroutine::root_id(lua)?;
        lock(&self.tasks).get(&root).cloned()
    }

    /// Who says something now.
    pub(crate) fn origin(&self, lua: &Lua) -> Origin {
        self.origin_of(goroutine::current_id(lua), goroutine::root_id(lua))
    }

    /// The goroutine of this number, which descends from the other.
    pub(crate) fn origin_of(&self, goroutine: Option<u64>, root: Option<u64>) -> Origin {
        let task = root.and_then(|root| lock(&self.tasks).get(&root).map(|task| task.name.clone()));
        let is_function = goroutine.is_some_and(|goroutine| lock(&self.functions).contains(&goroutine));
        Origin { task, goroutine, is_function }
    }

    /// The running goroutine is about to call a function of a task, or of a workflow. The task stays known: what it starts may go on for
    /// longer than it does.
    pub(crate) fn begin_function(&self, lua: &Lua, task: Option<Task>) {
        if let (Some(root), Some(task)) = (goroutine::root_id(lua), task) {
            lock(&self.tasks).insert(root, task);
        }
        if let Some(goroutine) = goroutine::current_id(lua) {
            lock(&self.functions).insert(goroutine);
        }
    }

    /// That function has returned.
    pub(crate) fn end_function(&self, goroutine: u64) {
        lock(&self.functions).remove(&goroutine);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
