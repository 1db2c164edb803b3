//! A worker: a named thread with a current-thread runtime of its own.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use runtime_core::{
    LocalFuture, LocalSpawn, WorkerBody, WorkerHandle, contain_panic, contained, worker_thread,
};
use tokio::runtime::{Builder, Handle, LocalOptions, LocalRuntime};

use crate::inside::Inside;
use crate::{idle, polls};

/// Starts a thread called `name` that runs `body` in a runtime of its own; inside the context of the embedder's, if there is one.
pub(crate) fn start(
    name: &str,
    body: WorkerBody,
    embedder: Option<Handle>,
) -> io::Result<Box<dyn WorkerHandle>> {
    // A local runtime has to be built on its own thread, which says here how that went.
    let (built, is_built) = flume::bounded(1);
    let worker = worker_thread(name, move || {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().on_thread_park(idle::about_to_park).on_thread_unpark(idle::unparked);
        let runtime = builder.build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = built.send(Ok(()));
                run(runtime, body, embedder);
            }
            Err(error) => {
                let _ = built.send(Err(error));
            }
        }
    })?;
    match is_built.recv() {
        Ok(built) => built.map(|()| worker),
        Err(_) => Err(io::Error::other("building the runtime panicked")),
    }
}

fn run(runtime: LocalRuntime, body: WorkerBody, embedder: Option<Handle>) {
    let shared = embedder.clone().map(|embedder| Shared { embedder, worker: runtime.handle().clone() });
    let spawner = Rc::new(Spawner { closed: Cell::new(false), shared });
    let body_spawner = Rc::clone(&spawner);
    // The call of `body` is made by the first poll, so that one wrapper contains all its panics. It is a task like the
    // others, so that its wake-ups come as theirs do.
    let body = contain_panic(Box::pin(async move {
        polls::learn_waker_of_task().await;
        body(body_spawner).await;
    }));
    let timers_here = polls::this_thread_is_a_worker(runtime.handle());
    let looks_around = idle::look_around(&runtime);
    runtime.block_on(async {
        let body = match embedder {
            Some(embedder) => tokio::task::spawn_local(Inside::new(embedder, body)),
            None => tokio::task::spawn_local(body),
        };
        // An error: the runtime is being shut down, which only this function does.
        let _ = body.await;
        spawner.closed.set(true);
    });
    drop(looks_around);
    drop(timers_here);
    // Drops what is still pending, on this thread, and does not wait for blocking jobs that a library has started in
    // this runtime.
    contained(|| runtime.shutdown_background());
}

struct Spawner {
    /// The body has ended, and the runtime may be gone.
    closed: Cell<bool>,
    shared: Option<Shared>,
}

/// The runtime that the futures see, and the one that polls them.
struct Shared {
    embedder: Handle,
    worker: Handle,
}

impl LocalSpawn for Spawner {
    fn spawn_local(&self, future: LocalFuture) {
        let future = contain_panic(future);
        if self.closed.get() {
            return;
        }
        match &self.shared {
            None => drop(tokio::task::spawn_local(future)),
            Some(Shared { embedder, worker }) => {
                // Whoever spawns it may be inside the embedder's runtime, which has no place for it.
                let _inside = worker.enter();
                drop(tokio::task::spawn_local(Inside::new(embedder.clone(), future)));
            }
        }
    }

    fn wake_after_others(&self, waker: &Waker) {
        // Tokio keeps the waker of this future, and wakes it after it has looked at its timers and at what came from other
        // threads. The future itself is not needed any more.
        let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(waker));
    }
}
