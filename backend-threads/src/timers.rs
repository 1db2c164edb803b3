//! [`Timers`]: one thread that wakes all sleepers of a backend.
//!
//! A sleep is registered when it is first polled and taken out when it is dropped, so the table holds exactly those
//! that somebody waits for. An entry is its deadline, a number that makes it unique, and the waker.
//!
//! **Who wakes whom.** The timer thread waits for the earliest deadline. A sleep that becomes the earliest notifies
//! it; since the thread looks at the table and starts to wait under the same lock, it cannot miss that. When a
//! deadline has passed the thread takes the entry out and wakes its waker, without the lock. The sleeper then finds,
//! on the same clock, that its deadline has passed: there is no flag to miss.
//!
//! **When the thread lives.** It is started by the first registration, and ends when the backend is gone and nobody
//! sleeps any more; a sleep that is polled for the first time after its backend is gone starts it again.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use runtime_core::contained;

/// How many sleepers are woken before the lock is offered to others.
const WOKEN_AT_ONCE: usize = 256;

/// The longest wait in one go: far deadlines are not asked of the operating system.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// When, and a number that no other entry has.
type Key = (Instant, u64);

#[derive(Debug, Default)]
pub(crate) struct Timers {
    table: Mutex<Table>,
    /// There is an earlier deadline than the thread waits for, or the backend is gone.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    sleepers: BTreeMap<Key, Waker>,
    next_number: u64,
    has_thread: bool,
    backend_gone: bool,
}

impl Timers {
    /// A future that is ready once `deadline` has passed.
    pub(crate) fn sleep_until(self: &Arc<Self>, deadline: Instant) -> SleepUntil {
        SleepUntil { deadline, number: None, timers: Arc::clone(self) }
    }

    /// Tells the thread to end as soon as nobody sleeps.
    pub(crate) fn backend_gone(&self) {
        self.table.lock().backend_gone = true;
        self.changed.notify_one();
    }

    /// The number of sleeps that are waited for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.lock().sleepers.len()
    }

    /// Whether the timer thread runs.
    #[cfg(test)]
    pub(crate) fn has_thread(&self) -> bool {
        self.table.lock().has_thread
    }

    fn register(self: &Arc<Self>, deadline: Instant, waker: &Waker) -> io::Result<u64> {
        let waker = waker.clone();
        let mut table = self.table.lock();
        if !table.has_thread {
            let timers = Arc::clone(self);
            // The thread begins by taking the lock that is held here.
            std::thread::Builder::new().name("timers".to_owned()).spawn(move || timers.run())?;
            table.has_thread = true;
        }
        let number = table.next_number;
        table.next_number += 1;
        let key = (deadline, number);
        table.sleepers.insert(key, waker);
        let is_earliest = table.sleepers.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(table);
        if is_earliest {
            self.changed.notify_one();
        }
        Ok(number)
    }

    /// The thread.
    fn run(&self) {
        let mut due = Vec::with_capacity(WOKEN_AT_ONCE);
        let mut table = self.table.lock();
        loop {
            let now = Instant::now();
            while due.len() < WOKEN_AT_ONCE
                && let Some(first) = table.sleepers.first_entry()
                && first.key().0 <= now
            {
                due.push(first.remove());
            }
            if !due.is_empty() {
                // Wakers are foreign code, and are neither called nor dropped under the lock.
                MutexGuard::unlocked(&mut table, || due.drain(..).for_each(wake));
                continue;
            }
            match table.sleepers.first_key_value() {
                Some((&(deadline, _), _)) => {
                    let wait = deadline.saturating_duration_since(now).min(LONGEST_WAIT);
                    self.changed.wait_for(&mut table, wait);
                }
                None if table.backend_gone => break,
                None => self.changed.wait(&mut table),
            }
        }
        table.has_thread = false;
    }
}

/// A panic in foreign code must not end the thread that others wait for.
fn wake(waker: Waker) {
    contained(|| waker.wake());
}

/// The future of [`Timers::sleep_until`].
#[derive(Debug)]
pub(crate) struct SleepUntil {
    deadline: Instant,
    /// The number of the entry, once there is one.
    number: Option<u64>,
    timers: Arc<Timers>,
}

impl Future for SleepUntil {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline <= Instant::now() {
            return Poll::Ready(());
        }
        let Some(number) = self.number else {
            match self.timers.register(self.deadline, cx.waker()) {
                Ok(number) => self.number = Some(number),
                // No thread to be had: ask again and again, which is dear, but neither early nor for ever.
                Err(_) => cx.waker().wake_by_ref(),
            }
            return Poll::Pending;
        };
        let mut table = self.timers.table.lock();
        let Some(waker) = table.sleepers.get_mut(&(self.deadline, number)) else {
            // The thread has just taken it out: the deadline has passed since we looked at the clock.
            return Poll::Ready(());
        };
        let previous = (!waker.will_wake(cx.waker())).then(|| std::mem::replace(waker, cx.waker().clone()));
        drop(table);
        drop(previous);
        Poll::Pending
    }
}

impl Drop for SleepUntil {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut table = self.timers.table.lock();
            let waker = table.sleepers.remove(&(self.deadline, number));
            let nobody_sleeps = table.backend_gone && table.sleepers.is_empty();
            drop(table);
            drop(waker);
            if nobody_sleeps {
                self.timers.changed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use futures_lite::future::{block_on, poll_once};

    use super::Timers;

    fn in_an_hour() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[test]
    fn dropped_timers_leave_nothing_behind() {
        let timers = Arc::new(Timers::default());
        for _ in 0..100_000 {
            assert_eq!(block_on(poll_once(timers.sleep_until(in_an_hour()))), None);
            assert_eq!(timers.len(), 0);
        }
        timers.backend_gone();
    }

    #[test]
    fn a_timer_that_nobody_polled_takes_no_room_and_no_thread() {
        let timers = Arc::new(Timers::default());
        let sleep = timers.sleep_until(in_an_hour());
        assert_eq!((timers.len(), timers.has_thread()), (0, false));
        drop(sleep);
    }

    #[test]
    fn the_thread_ends_with_the_backend_once_nobody_sleeps() {
        let timers = Arc::new(Timers::default());
        let mut far = Box::pin(timers.sleep_until(in_an_hour()));
        assert_eq!(block_on(poll_once(&mut far)), None);
        timers.backend_gone();
        block_on(timers.sleep_until(Instant::now() + Duration::from_millis(5)));
        assert!(timers.has_thread(), "somebody still sleeps");
        drop(far);
        while timers.has_thread() {
            std::thread::yield_now();
        }
        // The thread's own reference is dropped after that.
        while Arc::strong_count(&timers) > 1 {
            std::thread::yield_now();
        }
    }
}
