//! [`Patience`]: how long a worker that has nothing to do keeps looking before it parks.

use std::time::{Duration, Instant};

/// A worker looks for at most this long. To unpark a thread whose core has gone to sleep takes about as long, so
/// parking too late costs at most about twice what knowing the future would.
const LONGEST_LOOK: Duration = Duration::from_micros(50);

/// Looking is worth a try while waits have lasted less than this on average.
const SHORT_WAIT: Duration = Duration::from_micros(100);

/// Waits count as no longer than this, so that a worker that was idle soon notices that it is no more.
const LONG_WAIT: Duration = Duration::from_micros(800);

/// A worker that lets others have its core between two looks, and gets it back later than this, is on a busy machine.
const OTHERS_RAN: Duration = Duration::from_micros(20);

/// Two workers that answer each other would wake each other's thread for every message, which takes far longer than
/// the messages. So a worker whose last waits were short looks around for a while before it parks, at most 50 µs,
/// and lets other threads have the core each time it looks. For backends.
///
/// A worker whose waits are long parks at once, and an idle one costs nothing: after one look in vain the waits are
/// not short any more. Nor does it look on where others want its core.
///
/// **Who wakes whom.** This decides when to park and nothing else: whoever wakes a worker must do so as if it were parked
/// already, and the worker must look for what has come once more after it has said that it parks.
///
/// ```
/// # use runtime_core::Patience;
/// # use std::cell::Cell;
/// # use std::sync::mpsc;
/// let (send, inbox) = mpsc::channel();
/// std::thread::spawn(move || (0..100).try_for_each(|n| send.send(n)));
/// let mut patience = Patience::new();
/// let got = Cell::new(None);
/// while got.get() != Some(99) {
///     let look = || {
///         got.set(inbox.try_recv().ok());
///         got.get().is_some()
///     };
///     // Parks, unless there is something by now.
///     patience.wait(look, || got.set(inbox.recv().ok()));
/// }
/// ```
#[derive(Debug)]
pub struct Patience {
    /// How long the last waits were, as a moving average.
    wait: Duration,
    /// When the wait began that has not ended.
    since: Option<Instant>,
}

impl Patience {
    /// That of a worker whose waits are long.
    pub fn new() -> Self {
        Self { wait: LONG_WAIT, since: None }
    }

    /// Waits until `is_there` or until `park` returns, which is called if looking was in vain, or not worth it.
    pub fn wait(&mut self, is_there: impl FnMut() -> bool, park: impl FnOnce()) {
        if !self.look(is_there) {
            park();
            self.unparked();
        }
    }

    /// Looks whether `is_there`, for as long as that is worth it. If it gives false the worker parks, and then says
    /// [`unparked`](Self::unparked). For those who cannot call [`wait`](Self::wait). `is_there` may take what it finds.
    pub fn look(&mut self, mut is_there: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        self.since = Some(start);
        if self.wait >= SHORT_WAIT {
            return false;
        }
        let mut last = start;
        loop {
            std::thread::yield_now();
            if is_there() {
                // Whatever it has done besides looking was no wait.
                self.ended_at(last);
                return true;
            }
            let now = Instant::now();
            if now.duration_since(last) > OTHERS_RAN || now.duration_since(start) >= LONGEST_LOOK {
                return false;
            }
            last = now;
        }
    }

    /// There is something to do again.
    pub fn unparked(&mut self) {
        self.ended_at(Instant::now());
    }

    fn ended_at(&mut self, end: Instant) {
        if let Some(since) = self.since.take() {
            self.wait = (self.wait * 3 + end.duration_since(since).min(LONG_WAIT)) / 4;
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONG_WAIT, Patience};

    #[test]
    fn a_worker_whose_waits_are_long_does_not_look() {
        let mut patience = Patience::new();
        assert!(!patience.look(|| panic!("it looked")));
    }

    #[test]
    fn a_worker_whose_waits_were_short_looks_first() {
        let mut patience = Patience { wait: Duration::ZERO, since: None };
        patience.wait(|| true, || panic!("it parked"));
    }

    #[test]
    fn looking_in_vain_and_a_long_wait_end_it() {
        let mut patience = Patience { wait: Duration::ZERO, since: None };
        let mut parked = false;
        patience.wait(
            || false,
            || {
                parked = true;
                std::thread::sleep(LONG_WAIT);
            },
        );
        assert!(parked);
        assert!(!patience.look(|| panic!("it looked")));
    }
}
