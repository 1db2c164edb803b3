//! [`Alarm`]: something that happens at a time, with nobody waiting for it.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use parking_lot::Mutex;

use crate::backend::{Backend, Sleep};

/// Does something at an instant, unless it is dropped before that. It needs no task: the timer that wakes it is
/// what runs it. So what it does should be short, and is only done where waking is legal, which is everywhere.
///
/// **Who wakes whom.** The alarm is the waker of its own sleep. Woken while another thread polls that sleep, it leaves a
/// note, and the other polls again; so no wake-up is lost, and no lock is held while foreign code runs.
///
/// Dropping it forgets the timer at once. If the time comes at that very moment, the action is done, or dropped, but
/// never half of it; dropping does not wait for it.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use runtime_core::{Alarm, Backend, Channel, conformance::MovedClock, testing::BareBackend};
/// let clock = MovedClock::new(Arc::new(BareBackend::new()));
/// let rung = Channel::<()>::new(1);
/// let bell = rung.clone();
/// let _alarm = Alarm::new(&clock, clock.now() + Duration::from_secs(60), move || {
///     bell.close();
/// });
/// clock.advance(Duration::from_secs(59));
/// assert!(!rung.is_closed());
/// clock.advance(Duration::from_secs(1));
/// assert!(rung.is_closed());
/// ```
#[must_use = "dropped, it does nothing any more"]
pub struct Alarm {
    clockwork: Arc<Clockwork>,
}

/// What is done.
type Action = Box<dyn FnOnce() + Send>;

struct Clockwork {
    state: Mutex<State>,
}

enum State {
    /// It sleeps. The sleep has a reference to the clockwork as its waker, which ends when either is dropped.
    Asleep(Sleep, Action),
    /// A thread polls the sleep.
    Polled { again: bool },
    /// It has rung, or was dropped.
    Over,
}

impl Alarm {
    /// Does `action` once `at` has come, at once if it has.
    pub fn new(backend: &dyn Backend, at: Instant, action: impl FnOnce() + Send + 'static) -> Self {
        let state = State::Asleep(backend.sleep_until(at), Box::new(action));
        let clockwork = Arc::new(Clockwork { state: Mutex::new(state) });
        clockwork.poll();
        Self { clockwork }
    }
}

impl Clockwork {
    fn poll(self: &Arc<Self>) {
        let (mut sleep, action) = {
            let mut state = self.state.lock();
            match mem::replace(&mut *state, State::Polled { again: false }) {
                State::Asleep(sleep, action) => (sleep, action),
                State::Polled { .. } => {
                    *state = State::Polled { again: true };
                    return;
                }
                State::Over => {
                    *state = State::Over;
                    return;
                }
            }
        };
        let waker = Waker::from(Arc::clone(self));
        loop {
            let rings = sleep.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(());
            let mut state = self.state.lock();
            match &mut *state {
                State::Polled { .. } if rings => {
                    *state = State::Over;
                    drop(state);
                    drop(sleep);
                    return action();
                }
                State::Polled { again: true } => *state = State::Polled { again: false },
                State::Polled { again: false } => {
                    *state = State::Asleep(sleep, action);
                    return;
                }
                // Dropped meanwhile: what it had is dropped here, once the lock is released.
                _ => {
                    drop(state);
                    return;
                }
            }
        }
    }
}

impl Wake for Clockwork {
    fn wake(self: Arc<Self>) {
        self.poll();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let before = mem::replace(&mut *self.clockwork.state.lock(), State::Over);
        drop(before);
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}
