//! [`Parking`]: isolates that have nothing to do, and which of them is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use crate::interrupt::Pulse;

/// What an isolate shows to those who have work for it.
pub(crate) struct Seat {
    pulse: Arc<Pulse>,
    /// Whether it counts among those that search for work. Its own thread alone reads and writes it.
    pub(crate) searching: AtomicBool,
}

impl Seat {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse, searching: AtomicBool::new(false) }
    }
}

/// The isolates that are parked. The one that has parked last is woken first: so spare ones come to their end.
#[derive(Default)]
pub(crate) struct Parking {
    places: Mutex<Places>,
    /// How many there are, written under the lock, for those who would look in vain.
    len: AtomicUsize,
}

#[derive(Default)]
struct Places {
    parked: Vec<Place>,
    /// How often somebody has parked.
    count: u64,
}

struct Place {
    number: u64,
    seat: Arc<Seat>,
    /// Once it is known.
    waker: Option<Waker>,
}

/// One that has parked: it stands in [`Parking`], or was woken.
pub(crate) struct Parked(u64);

impl Parking {
    pub(crate) fn park(&self, seat: &Arc<Seat>) -> Parked {
        let mut places = self.places.lock();
        places.count += 1;
        let number = places.count;
        places.parked.push(Place { number, seat: Arc::clone(seat), waker: None });
        self.len.store(places.parked.len(), Ordering::SeqCst);
        Parked(number)
    }

    /// Whether it was woken. If not, this waker will be.
    pub(crate) fn poll(&self, parked: &Parked, waker: &Waker) -> bool {
        let mut places = self.places.lock();
        let Some(place) = places.parked.iter_mut().find(|place| place.number == parked.0) else {
            return true;
        };
        // What is dropped here is one of ours, and takes no lock.
        match &mut place.waker {
            Some(known) => known.clone_from(waker),
            None => place.waker = Some(waker.clone()),
        }
        false
    }

    /// It parks no more. False if it was woken.
    pub(crate) fn leave(&self, parked: Parked) -> bool {
        let mut places = self.places.lock();
        let there = places.parked.iter().position(|place| place.number == parked.0);
        let left = there.map(|index| places.parked.remove(index));
        self.len.store(places.parked.len(), Ordering::SeqCst);
        drop(places);
        left.is_some()
    }

    /// Wakes one whose isolate runs nothing just now. If all run something, all are woken: any of them may do so for long, and those that
    /// do not look for work when what they run has come to its end or waits.
    pub(crate) fn wake_one(&self) {
        if !self.wake_idle() && self.len.load(Ordering::SeqCst) > 0 {
            let all = {
                let mut places = self.places.lock();
                self.len.store(0, Ordering::SeqCst);
                std::mem::take(&mut places.parked)
            };
            all.into_iter().for_each(Place::wake);
        }
    }

    /// Wakes one whose isolate runs nothing just now. False if there is none.
    pub(crate) fn wake_idle(&self) -> bool {
        if self.len.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let place = {
            let mut places = self.places.lock();
            let Some(index) = places.parked.iter().rposition(|place| !place.seat.pulse.runs()) else {
                return false;
            };
            let place = places.parked.remove(index);
            self.len.store(places.parked.len(), Ordering::SeqCst);
            place
        };
        place.wake();
        true
    }
}

impl Place {
    /// Not under the lock.
    fn wake(self) {
        if let Some(waker) = self.waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn seat() -> (Arc<Seat>, Arc<Calls>) {
        (Arc::new(Seat::new(Arc::new(Pulse::here()))), Arc::default())
    }

    #[test]
    fn isolates_that_run_something_are_woken_if_there_are_no_others() {
        let parking = Parking::default();
        let isolates = [seat(), seat(), seat(), seat()];
        let parked: Vec<Parked> = isolates.iter().map(|(seat, _)| parking.park(seat)).collect();
        for (parked, (_, calls)) in parked.iter().zip(&isolates) {
            assert!(!parking.poll(parked, &Waker::from(Arc::clone(calls))));
        }
        let calls = || isolates.each_ref().map(|(_, calls)| calls.0.load(Ordering::SeqCst));
        let mut coroutine = 0_u8;
        for (seat, _) in &isolates[2..] {
            let _ = seat.pulse.handshake().take_up((&raw mut coroutine).cast());
        }
        assert!(parking.wake_idle());
        assert_eq!(calls(), [0, 1, 0, 0]);
        parking.wake_one();
        assert_eq!(calls(), [1, 1, 0, 0]);
        assert!(!parking.wake_idle());
        assert_eq!(calls(), [1, 1, 0, 0]);
        parking.wake_one();
        assert_eq!(calls(), [1, 1, 1, 1]);
        assert!(parked.iter().all(|parked| parking.poll(parked, Waker::noop())));
    }

    #[test]
    fn who_leaves_is_told_whether_it_was_woken() {
        let parking = Parking::default();
        let (seat, _) = seat();
        let (first, second) = (parking.park(&seat), parking.park(&seat));
        assert!(parking.leave(second));
        parking.wake_one();
        assert!(!parking.leave(first));
        assert!(!parking.wake_idle());
    }
}
