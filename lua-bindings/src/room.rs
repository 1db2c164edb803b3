//! [`Room`]: whether there is memory for more goroutines, where isolates have a limit.
//!
//! A loop that starts goroutines without end would otherwise go on for ever: what has not begun is in no Lua state, and each goroutine that
//! finds no memory in its isolate fails alone. So a start is refused while those that have not begun take as much as an isolate may have,
//! and when none of the last goroutines has found memory to run. Then half as many may try again: those that have it may have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::settings::Settings;

/// What a goroutine that has not begun takes, about, besides what it was given.
const EACH: usize = 512;

/// After so many goroutines one after another that have found no memory none is started.
const STARVED: usize = 100;

/// See the module's page.
#[derive(Default)]
pub(crate) struct Room {
    /// How many bytes an isolate may have; 0 if there is no limit.
    limit: AtomicUsize,
    /// How many those take that have not begun.
    taken: AtomicUsize,
    /// How many goroutines have found no memory since one has.
    starved: AtomicUsize,
}

/// What a goroutine takes that has not begun. Given back when dropped.
pub(crate) struct Place {
    room: Arc<Room>,
    bytes: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Waiting,
    Starved,
}

impl Room {
    pub(crate) fn set_limit(&self, settings: &Settings) {
        self.limit.store(settings.memory_limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// Room for a goroutine that was given so many bytes. `None`: there is no limit.
    pub(crate) fn take(self: &Arc<Self>, bytes: impl FnOnce() -> usize) -> Result<Option<Place>, Full> {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return Ok(None);
        }
        if self.starved.load(Ordering::Relaxed) >= STARVED {
            self.starved.store(STARVED / 2, Ordering::Relaxed);
            return Err(Full::Starved);
        }
        let bytes = bytes() + EACH;
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        let place = Place { room: Arc::clone(self), bytes };
        // One that is alone has room in any case.
        if before > 0 && before.saturating_add(bytes) > limit { Err(Full::Waiting) } else { Ok(Some(place)) }
    }

    /// A goroutine has found no memory.
    pub(crate) fn starve(&self) {
        self.starved.fetch_add(1, Ordering::Relaxed);
    }

    /// Has a goroutine begun, and says if that was well: if none has starved meanwhile.
    pub(crate) fn begin<T>(&self, begin: impl FnOnce() -> T) -> T {
        let before = self.starved.load(Ordering::Relaxed);
        let begun = begin();
        if before > 0 && self.starved.load(Ordering::Relaxed) == before {
            self.starved.store(0, Ordering::Relaxed);
        }
        begun
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Full {
    /// What is said of it.
    pub(crate) fn text(self, settings: &Settings) -> String {
        let limit = settings.memory_limit.unwrap_or(0);
        let advice = &settings.memory_advice;
        match self {
            Self::Waiting => format!(
                "not enough memory: the goroutines that have not begun take as much as an isolate may have, which is {limit} bytes, \
                 {advice}"
            ),
            Self::Starved => format!(
                "not enough memory: none of the last {STARVED} goroutines has found enough in its isolate, which may have {limit} \
                 bytes, {advice}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(limit: usize) -> Arc<Room> {
        let room = Arc::new(Room::default());
        room.set_limit(&Settings { memory_limit: Some(limit), ..Settings::new(1) });
        room
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        let room = Arc::new(Room::default());
        assert!(matches!(room.take(|| usize::MAX), Ok(None)));
    }

    #[test]
    fn those_that_have_not_begun_take_what_an_isolate_may_have_and_no_more() {
        let room = limited(10 * EACH);
        let mut places: Vec<_> = (0..10).map(|_| room.take(|| 0).ok().flatten().unwrap()).collect();
        assert_eq!(room.take(|| 0).err(), Some(Full::Waiting));
        places.pop();
        assert!(matches!(room.take(|| 0), Ok(Some(_))));
        places.clear();
        assert!(matches!(room.take(|| 1000 * EACH), Ok(Some(_))), "one that is alone");
    }

    #[test]
    fn after_many_that_have_found_no_memory_none_is_started_until_one_has() {
        let room = limited(1 << 30);
        (0..STARVED).for_each(|_| room.starve());
        assert_eq!(room.take(|| 0).err(), Some(Full::Starved));
        assert!(room.take(|| 0).is_ok(), "others may try");
        (0..STARVED / 2).for_each(|_| room.begin(|| room.starve()));
        assert_eq!(room.take(|| 0).err(), Some(Full::Starved));
        room.begin(|| ());
        (1..STARVED).for_each(|_| room.starve());
        assert!(room.take(|| 0).is_ok());
    }
}
