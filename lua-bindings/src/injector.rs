//! [`Injector`]: the queue of goroutines that have not started.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

use event_listener::Event;
use futures_lite::future::yield_now;
use parking_lot::Mutex;

/// How long an isolate without work looks for some before it parks. A thread that is woken costs several microseconds;
/// a program that starts goroutines one after another would pay them each time.
const SEARCH: Duration = Duration::from_micros(50);

/// An end that is empty keeps the memory for so many items.
const KEPT: usize = 4096;

/// A queue from which isolates take, with as few wake-ups as possible: the idea of tokio's and rayon's schedulers.
///
/// **Two ends.** What is added goes to the back; who finds the front empty moves all of the back there. So those who add
/// and those who take seldom write the same memory, which would make them wait for each other each time. Items
/// leave in the order in which they came, whoever takes them.
///
/// An isolate that is out of work *searches* for a while, then parks. Whoever adds work wakes a parked isolate only if
/// none is searching. An isolate that finds work while it searches, and sees more, wakes the next one: so the number of
/// isolates at work grows as long as there is work, one wake-up at a time.
///
/// **No work is left lying while isolates are parked.** `push` adds, then looks for searchers; a searcher that gives up
/// begins to listen, ceases to be one, then looks into the queue a last time. With a fence on both sides between the two
/// steps, at least one sees the other: either `push` sees no searcher and notifies, or the searcher sees the item.
pub(crate) struct Injector<T> {
    back: End<T>,
    front: End<T>,
    searching: Apart<AtomicUsize>,
    parked: Event,
}

/// One end of the queue, by itself in the cores' caches.
#[repr(align(128))]
struct End<T> {
    items: Mutex<VecDeque<T>>,
    /// How many items there are, written under the lock, for those who would take it in vain.
    count: AtomicUsize,
}

/// Something that is by itself in the cores' caches.
#[repr(align(128))]
struct Apart<T>(T);

impl<T> End<T> {
    fn new() -> Self {
        Self { items: Mutex::default(), count: AtomicUsize::new(0) }
    }
}

impl<T> Injector<T> {
    pub(crate) fn new() -> Self {
        Self {
            back: End::new(),
            front: End::new(),
            searching: Apart(AtomicUsize::new(0)),
            parked: Event::new(),
        }
    }

    pub(crate) fn push(&self, item: T) {
        {
            let mut back = self.back.items.lock();
            back.push_back(item);
            self.back.count.store(back.len(), Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        if self.searching.0.load(Ordering::Relaxed) == 0 {
            self.parked.notify(1);
        }
    }

    /// The next item, if there is one now.
    pub(crate) fn try_pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut front = self.front.items.lock();
        if front.is_empty() {
            // Always in this order: the front's lock, then the back's.
            let mut back = self.back.items.lock();
            std::mem::swap(&mut *front, &mut *back);
            // The front's first: whoever finds nothing at the back finds it here.
            self.front.count.store(front.len(), Ordering::SeqCst);
            self.back.count.store(0, Ordering::SeqCst);
        }
        let item = front.pop_front();
        self.front.count.store(front.len(), Ordering::SeqCst);
        if front.is_empty() && front.capacity() > KEPT {
            *front = VecDeque::new();
        }
        item
    }

    /// How many items there are, about.
    pub(crate) fn len(&self) -> usize {
        self.front.count.load(Ordering::SeqCst) + self.back.count.load(Ordering::SeqCst)
    }

    /// Looks at the front last: there items come from the back, and do not go there.
    pub(crate) fn is_empty(&self) -> bool {
        self.front.count.load(Ordering::SeqCst) == 0
            && self.back.count.load(Ordering::SeqCst) == 0
            && self.front.count.load(Ordering::SeqCst) == 0
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
        let alone = injector.searching.0.fetch_add(1, Ordering::SeqCst) == 0;
        Self { injector, alone }
    }

    fn found(self, item: T) -> T {
        let injector = self.injector;
        drop(self);
        fence(Ordering::SeqCst);
        // What was added while this one searched has woken nobody.
        if !injector.is_empty() && injector.searching.0.load(Ordering::Relaxed) == 0 {
            injector.parked.notify(1);
        }
        item
    }
}

impl<T> Drop for Searching<'_, T> {
    fn drop(&mut self) {
        self.injector.searching.0.fetch_sub(1, Ordering::SeqCst);
    }
}
