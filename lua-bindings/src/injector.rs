//! [`Injector`]: the queue of goroutines that have not started.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future::yield_now;
use parking_lot::Mutex;

use crate::parking::{Parked, Parking, Seat};

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
/// parks, ceases to be one, then looks into the queue a last time. With a fence on both sides between the two
/// steps, at least one sees the other: either `push` sees no searcher and wakes, or the searcher sees the item.
///
/// **Who is woken can come.** What waits for work in an isolate is one of its tasks: while another one runs there, perhaps for long, or
/// for ever in a C function, it cannot come. So a search ends when another task has its turn ([`Injector::has_a_turn`]), and of those that are
/// parked one is woken whose isolate runs nothing just now ([`Parking`]). What goes wrong still, since an isolate can get
/// something else to do between being woken and coming, is seen by the monitor, which looks at isolates that run the same goroutine
/// for some milliseconds: it [wakes another one](Injector::wake_idle).
pub(crate) struct Injector<T> {
    back: End<T>,
    front: End<T>,
    searching: Apart<AtomicUsize>,
    parking: Parking,
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
            parking: Parking::default(),
        }
    }

    pub(crate) fn push(&self, item: T) {
        {
            let mut back = self.back.items.lock();
            back.push_back(item);
            self.back.count.store(back.len(), Ordering::SeqCst);
        }
        self.wake_for_more();
    }

    /// Has somebody come for what is there, unless somebody searches.
    fn wake_for_more(&self) {
        fence(Ordering::SeqCst);
        if self.searching.0.load(Ordering::Relaxed) == 0 {
            self.parking.wake_one();
        }
    }

    /// The same, if there is anything: for one who has ceased to search, or does not come though it was woken.
    fn wake_for_rest(&self) {
        if !self.is_empty() {
            self.wake_for_more();
        }
    }

    /// For the monitor, when there is something in the queue: wakes an isolate that is parked and runs nothing, whoever searches. False if there is
    /// none.
    pub(crate) fn wake_idle(&self) -> bool {
        self.parking.wake_idle()
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

    /// Waits for the next item, for the isolate that has this seat. Dropping the future loses none.
    pub(crate) async fn pop(&self, seat: &Arc<Seat>) -> T {
        let mut search = Searching::begin(self, seat);
        if let Some(item) = self.try_pop() {
            return search.found(item);
        }
        // One searcher is enough; a second would only take a core from somebody.
        let until = Instant::now() + SEARCH;
        while search.alone && Instant::now() < until {
            yield_now().await;
            search.go_on();
            if let Some(item) = self.try_pop() {
                return search.found(item);
            }
        }
        loop {
            let mut waiting = Unparking { injector: self, parked: Some(self.parking.park(seat)) };
            drop(search);
            fence(Ordering::SeqCst);
            if let Some(item) = self.try_pop() {
                drop(waiting);
                return Searching::begin(self, seat).found(item);
            }
            waiting.woken().await;
            search = Searching::begin(self, seat);
            if let Some(item) = self.try_pop() {
                return search.found(item);
            }
        }
    }
}

/// A wait that ends its being parked, however it ends.
struct Unparking<'a, T> {
    injector: &'a Injector<T>,
    parked: Option<Parked>,
}

impl<T> Unparking<'_, T> {
    async fn woken(&mut self) {
        poll_fn(|cx| match &self.parked {
            Some(parked) if !self.injector.parking.poll(parked, cx.waker()) => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        self.parked = None; // it is not there any more
    }
}

impl<T> Drop for Unparking<'_, T> {
    fn drop(&mut self) {
        // If it has been woken, another one is to come in its place.
        if let Some(parked) = self.parked.take()
            && !self.injector.parking.leave(parked)
        {
            self.injector.wake_for_rest();
        }
    }
}

/// An isolate that searches. Dropping it ends the search.
struct Searching<'a, T> {
    injector: &'a Injector<T>,
    seat: &'a Seat,
    alone: bool,
}

impl<'a, T> Searching<'a, T> {
    fn begin(injector: &'a Injector<T>, seat: &'a Seat) -> Self {
        let mut search = Self { injector, seat, alone: false };
        search.go_on();
        search
    }

    /// Searches again, if a task of the isolate has had a turn meanwhile.
    fn go_on(&mut self) {
        if !self.seat.searching.load(Ordering::Relaxed) {
            self.seat.searching.store(true, Ordering::Relaxed);
            self.alone = self.injector.searching.0.fetch_add(1, Ordering::SeqCst) == 0;
        }
    }

    fn found(self, item: T) -> T {
        let injector = self.injector;
        drop(self);
        // What was added while this one searched has woken nobody.
        injector.wake_for_rest();
        item
    }
}

impl<T> Drop for Searching<'_, T> {
    fn drop(&mut self) {
        self.injector.end_search(self.seat);
    }
}

impl<T> Injector<T> {
    /// Whether there was a search to be ended.
    fn end_search(&self, seat: &Seat) -> bool {
        // The isolate's own thread alone writes it.
        let searched = seat.searching.load(Ordering::Relaxed);
        if searched {
            seat.searching.store(false, Ordering::Relaxed);
            self.searching.0.fetch_sub(1, Ordering::SeqCst);
        }
        searched
    }

    /// A task of the isolate that has this seat has a turn: its search, if it searches, is at an end.
    pub(crate) fn has_a_turn(&self, seat: &Seat) {
        if self.end_search(seat) {
            self.wake_for_rest();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::interrupt::Pulse;

    #[test]
    fn a_search_is_counted_once_and_not_while_a_task_has_a_turn() {
        let (injector, seat) = (Injector::<u32>::new(), Arc::new(Seat::new(Arc::new(Pulse::here()))));
        let searching = || injector.searching.0.load(Ordering::SeqCst);
        let mut search = Searching::begin(&injector, &seat);
        assert_eq!((searching(), search.alone), (1, true));
        for _ in 0..3 {
            injector.has_a_turn(&seat);
            assert_eq!(searching(), 0);
            search.go_on();
            assert_eq!((searching(), search.alone), (1, true));
        }
        drop(search);
        assert_eq!(searching(), 0);
    }

    #[test]
    fn who_was_woken_and_goes_away_sends_another() {
        let injector = Injector::new();
        let seats = [(); 2].map(|()| Arc::new(Seat::new(Arc::new(Pulse::here()))));
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = Box::pin(injector.pop(&seats[0]));
        let mut second = pin!(injector.pop(&seats[1]));
        let mut both_are_parked = || {
            let _ = (first.as_mut().poll(&mut cx).is_ready(), second.as_mut().poll(&mut cx).is_ready());
            injector.searching.0.load(Ordering::SeqCst) == 0
        };
        while !both_are_parked() {}
        injector.push(7); // wakes the first, which has searched, and so has parked last
        drop(first);
        assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(7));
    }
}
