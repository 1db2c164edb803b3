//! Classes: tables that keep their identity when they cross and come back.
//!
//! **What is one.** Metatables, and what looks like a class in one of the usual styles (`encode/classes.rs` has the rules),
//! and what was given to `goroutine.class`. Everything else is copied.
//!
//! **What only looks like one** keeps its identity as long as it is the same on both sides (`likeness.rs`): otherwise what one of them
//! has changed would be lost. It is written where it stands in every packet, and the receiver takes its own in its place if
//! that is alike. If not, what arrived is a copy, and an *echo* of what the sender has: it goes out under the same id, so that the
//! sender can tell whether it is what he has still.
//!
//! **How it keeps its identity.** A class gets an id, unique in the process, when it is first sent. Its state notes the id
//! with the table. Each goroutine, and the home state, has a table of its own that leads from ids to its classes. Both hold
//! the classes weakly: when nobody else does, a class is collected, and one that comes under the same id is a new one.
//!
//! **How it travels.** In a start, the class is written where it stands, so that what its methods have in common with
//! the started function stays so; the list of [`Mark`]s tells the goroutine which of its new tables have which id.
//! A packet of values only says the id, and has a reference to the class's [`Definition`] in its side list: a packet by
//! itself, which the receiver reads if it does not have the class. It is made once per class, when a value first needs
//! it, and so a stream of instances does not carry the class again.
//!
//! **Classes that reach each other.** A definition describes all classes that are reached from the one that it was made for,
//! each where it stands, and serves for all of them. So there are no definitions within definitions, and what their methods
//! share stays shared. A receiver that has some of the classes already puts its own in their places.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Flat;
use crate::raw::{Kind, Number, Stack};

/// Which objects of the packet that is being written are classes. Each id has one mark at most.
#[derive(Default)]
pub(super) struct Marks {
    list: Vec<Mark>,
    /// Where the first so many of them are, by id: most packets look for none.
    places: FxHashMap<u64, usize>,
    placed: usize,
    /// Those of echoes.
    echoes: Vec<Mark>,
}

/// An object that is a class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) object: u32,
    pub(super) id: u64,
    /// What tells whether the receiver's own is the same, where it has to be for the object to be a class.
    pub(super) likeness: Option<u64>,
}

/// The id on top, and whether what has it only looks like a class: then it is kept as a negative number.
pub(super) fn class_id(stack: &Stack<'_>) -> Option<(u64, bool)> {
    if stack.kind(-1) != Kind::Number {
        return None;
    }
    let id = match stack.number(-1) {
        Number::Integer(id) => id,
        Number::Float(id) => id as i64,
    };
    Some((id.unsigned_abs(), id < 0))
}

/// Pushes an id, as [`class_id`] reads it.
pub(super) fn push_class_id(stack: &mut Stack<'_>, id: u64, looks: bool) {
    stack.push_number(Number::Integer(if looks { -(id as i64) } else { id as i64 }));
}

impl Marks {
    pub(super) fn add(&mut self, object: u32, id: u64, likeness: Option<u64>) {
        self.list.push(Mark { object, id, likeness });
    }

    /// The same for an echo.
    pub(super) fn add_echo(&mut self, object: u32, id: u64, likeness: u64) {
        self.echoes.push(Mark { object, id, likeness: Some(likeness) });
    }

    fn find(&mut self, id: u64) -> Option<usize> {
        let new = self.list.iter().enumerate().skip(self.placed);
        self.places.extend(new.map(|(place, mark)| (mark.id, place)));
        self.placed = self.list.len();
        self.places.get(&id).copied()
    }

    /// Whether an object has this id. If so, it does not only look like a class.
    pub(super) fn is_class(&mut self, id: u64) -> bool {
        let mark = self.find(id).and_then(|place| self.list.get_mut(place));
        mark.map(|mark| mark.likeness = None).is_some()
    }

    /// Takes back the marks of objects from this number on.
    pub(super) fn take_back(&mut self, objects: usize) {
        let before = self.list.len();
        self.list.retain(|mark| (mark.object as usize) < objects);
        if self.list.len() != before {
            self.forget_places();
        }
        self.echoes.retain(|mark| (mark.object as usize) < objects);
    }

    /// The marks so far, in the order of the objects.
    pub(super) fn take(&mut self) -> Vec<Mark> {
        self.forget_places();
        if !self.echoes.is_empty() {
            // What are two here must not become one: of those that are alike one is the receiver's own, at most. And what turned
            // out to be a class is none.
            let classes: FxHashSet<_> = self.list.iter().map(|mark| mark.object).collect();
            let mut taken: FxHashSet<_> = self.list.iter().map(|mark| (mark.id, mark.likeness)).collect();
            let echoes = self
                .echoes
                .drain(..)
                .filter(|mark| !classes.contains(&mark.object) && taken.insert((mark.id, mark.likeness)));
            self.list.extend(echoes);
        }
        // A table can turn out to be a class after it was written.
        self.list.sort_unstable();
        std::mem::take(&mut self.list)
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.echoes.clear();
        self.forget_places();
    }

    fn forget_places(&mut self) {
        self.places.clear();
        self.placed = 0;
    }
}

/// What describes a class, and those that are reached from it, to whoever has not met them.
pub(crate) struct Definition {
    pub(super) flat: Flat,
    /// Whether reading it may load a module.
    pub(super) needs_modules: bool,
}

/// The definitions that a state has made, by number. A weak table of Lua's leads from the classes to the numbers.
#[derive(Default)]
pub(crate) struct Definitions {
    known: FxHashMap<u64, Arc<Definition>>,
    /// How many there may be until those are looked for whose classes are gone.
    room: usize,
}

impl Definitions {
    const LEAST_ROOM: usize = 32;

    pub(super) fn get(&self, number: u64) -> Option<Arc<Definition>> {
        self.known.get(&number).cloned()
    }

    /// The id of one of the classes that a definition describes.
    pub(super) fn class(&self, number: u64, index: usize) -> Option<u64> {
        self.known.get(&number)?.flat.marks.get(index).map(|mark| mark.id)
    }

    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= self.room.max(Self::LEAST_ROOM)
    }

    pub(super) fn insert(&mut self, number: u64, definition: Arc<Definition>) {
        self.known.insert(number, definition);
    }

    /// Gives away those that are not among `live`, for the caller to drop.
    #[must_use = "dropping them may run code"]
    pub(super) fn sweep(&mut self, live: &FxHashSet<u64>) -> Vec<Arc<Definition>> {
        let gone: Vec<u64> = self.known.keys().copied().filter(|number| !live.contains(number)).collect();
        let gone = gone.iter().filter_map(|number| self.known.remove(number)).collect();
        self.room = self.known.len() * 2;
        gone
    }
}
