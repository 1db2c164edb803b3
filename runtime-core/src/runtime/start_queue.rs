//! [`StartQueue`]: tasks that have not begun, and which worker takes them.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use crate::backend::LocalFuture;

/// Makes a task's future, on the worker with this number.
pub(super) type Start = Box<dyn FnOnce(usize) -> LocalFuture + Send>;

/// One queue for all workers.
///
/// **Who wakes whom.** A worker is *free* while its body waits for a start and none of its tasks is being polled. Who
/// puts a start into the queue wakes one free worker, and takes its freedom away, so that the next start wakes another.
/// If none is free nobody is woken: a worker that becomes free looks into the queue after it has said so. Either
/// the one sees the worker free or the other sees the start, since both go through the queue's lock in between.
///
/// A worker that was woken may poll another task first, perhaps for long. So a start stays in the queue until the
/// moment that it runs, and whoever begins a poll while starts are waiting wakes another free worker.
pub(super) struct StartQueue {
    give: flume::Sender<Start>,
    take: flume::Receiver<Start>,
    seats: Box<[Seat]>,
    closed: AtomicBool,
}

/// What others know of a worker.
#[derive(Default)]
struct Seat {
    free: AtomicBool,
    body: AtomicWaker,
}

impl StartQueue {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        // Not bounded: whoever wants fewer tasks at once has pools for that.
        let (give, take) = flume::unbounded();
        Arc::new(Self {
            give,
            take,
            seats: std::iter::repeat_with(Seat::default).take(workers).collect(),
            closed: AtomicBool::new(false),
        })
    }

    pub(super) fn push(&self, start: Start) {
        // An error would hand the start back to be dropped; but the queue holds a receiver.
        let _ = self.give.send(start);
        self.wake_one();
    }

    /// Ends the workers, and drops what has not begun.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.take.drain().for_each(drop);
        for seat in &self.seats {
            seat.body.wake();
        }
    }

    /// Waits, on the worker `seat`, for a start to be there; `false` when the queue was closed.
    pub(super) fn wait(&self, seat: usize) -> impl Future<Output = bool> {
        let seat = &self.seats[seat];
        poll_fn(move |cx| {
            seat.free.store(false, Ordering::SeqCst);
            seat.body.register(cx.waker());
            if self.closed.load(Ordering::SeqCst) {
                return Poll::Ready(false);
            }
            if !self.take.is_empty() {
                return Poll::Ready(true);
            }
            self.become_free(seat);
            Poll::Pending
        })
    }

    /// Begins the next start on the worker `seat` and runs it to its end, if nobody was faster.
    pub(super) async fn run_one(self: Arc<Self>, seat: usize) {
        if let Ok(start) = self.take.try_recv() {
            start(seat).await;
        }
    }

    /// Polls a task on the worker `seat`.
    pub(super) fn poll<T>(
        &self,
        seat: usize,
        cx: &mut Context<'_>,
        task: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        let seat = &self.seats[seat];
        let was_free = seat.free.swap(false, Ordering::SeqCst);
        if !was_free && !self.take.is_empty() {
            self.wake_one();
        }
        let polled = task(cx);
        if was_free {
            self.become_free(seat);
        }
        polled
    }

    fn become_free(&self, seat: &Seat) {
        seat.free.store(true, Ordering::SeqCst);
        if !self.take.is_empty() && seat.free.swap(false, Ordering::SeqCst) {
            seat.body.wake();
        }
    }

    fn wake_one(&self) {
        let free = |seat: &&Seat| seat.free.load(Ordering::SeqCst) && seat.free.swap(false, Ordering::SeqCst);
        if let Some(seat) = self.seats.iter().find(free) {
            seat.body.wake();
        }
    }
}
