use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use runtime_core::{Backend, BlockingJob, LocalFuture, LocalSpawn, Sleep, WorkerBody, WorkerHandle};
use runtime_core::{ContainPanic, contain_panic, contained, next_id, relayed, worker_thread};

/// A backend that is made of std alone.
pub struct Toy;

impl Backend for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        worker_thread(name, || run_worker(body))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let mut asleep = false;
        // What the timers keep of a sleep that is dropped is a waker that wakes nobody any more.
        relayed(poll_fn(move |cx| {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut asleep, true) {
                let _ = TIMERS.send((deadline, cx.waker().clone()));
            }
            Poll::Pending
        }))
    }

    fn run_blocking(&self, job: BlockingJob) {
        thread::spawn(|| contained(job));
    }

    fn block_on(&self, mut future: Pin<&mut dyn Future<Output = ()>>) {
        // A thread has one token to be unparked with, which whoever is blocked inside `future` may use up: so a flag says
        // whether this waker was called.
        struct Unpark(Thread, AtomicBool);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.1.store(true, Ordering::Release);
                self.0.unpark();
            }
        }
        let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&unpark));
        while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            while !unpark.1.swap(false, Ordering::Acquire) {
                thread::park();
            }
        }
    }
}

/// One thread for all timers, which never ends.
static TIMERS: LazyLock<Sender<(Instant, Waker)>> = LazyLock::new(|| {
    let (sleep, sleeps) = channel::<(Instant, Waker)>();
    thread::spawn(move || {
        let mut sleepers: BTreeMap<(Instant, u64), Waker> = BTreeMap::new();
        loop {
            let first = sleepers.first_key_value().map(|((deadline, _), _)| *deadline);
            let wait = first.map_or(Duration::MAX, |first| first.saturating_duration_since(Instant::now()));
            if let Ok((deadline, waker)) = sleeps.recv_timeout(wait) {
                sleepers.insert((deadline, next_id()), waker);
            }
            while let Some(first) = sleepers.first_entry()
                && first.key().0 <= Instant::now()
            {
                let waker = first.remove();
                contained(|| waker.wake());
            }
        }
    });
    sleep
});

/// The futures of a worker, and the queue of those that are ready.
struct Worker {
    /// `None` once the body has ended.
    futures: RefCell<Option<BTreeMap<u64, ContainPanic>>>,
    ready: Sender<u64>,
}

impl LocalSpawn for Worker {
    fn spawn_local(&self, future: LocalFuture) {
        let (id, future) = (next_id(), contain_panic(future));
        if let Some(futures) = &mut *self.futures.borrow_mut() {
            futures.insert(id, future);
            let _ = self.ready.send(id);
        }
    }
}

fn run_worker(body: WorkerBody) {
    struct Ready(u64, Sender<u64>);
    impl Wake for Ready {
        fn wake(self: Arc<Self>) {
            let _ = self.1.send(self.0);
        }
    }
    let (ready, queue) = channel();
    let worker = Rc::new(Worker { futures: RefCell::new(Some(BTreeMap::new())), ready });
    let spawner = Rc::clone(&worker);
    // The call of `body` is made by the first poll, so that one wrapper contains all its panics.
    worker.spawn_local(Box::pin(async move { body(spawner).await }));
    let mut first = None;
    for id in queue {
        let body = *first.get_or_insert(id);
        // Taken out while it is polled, for it may spawn others.
        let future = worker.futures.borrow_mut().as_mut().and_then(|futures| futures.remove(&id));
        let Some(mut future) = future else { continue };
        let waker = Waker::from(Arc::new(Ready(id, worker.ready.clone())));
        if Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_ready() {
            if id == body {
                break;
            }
        } else if let Some(futures) = &mut *worker.futures.borrow_mut() {
            futures.insert(id, future);
        }
    }
    // Out of the cell first: what is dropped may spawn.
    let left = worker.futures.borrow_mut().take();
    drop(left);
}
