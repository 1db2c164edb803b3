//! [`Injector`]: the queue of goroutines that have not started.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

use event_listener::Event;
use futures_lite::future::yield_now;

/// How long an isolate without work looks for some before it parks. A thread that is woken costs several microseconds;
/// a program that starts goroutines one after another would pay them each time.
const SEARCH: Duration = Duration::from_micros(50);

/// A queue from which isolates take, with as few wake-ups as possible: the idea of tokio's and rayon's schedulers.
///
/// An isolate that is out of work *searches* for a while, then parks. Whoever adds work wakes a parked isolate only if
/// none is searching. An isolate that finds work while it searches, and sees more, wakes the next one: so the number of
/// isolates at work grows as long as there is work, one wake-up at a time.
///
/// **No work is left lying while isolates are parked.** `push` adds, then looks for searchers; a searcher that gives up
/// begins to listen, ceases to be one, then looks into the queue a last time. With a fence on both sides between the two
/// steps, at least one sees the other: either `push` sees no searcher and notifies, or the searcher sees the item.
pub(crate) struct Injector<T> {
    queue: (flume::Sender<T>, flume::Receiver<T>),
    /// Items in the queue, or just about to be: so that those who search do not take its lock for nothing.
    items: AtomicUsize,
    searching: AtomicUsize,
    parked: Event,
}

impl<T> Injector<T> {
    pub(crate) fn new() -> Self {
        Self {
            queue: flume::unbounded(),
            items: AtomicUsize::new(0),
            searching: AtomicUsize::new(0),
            parked: Event::new(),
        }
    }

    pub(crate) fn push(&self, item: T) {
        // Cannot fail: this very structure holds the receiving end.
        let _ = self.queue.0.send(item);
        self.items.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) == 0 {
            self.parked.notify(1);
        }
    }

    /// The next item, if there is one now.
    pub(crate) fn try_pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let item = self.queue.1.try_recv().ok()?;
        self.items.fetch_sub(1, Ordering::SeqCst);
        Some(item)
    }

    /// An item counts once it is there. One that is taken before it was counted makes the count wrap for a moment,
    /// which counts as "something there".
    fn is_empty(&self) -> bool {
        self.items.load(Ordering::SeqCst) == 0
    }

    /// Waits for the next item. Dropping the future loses none.
    pub(crate) async fn pop(&self) -> T {
        let search = Searching::begin(self);
        if let Some(item) = self.try_pop() {
            return search.found(item);
        }
        // One searcher is enough; a second would only take a core from somebody.
        if search.alone {
            let until = Instant::now() + SEARCH;
            while Instant::now() < until {
                yield_now().await;
                if let Some(item) = self.try_pop() {
                    return search.found(item);
                }
            }
        }
        let mut search = Some(search);
        loop {
            let woken = self.parked.listen();
            drop(search.take());
            fence(Ordering::SeqCst);
            if let Some(item) = self.try_pop() {
                return Searching::begin(self).found(item);
            }
            woken.await;
            let again = Searching::begin(self);
            if let Some(item) = self.try_pop() {
                return again.found(item);
            }
            search = Some(again);
        }
    }
}

/// An isolate that searches. Dropping it ends the search.
struct Searching<'a, T> {
    injector: &'a Injector<T>,
    alone: bool,
}

impl<'a, T> Searching<'a, T> {
    fn begin(injector: &'a Injector<T>) -> Self {
        let alone = injector.searching.fetch_add(1, Ordering::SeqCst) == 0;
        Self { injector, alone }
    }

    fn found(self, item: T) -> T {
        let injector = self.injector;
        drop(self);
        fence(Ordering::SeqCst);
        // What was added while this one searched has woken nobody.
        if !injector.is_empty() && injector.searching.load(Ordering::Relaxed) == 0 {
            injector.parked.notify(1);
        }
        item
    }
}

impl<T> Drop for Searching<'_, T> {
    fn drop(&mut self) {
        self.injector.searching.fetch_sub(1, Ordering::SeqCst);
    }
}
