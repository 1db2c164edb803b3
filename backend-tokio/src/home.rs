//! [`Home`]: the runtime that is nobody's worker, for blocking jobs, and for sleepers that no worker polls.

use std::io;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};

use crate::Unsuitable;

/// Either a small runtime with one thread, started when it is first needed, or the embedder's.
///
/// The own one is shut down when the last reference to its `Home` is gone: those of the backend's clones, of each
/// sleep, and of each blocking job that has not ended. Its thread does that, so that the last reference may be
/// dropped anywhere, also inside a runtime.
pub(crate) enum Home {
    /// Ours; `None` before it is needed.
    Own(Mutex<Option<OwnRuntime>>),
    /// The embedder's.
    Embedder(Handle),
}

pub(crate) struct OwnRuntime {
    handle: Handle,
    /// Dropped to end the thread.
    _end: flume::Sender<()>,
}

impl Home {
    /// An own runtime, not started yet.
    pub(crate) fn own() -> Self {
        Self::Own(Mutex::new(None))
    }

    /// That of the embedder.
    pub(crate) fn embedder(handle: Handle) -> Result<Self, Unsuitable> {
        if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Err(Unsuitable::CurrentThread);
        }
        // tokio has no other way to ask than to try, which panics.
        let probe = std::panic::catch_unwind(|| {
            let _inside = handle.enter();
            drop(tokio::time::sleep(std::time::Duration::ZERO));
        });
        if probe.is_err() {
            return Err(Unsuitable::NoTimers);
        }
        Ok(Self::Embedder(handle))
    }

    /// The runtime, started if it was not.
    pub(crate) fn runtime(&self) -> io::Result<Handle> {
        match self {
            Self::Embedder(handle) => Ok(handle.clone()),
            Self::Own(own) => {
                let mut own = own.lock();
                if let Some(own) = own.as_ref() {
                    return Ok(own.handle.clone());
                }
                let started = OwnRuntime::start()?;
                let handle = started.handle.clone();
                *own = Some(started);
                Ok(handle)
            }
        }
    }
}

impl OwnRuntime {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("blocking")
            .build()?;
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
