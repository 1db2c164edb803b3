//! [`HeldList`]: what one holder holds; mostly little, and found quickly also where it is much.
//!
//! The newest lie in a short row, which is looked through from its end. When that is full, all of it goes into a map by address.
//!
//! **What is forgotten.** A lock that nobody has but this list can be unlocked by nobody any more, and nobody waits for it: a wait has
//! it, too. So it may go. It is looked for when twice as many are held as were left by the last look: a step more for each that is
//! held, and no more is kept than twice what somebody has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::gate::Gate;
use super::once::Running;
use crate::sync::Arc;

/// How many lie in the row at most.
const ROW: usize = 16;

/// With so many in the map it is looked for forgotten ones first.
const FIRST_LOOK: usize = 64;

/// Something that is held.
pub(super) enum Held {
    /// Permits of a gate. `times`: how often a reader has come in with them.
    Permits {
        gate: Arc<Gate>,
        permits: usize,
        times: u32,
    },
    Once(Running),
}

/// What becomes of something that was looked at.
pub(super) enum Look {
    /// It is not what was looked for.
    Further,
    Stays,
    Goes,
}

/// What a look has found.
pub(super) enum Found {
    Nothing,
    Stays,
    /// It is no longer in the list.
    Gone(Held),
}

#[derive(Default)]
pub(super) struct HeldList {
    /// In the order of coming.
    row: Vec<Held>,
    /// What came before all in the row.
    older: Option<Box<Older>>,
}

#[derive(Default)]
struct Older {
    places: HashMap<usize, Place>,
    len: usize,
    /// How many have come so far.
    came: u64,
    /// At this length it is looked for forgotten ones.
    next_look: usize,
}

/// What is held of one address: hardly ever more than one thing.
struct Place {
    newest: Numbered,
    before: Vec<Numbered>,
}

struct Numbered {
    /// In the order of coming.
    number: u64,
    held: Held,
}

impl Held {
    pub(super) fn is_of(&self, of: &Arc<Gate>) -> bool {
        matches!(self, Self::Permits { gate, .. } if Arc::ptr_eq(gate, of))
    }

    pub(super) fn is_once(&self, address: usize) -> bool {
        matches!(self, Self::Once(running) if running.address() == address)
    }

    /// An address that is no other's while this is held.
    fn address(&self) -> usize {
        match self {
            Self::Permits { gate, .. } => Arc::as_ptr(gate) as usize,
            Self::Once(running) => running.address(),
        }
    }

    /// Whether nobody else has the lock. One that is run once is run by somebody.
    fn is_forgotten(&mut self) -> bool {
        match self {
            Self::Permits { gate, .. } => Arc::get_mut(gate).is_some(),
            Self::Once(_) => false,
        }
    }
}

impl HeldList {
    pub(super) fn len(&self) -> usize {
        self.row.len() + self.older.as_ref().map_or(0, |older| older.len)
    }

    #[inline]
    pub(super) fn push(&mut self, held: Held) {
        if self.row.len() == ROW {
            self.empty_row();
        }
        self.row.push(held);
    }

    #[cold]
    fn empty_row(&mut self) {
        let older = self.older.get_or_insert_default();
        older.forget();
        self.row.drain(..).for_each(|held| older.add(held));
    }

    /// Looks at what may be of this address, the newest first.
    #[inline]
    pub(super) fn look(&mut self, address: usize, mut look: impl FnMut(&mut Held) -> Look) -> Found {
        match self.row.last_mut().map_or(Look::Further, &mut look) {
            Look::Further => self.look_further(address, look),
            Look::Stays => Found::Stays,
            Look::Goes => self.row.pop().map_or(Found::Nothing, Found::Gone),
        }
    }

    /// Looks at all but the last in the row.
    fn look_further(&mut self, address: usize, mut look: impl FnMut(&mut Held) -> Look) -> Found {
        for index in (0..self.row.len().saturating_sub(1)).rev() {
            match look(&mut self.row[index]) {
                Look::Further => {}
                Look::Stays => return Found::Stays,
                Look::Goes => return Found::Gone(self.row.remove(index)),
            }
        }
        match &mut self.older {
            Some(older) => older.look(address, look),
            None => Found::Nothing,
        }
    }

    /// All, the newest first.
    #[inline]
    pub(super) fn newest_first(self, mut each: impl FnMut(Held)) {
        self.row.into_iter().rev().for_each(&mut each);
        if let Some(older) = self.older {
            older.newest_first(each);
        }
    }
}

impl Older {
    fn add(&mut self, held: Held) {
        self.len += 1;
        self.came += 1;
        let numbered = Numbered { number: self.came, held };
        match self.places.entry(numbered.held.address()) {
            Entry::Vacant(entry) => {
                entry.insert(Place { newest: numbered, before: Vec::new() });
            }
            Entry::Occupied(mut entry) => {
                let place = entry.get_mut();
                place.before.push(std::mem::replace(&mut place.newest, numbered));
            }
        }
    }

    #[cold]
    fn newest_first(self, mut each: impl FnMut(Held)) {
        let places = self.places.into_values();
        let mut all: Vec<_> =
            places.flat_map(|place| place.before.into_iter().chain([place.newest])).collect();
        all.sort_unstable_by_key(|numbered| numbered.number);
        all.into_iter().rev().for_each(|numbered| each(numbered.held));
    }

    #[cold]
    fn look(&mut self, address: usize, mut look: impl FnMut(&mut Held) -> Look) -> Found {
        let Entry::Occupied(mut entry) = self.places.entry(address) else {
            return Found::Nothing;
        };
        let place = entry.get_mut();
        match look(&mut place.newest.held) {
            Look::Stays => return Found::Stays,
            Look::Goes => {
                self.len -= 1;
                let gone = match place.before.pop() {
                    Some(newest) => std::mem::replace(&mut place.newest, newest),
                    None => entry.remove().newest,
                };
                return Found::Gone(gone.held);
            }
            Look::Further => {}
        }
        for index in (0..place.before.len()).rev() {
            match look(&mut place.before[index].held) {
                Look::Further => {}
                Look::Stays => return Found::Stays,
                Look::Goes => {
                    self.len -= 1;
                    return Found::Gone(place.before.remove(index).held);
                }
            }
        }
        Found::Nothing
    }

    /// Drops what is forgotten, if it is time to look. Nobody waits there, so nothing foreign is dropped.
    fn forget(&mut self) {
        if self.len < self.next_look.max(FIRST_LOOK) {
            return;
        }
        // Who has permits of one gate several times refers to it several times: that is left alone.
        self.places.retain(|_, place| !(place.before.is_empty() && place.newest.held.is_forgotten()));
        self.len = self.places.values().map(|place| place.before.len() + 1).sum();
        self.next_look = 2 * self.len;
    }
}
