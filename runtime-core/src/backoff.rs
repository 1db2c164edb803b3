//! [`Backoff`]: how long to wait before the next attempt.

use std::time::Duration;

/// How long to wait before the next attempt at something that failed: longer each time, up to a limit.
///
/// ```
/// # use std::time::Duration;
/// let backoff = runtime_core::Backoff {
///     initial: Duration::from_millis(100),
///     max: Duration::from_millis(500),
///     multiplier: 2.0,
///     jitter: false,
/// };
/// let delays: Vec<_> = (1..=4).map(|attempt| backoff.delay(attempt).as_millis()).collect();
/// assert_eq!(delays, [100, 200, 400, 500]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// After the first attempt.
    pub initial: Duration,
    /// The longest.
    pub max: Duration,
    /// How many times longer each is than the one before. At least 1.
    pub multiplier: f64,
    /// Whether each is a random one between half of it and the whole: those who have failed together then do not come
    /// back together.
    pub jitter: bool,
}

impl Backoff {
    /// How long to wait after attempt `attempt`, from 1.
    pub fn delay(&self, attempt: u32) -> Duration {
        let longer =
            self.multiplier.max(1.0).powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
        let seconds = (self.initial.as_secs_f64() * longer).min(self.max.as_secs_f64());
        let share = if self.jitter { 0.5 + fastrand::f64() / 2.0 } else { 1.0 };
        // No longer than `max`, which is one.
        Duration::try_from_secs_f64(seconds * share).unwrap_or(self.max)
    }
}
