//! [`PoolStats`]: what a pool has done so far, and what it measures to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// A pool at one instant: all numbers are of the same one.
///
/// `submitted == queued + active + completed + failed + cancelled`, always.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolStats {
    /// The name it was made with.
    pub name: Arc<str>,
    /// How many tasks may run at once.
    pub workers: usize,
    /// How many tasks hold a slot: they run, or are about to.
    pub active: usize,
    /// How many tasks wait for a slot.
    pub queued: usize,
    /// How many ended well.
    pub completed: u64,
    /// How many ended with an error, or lost their slot without a word.
    pub failed: u64,
    /// How many submits were refused: the queue was full, the pool closed, or it would have been a deadlock.
    pub rejected: u64,
    /// How many were cancelled: while they ran, or dropped from the queue.
    pub cancelled: u64,
    /// How many were accepted.
    pub submitted: u64,
    /// How long tasks that have ended had waited between being accepted and beginning, in milliseconds.
    pub wait_ms: Percentiles,
    /// How long they then took, in milliseconds.
    pub run_ms: Percentiles,
    /// The share of its slots' time, since the pool was made, in which they were held: 0 to 1.
    pub utilisation: f64,
}

/// How times are distributed, in milliseconds, within 1 %. All are 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Percentiles {
    /// Half took no longer.
    pub p50: f64,
    /// 95 of 100 took no longer.
    pub p95: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// How tasks ended, counted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) rejected: u64,
}

/// A distribution of times, in bounded memory (36 KB): from 0.1 µs to a day, within 1 %. The longest is kept exactly.
#[derive(Clone)]
pub(crate) struct Times {
    nanoseconds: Histogram<u64>,
    longest: u64,
}

impl Times {
    const FINEST: u64 = 100;
    const DAY: u64 = 86_400 * 1_000_000_000;
    const DIGITS: u8 = 2;

    pub(crate) fn new() -> Self {
        match Histogram::new_with_bounds(Self::FINEST, Self::DAY, Self::DIGITS) {
            Ok(nanoseconds) => Self { nanoseconds, longest: 0 },
            Err(error) => unreachable!("constant bounds of a histogram: {error}"),
        }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.saturating_record(time);
        self.longest = self.longest.max(time);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        let at = |quantile| milliseconds(self.nanoseconds.value_at_quantile(quantile).min(self.longest));
        Percentiles { p50: at(0.50), p95: at(0.95), p99: at(0.99), max: milliseconds(self.longest) }
    }
}

/// How much of their time slots have been held.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    made: Instant,
    /// Up to here `held` has been added up.
    until: Instant,
    /// Nanoseconds, summed over all slots.
    held: u128,
}

impl Usage {
    pub(crate) fn new(now: Instant) -> Self {
        Self { made: now, until: now, held: 0 }
    }

    /// Adds up the time until `now`, in which `active` slots were held. To be called before that number changes.
    pub(crate) fn advance(&mut self, now: Instant, active: usize) {
        // The clock was read before the lock was taken, so another may have come first with a later time.
        let passed = now.saturating_duration_since(self.until);
        self.held += passed.as_nanos() * active as u128;
        self.until = self.until.max(now);
    }

    pub(crate) fn utilisation(&self, workers: usize) -> f64 {
        let age = self.until.saturating_duration_since(self.made).as_nanos();
        if age == 0 {
            return 0.0;
        }
        (self.held as f64 / (age as f64 * workers as f64)).min(1.0)
    }
}
