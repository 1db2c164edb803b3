//! What the tests are written with: events that are waited for with a bound, and futures that do one small thing.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::{Backend, LocalSpawn, WorkerHandle};

/// How long a machine may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Something that is said once or several times, from any thread.
pub(super) struct Event<T = ()> {
    name: &'static str,
    said: flume::Sender<T>,
    heard: flume::Receiver<T>,
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        Self { name: self.name, said: self.said.clone(), heard: self.heard.clone() }
    }
}

impl<T> Event<T> {
    /// An event that was not said yet. `name` completes "waited in vain for: ".
    pub(super) fn new(name: &'static str) -> Self {
        let (said, heard) = flume::unbounded();
        Self { name, said, heard }
    }

    /// Says it.
    pub(super) fn say(&self, what: T) {
        assert!(self.said.send(what).is_ok(), "this event holds a receiver");
    }

    /// Blocks until it is said; each saying is heard once.
    pub(super) fn wait(&self) -> T {
        match self.heard.recv_timeout(PATIENCE) {
            Ok(what) => what,
            Err(_) => panic!("waited {PATIENCE:?} in vain for: {}", self.name),
        }
    }

    /// Ready when it is said; each saying is heard once.
    pub(super) async fn heard(&self) -> T {
        match self.heard.recv_async().await {
            Ok(what) => what,
            Err(_) => unreachable!("this event holds a sender"),
        }
    }

    /// What was said already.
    pub(super) fn now(&self) -> Option<T> {
        self.heard.try_recv().ok()
    }
}

/// Starts a worker whose body is an async closure.
pub(super) fn work<F: Future<Output = ()> + 'static>(
    backend: &Arc<dyn Backend>,
    body: impl FnOnce(Rc<dyn LocalSpawn>) -> F + Send + 'static,
) -> Box<dyn WorkerHandle> {
    match backend.start_worker("conformance", Box::new(move |spawner| Box::pin(body(spawner)))) {
        Ok(worker) => worker,
        Err(error) => panic!("the worker was not started: {error}"),
    }
}

/// Joins a worker that is about to end.
pub(super) fn join(mut worker: Box<dyn WorkerHandle>) {
    assert!(worker.join_timeout(PATIENCE), "the worker has not ended within {PATIENCE:?} of its body");
    assert!(worker.is_finished(), "a worker that was joined has ended");
}

/// Runs `act` on a thread of its own, gives up after a while, and hands on its panic.
pub(super) fn elsewhere<T: Send + 'static>(
    name: &'static str,
    act: impl FnOnce() -> T + Send + 'static,
) -> T {
    let over = Event::new(name);
    let say = over.clone();
    std::thread::spawn(move || {
        say.say(std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)));
    });
    match over.wait() {
        Ok(value) => value,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Lets all others run once.
pub(super) fn yield_now() -> impl Future<Output = ()> {
    let mut polled = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Calls its function when it is dropped.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A panic that the panic hook does not print, for it is meant.
pub(super) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("meant") as Box<dyn Any + Send>)
}
