//! [`Home`]: the runtime that is nobody's worker, for blocking jobs, and for sleepers that no worker polls.

use std::io;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

/// A small runtime with one thread, started when it is first needed; for blocking jobs it may be the embedder's.
///
/// The timers are never the embedder's. Its threads drive them only while they are not blocked, and to block on
/// goroutines is just what some of them may do.
///
/// The own runtime is shut down when the last reference to its `Home` is gone: those of the backend's clones, of each
/// sleep, and of each blocking job that has not ended. Its thread does that, so that the last reference may be
/// dropped anywhere, also inside a runtime.
pub(crate) struct Home {
    /// `None` before it is needed.
    own: Mutex<Option<OwnRuntime>>,
    embedder: Option<Handle>,
}

struct OwnRuntime {
    handle: Handle,
    /// Dropped to end the thread.
    _end: flume::Sender<()>,
}

impl Home {
    /// A home that is not started yet. Blocking jobs run at the `embedder`'s, if there is one.
    pub(crate) fn new(embedder: Option<Handle>) -> Self {
        Self { own: Mutex::new(None), embedder }
    }

    /// The embedder's runtime, if it is shared.
    pub(crate) fn embedder(&self) -> Option<Handle> {
        self.embedder.clone()
    }

    /// The runtime whose timers are always driven, started if it was not.
    pub(crate) fn for_timers(&self) -> io::Result<Handle> {
        let mut own = self.own.lock();
        if let Some(own) = own.as_ref() {
            return Ok(own.handle.clone());
        }
        let started = OwnRuntime::start()?;
        let handle = started.handle.clone();
        *own = Some(started);
        Ok(handle)
    }

    /// The runtime that runs blocking jobs, started if it was not.
    pub(crate) fn for_blocking(&self) -> io::Result<Handle> {
        match &self.embedder {
            Some(embedder) => Ok(embedder.clone()),
            None => self.for_timers(),
        }
    }
}

impl OwnRuntime {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("blocking").build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = flume::bounded::<()>(0);
        let thread = std::thread::Builder::new().name("timers".to_owned());
        thread.spawn(move || {
            // An error, once the other end is dropped. Until then this drives the timers.
            let _ = runtime.block_on(ended.recv_async());
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _end: end })
    }
}
