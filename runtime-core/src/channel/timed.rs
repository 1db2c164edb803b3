//! Channels that give values as time passes: nobody sends there but the clock.
//!
//! **Who puts the values in.** No thread and no task: whoever looks at such a channel first puts in what is due by then
//! ([`State::tick`]), and whoever waits at one has a timer of its own ([`Alarm`]), and does the same when that rings.
//! What is put in then goes to the first who waits, who need not be the one whose timer rang. So a
//! wait that is dropped takes its timer with it and leaves the others theirs, and a channel that is dropped leaves
//! nothing behind.

use std::fmt;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Channel;
use super::state::{After, State};
use crate::backend::{Backend, Sleep};

/// When which values come.
pub(super) struct Schedule<T> {
    /// `None`: nothing comes any more.
    next: Option<Instant>,
    every: Option<Duration>,
    make: Box<dyn Fn(Instant) -> T + Send + Sync>,
}

/// What tells the time of a channel.
#[derive(Clone)]
pub(super) struct Clock(pub(super) StdArc<dyn Backend>);

impl<T> Channel<T> {
    /// A channel that gives one value once `deadline` has passed, made by `make` of that instant; `None` is never. It is not closed
    /// then: a second receive waits for ever.
    ///
    /// `make` is called under the channel's lock, and must not use the channel.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use runtime_core::{Backend, Channel, block_on, testing::BareBackend};
    /// let backend = Arc::new(BareBackend::new());
    /// let soon = backend.now() + Duration::from_millis(1);
    /// let alarm = Channel::after(backend.clone(), Some(soon), |at| at);
    /// assert_eq!(block_on(&*backend, alarm.receive()), Some(soon));
    /// ```
    pub fn after(
        backend: StdArc<dyn Backend>,
        deadline: Option<Instant>,
        make: impl Fn(Instant) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::scheduled(backend, Schedule { next: deadline, every: None, make: Box::new(make) })
    }

    /// A channel that gives a value each time that `every` has passed, from now on. It holds one: what comes while that
    /// has not been taken is skipped. [`stop`](Self::stop) ends it, and so does closing.
    ///
    /// `make` is called under the channel's lock, and must not use the channel.
    ///
    /// # Panics
    /// When `every` is zero.
    pub fn ticker(
        backend: StdArc<dyn Backend>,
        every: Duration,
        make: impl Fn(Instant) -> T + Send + Sync + 'static,
    ) -> Self {
        assert!(!every.is_zero(), "a ticker without time between its ticks");
        let next = backend.now().checked_add(every);
        Self::scheduled(backend, Schedule { next, every: Some(every), make: Box::new(make) })
    }

    fn scheduled(backend: StdArc<dyn Backend>, schedule: Schedule<T>) -> Self {
        Self::made(1, Some(Clock(backend)), State::new(1, Some(schedule)), None, None)
    }

    /// Ends what comes with time: a value that is there already stays. Nobody is woken, and the channel is not closed: a
    /// select that has it among others would find it ready for ever. `false`: nothing would have come any more.
    pub fn stop(&self) -> bool {
        self.locked(|state, _| state.stop())
    }

    /// Whether it was made to give values as time passes.
    pub fn is_timed(&self) -> bool {
        self.shared.clock.is_some()
    }

    pub(super) fn now(&self) -> Option<Instant> {
        self.shared.clock.as_ref().map(|clock| clock.0.now())
    }

    /// Puts in what is due, and gives when the next value comes.
    pub(super) fn tick(&self) -> Option<Instant> {
        if self.is_timed() { self.locked(|state, _| state.next_tick()) } else { None }
    }
}

impl<T> State<T> {
    /// Puts in the value that is due by `now`, if there is one, and room.
    pub(super) fn tick(&mut self, now: Instant, after: &mut After<T>) {
        let room = self.has_room();
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        let Some(due) = schedule.next.filter(|due| *due <= now) else {
            return;
        };
        schedule.next = schedule.every.and_then(|every| following(due, every, now));
        if room {
            let value = (schedule.make)(due);
            // Not refused: there is room, and closing has stopped the schedule.
            let _ = self.offer(value, after);
        }
    }

    fn next_tick(&self) -> Option<Instant> {
        self.schedule.as_ref().and_then(|schedule| schedule.next)
    }

    /// Lets no more values come.
    pub(super) fn stop(&mut self) -> bool {
        self.schedule.as_mut().is_some_and(|schedule| schedule.next.take().is_some())
    }
}

/// The first of the instants `due + n * every` that is later than `now`.
fn following(due: Instant, every: Duration, now: Instant) -> Option<Instant> {
    let into = now.saturating_duration_since(due).as_nanos() % every.as_nanos();
    // Less than `every`, and so no more than 64 bits of nanoseconds unless that is itself centuries.
    let into = Duration::from_nanos(u64::try_from(into).unwrap_or(0));
    now.checked_add(every.saturating_sub(into))
}

/// The timer of somebody who waits at channels some of which may be timed.
pub(super) enum Alarm {
    /// Not looked at yet when it has to ring.
    Unset,
    Set(Sleep),
    /// Nothing comes with time.
    Never,
}

impl Alarm {
    pub(super) fn new<'a, T: 'a>(channels: impl IntoIterator<Item = &'a Channel<T>>) -> Self {
        if channels.into_iter().any(Channel::is_timed) { Self::Unset } else { Self::Never }
    }

    /// Ready if values may have been put into the channels: then the one who waits has to look whether it got one, and poll
    /// again. Else it is woken when the next are due.
    pub(super) fn poll<'a, T: 'a>(
        &mut self,
        cx: &mut Context<'_>,
        channels: impl IntoIterator<Item = &'a Channel<T>>,
    ) -> Poll<()> {
        let quiet = match self {
            Self::Never => true,
            Self::Set(sleep) => sleep.as_mut().poll(cx).is_pending(),
            Self::Unset => false,
        };
        if quiet {
            return Poll::Pending;
        }
        let timed = channels.into_iter().filter_map(|channel| Some((channel.tick()?, channel)));
        let next = timed.min_by_key(|(due, _)| *due);
        *self = match next.and_then(|(due, channel)| Some((due, channel.shared.clock.as_ref()?))) {
            Some((due, clock)) => Self::Set(clock.0.sleep_until(due)),
            None => Self::Never,
        };
        Poll::Ready(())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}
