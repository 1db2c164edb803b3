//! [`CircuitBreaker`]: leaving alone what has failed often.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backend::Backend;

/// Keeps calls away from what has failed too often, for a time. Clones are the same breaker. Nobody waits for it.
///
/// *Closed*, it lets all calls through, and opens after `threshold` failures in a row. *Open*, it lets none through. After
/// `timeout` it is *half-open*: up to `half_open_max` calls may try, of which the first success closes it, and the first
/// failure opens it anew. A try that has not ended after another `timeout` is not counted on any more.
///
/// ```
/// # use std::{num::NonZeroUsize, sync::Arc, time::Duration};
/// # use runtime_core::{Breaker, CircuitBreaker, Ending, conformance::MovedClock, testing::BareBackend};
/// let clock = MovedClock::new(Arc::new(BareBackend::new()));
/// let two = NonZeroUsize::new(2).unwrap();
/// let breaker = CircuitBreaker::new(Arc::new(clock.clone()), two, Duration::from_secs(30), NonZeroUsize::MIN);
/// for _ in 0..2 {
///     let call = breaker.begin().unwrap();
///     breaker.end(call, Ending::Failure);
/// }
/// assert_eq!((breaker.begin(), breaker.state()), (None, Breaker::Open));
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(breaker.state(), Breaker::HalfOpen);
/// let call = breaker.begin().unwrap();
/// assert_eq!(breaker.begin(), None);
/// breaker.end(call, Ending::Success);
/// assert_eq!(breaker.state(), Breaker::Closed);
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Calls go through.
    Closed,
    /// None does.
    Open,
    /// Some may try.
    HalfOpen,
}

impl Breaker {
    /// The word for it: `closed`, `open` or `half-open`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// It was given up: this tells nothing of what was called.
    GivenUp,
}

/// A call that is under way: which period of the breaker it belongs to. One that ends in a later period counts for
/// nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call(u64);

impl Call {
    /// It as a number, from which [`from_number`](Self::from_number) makes it again.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The call of this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

struct Shared {
    backend: Arc<dyn Backend>,
    threshold: usize,
    timeout: Duration,
    half_open_max: usize,
    state: Mutex<State>,
}

struct State {
    /// How often it has changed.
    period: u64,
    step: Step,
}

enum Step {
    Closed { failures: usize },
    Open { since: Instant },
    HalfOpen { since: Instant, under_way: usize },
}

impl CircuitBreaker {
    /// A closed one.
    pub fn new(
        backend: Arc<dyn Backend>,
        threshold: NonZeroUsize,
        timeout: Duration,
        half_open_max: NonZeroUsize,
    ) -> Self {
        let state = Mutex::new(State { period: 0, step: Step::Closed { failures: 0 } });
        let (threshold, half_open_max) = (threshold.get(), half_open_max.get());
        Self { shared: Arc::new(Shared { backend, threshold, timeout, half_open_max, state }) }
    }

    /// Begins a call, if one may go through. What comes of it is to be told by [`end`](Self::end).
    pub fn begin(&self) -> Option<Call> {
        let now = self.shared.backend.now();
        let mut state = self.shared.state.lock();
        self.shared.catch_up(&mut state, now);
        match &mut state.step {
            Step::Closed { .. } => {}
            Step::HalfOpen { under_way, .. } if *under_way < self.shared.half_open_max => *under_way += 1,
            Step::HalfOpen { .. } | Step::Open { .. } => return None,
        }
        Some(Call(state.period))
    }

    /// Tells how a call has ended.
    pub fn end(&self, call: Call, ending: Ending) {
        let now = self.shared.backend.now();
        let mut state = self.shared.state.lock();
        if state.period != call.0 {
            return;
        }
        let next = match (&mut state.step, ending) {
            (Step::Closed { failures }, Ending::Failure) => {
                *failures += 1;
                if *failures < self.shared.threshold {
                    return;
                }
                Step::Open { since: now }
            }
            (Step::Closed { failures }, Ending::Success) => {
                *failures = 0;
                return;
            }
            (Step::HalfOpen { .. }, Ending::Failure) => Step::Open { since: now },
            (Step::HalfOpen { .. }, Ending::Success) => Step::Closed { failures: 0 },
            (Step::HalfOpen { under_way, .. }, Ending::GivenUp) => {
                *under_way = under_way.saturating_sub(1);
                return;
            }
            (Step::Closed { .. }, Ending::GivenUp) | (Step::Open { .. }, _) => return,
        };
        state.become_step(next);
    }

    /// Where it stands.
    pub fn state(&self) -> Breaker {
        let now = self.shared.backend.now();
        let mut state = self.shared.state.lock();
        self.shared.catch_up(&mut state, now);
        match state.step {
            Step::Closed { .. } => Breaker::Closed,
            Step::Open { .. } => Breaker::Open,
            Step::HalfOpen { .. } => Breaker::HalfOpen,
        }
    }

    /// An address that is this breaker's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }
}

impl Shared {
    /// What has come to pass by the clock alone.
    fn catch_up(&self, state: &mut State, now: Instant) {
        let since = match state.step {
            Step::Open { since } => since,
            // Tries that have not come back: their goroutines may be gone.
            Step::HalfOpen { since, under_way } if under_way >= self.half_open_max => since,
            _ => return,
        };
        if now.saturating_duration_since(since) >= self.timeout {
            state.become_step(Step::HalfOpen { since: now, under_way: 0 });
        }
    }
}

impl State {
    fn become_step(&mut self, step: Step) {
        self.period += 1;
        self.step = step;
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("state", &self.state()).finish_non_exhaustive()
    }
}
