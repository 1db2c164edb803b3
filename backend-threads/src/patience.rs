//! [`Patience`]: how long a worker that has nothing to do keeps looking before it parks.

use std::time::{Duration, Instant};

/// A worker looks for at most this long. To unpark a thread whose core has gone to sleep takes about as long, so
/// parking too late costs at most about twice what knowing the future would.
const LONGEST_LOOK: Duration = Duration::from_micros(50);

/// Looking is worth a try while waits have lasted less than this on average.
const SHORT_WAIT: Duration = Duration::from_micros(100);

/// Waits count as no longer than this, so that a worker that was idle soon notices that it is no more.
const LONG_WAIT: Duration = Duration::from_micros(800);

/// Two workers that answer each other would wake each other's thread for every message, which takes far longer than
/// the messages. So a worker whose last waits were short looks for a while first, and lets other threads have the core
/// each time it looks. A worker whose waits are long parks at once, and an idle one costs nothing.
#[derive(Debug)]
pub(crate) struct Patience {
    /// How long the last waits were, as a moving average.
    wait: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { wait: LONG_WAIT }
    }

    /// Waits until `is_there`, or the thread is unparked.
    pub(crate) fn wait(&mut self, is_there: impl Fn() -> bool) {
        let start = Instant::now();
        let mut waited = Duration::ZERO;
        let mut found = false;
        while !found && self.wait < SHORT_WAIT && waited < LONGEST_LOOK {
            std::thread::yield_now();
            found = is_there();
            waited = start.elapsed();
        }
        if !found {
            std::thread::park();
            waited = start.elapsed();
        }
        self.wait = (self.wait * 3 + waited.min(LONG_WAIT)) / 4;
    }
}
