//! The values without contents, in tight loops: most of what most packets consist of.

use super::judge::Event;
use super::{Encoder, Frame};
use crate::packet::bytes::LARGE;
use crate::packet::tag;
use crate::raw::{Kind, Stack};

/// Strings up to this length are one object in Lua, however often they occur; longer ones may be several.
const SHORT: usize = 40;

/// How many strings of a packet can be named by a number.
const NUMBERED: u8 = 200;

/// How many places there are for strings that were met.
const PLACES: usize = 64;

/// The short strings met so far, by address, and their numbers: each is written once, and then named by its number. A place
/// forgets its string for the next one, which costs bytes and nothing else.
///
/// An address stays a string's as long as the packet is being written, since all that was visited is kept alive by what
/// reaches it from the stack.
pub(super) struct Strings {
    places: [(usize, u8); PLACES],
    next: u8,
}

/// The number of a string that was met once, and may never be again.
const ONCE: u8 = u8::MAX;

impl Default for Strings {
    fn default() -> Self {
        Self { places: [(0, ONCE); PLACES], next: 0 }
    }
}

/// How a string is written.
enum Written {
    InFull,
    /// In full, and given the next number.
    Numbered,
    Again(u8),
}

impl Strings {
    pub(super) fn clear(&mut self) {
        if self.next > 0 || self.places.iter().any(|place| place.0 != 0) {
            *self = Self::default();
        }
    }

    pub(super) fn count(&self) -> u8 {
        self.next
    }

    /// Takes back the numbers from `count` on: what was written with them was taken back.
    pub(super) fn forget_from(&mut self, count: u8) {
        self.next = count;
        for place in &mut self.places {
            if place.1 != ONCE && place.1 >= count {
                *place = (0, ONCE);
            }
        }
    }

    /// `key`: it is one of a table, and so likely to come again.
    fn meet(&mut self, bytes: &[u8], key: bool) -> Written {
        if bytes.len() > SHORT || bytes.is_empty() {
            return Written::InFull;
        }
        let address = bytes.as_ptr() as usize;
        let place = &mut self.places[(address >> 4) % PLACES];
        let met = place.0 == address;
        if met && place.1 != ONCE {
            return Written::Again(place.1);
        }
        if (met || key) && self.next < NUMBERED {
            *place = (address, self.next);
            self.next += 1;
            return Written::Numbered;
        }
        *place = (address, ONCE);
        Written::InFull
    }
}

impl Encoder<'_> {
    /// Writes the value at `index` if it has no contents. It stays where it is.
    pub(super) fn plain(&mut self, stack: &Stack<'_>, index: i32, key: bool) -> bool {
        match stack.kind(index) {
            Kind::Nil | Kind::None => self.out.push(tag::NIL),
            Kind::Boolean => self.out.push(if stack.boolean(index) { tag::TRUE } else { tag::FALSE }),
            Kind::Number => super::number(&mut self.out, stack.number(index)),
            Kind::String => self.string(stack.string(index), key),
            _ => return false,
        }
        true
    }

    fn string(&mut self, bytes: &[u8], key: bool) {
        if key {
            self.event = Event::of(bytes);
        }
        let tag = match self.scratch.strings.meet(bytes, key) {
            Written::InFull => tag::STRING,
            Written::Numbered => tag::NUMBERED,
            Written::Again(number) => {
                self.out.extend_from_slice(&[tag::AGAIN, number]);
                return;
            }
        };
        // Room for what follows, too: a large string must not be moved for the sake of the byte behind it.
        if bytes.len() >= LARGE {
            self.use_spare(bytes.len() + 64);
        }
        self.out.reserve(bytes.len() + 64);
        if bytes.len() < 0x80 {
            self.out.extend_from_slice(&[tag, bytes.len() as u8]);
        } else {
            self.out.push(tag);
            self.varint(bytes.len() as u64);
        }
        self.out.extend_from_slice(bytes);
    }

    /// Goes on in the memory of an earlier packet, if that has room for so many more bytes, and this has not.
    #[cold]
    fn use_spare(&mut self, more: usize) {
        let needed = self.out.len() + more;
        if self.out.capacity() >= needed {
            return;
        }
        let mut spare = self.state.take_spare();
        if spare.capacity() >= needed {
            spare.extend_from_slice(&self.out);
            self.out = spare;
        }
    }

    /// The entry whose key was written last, and whose value is on top, may tell that the table at `at` is a class.
    pub(super) fn after_key(&mut self, stack: &mut Stack<'_>, at: i32) {
        if std::mem::take(&mut self.event).is_given(stack) {
            self.turns_out_a_class(stack, at);
        }
    }

    /// Writes entries of the innermost open table, which is at `at`, as long as they have no contents. True if there is
    /// another one: then its key and its value are on top. The key of an entry of the list part is not written.
    pub(super) fn plain_entries(&mut self, stack: &mut Stack<'_>, at: i32) -> bool {
        let Some(&Frame::Table { mut array, mut hash, mut listing, .. }) = self.scratch.frames.last() else {
            return false;
        };
        let more = loop {
            if !stack.next(at) {
                break false;
            }
            if listing && super::is_index(stack, array) {
                if !self.plain(stack, -1, false) {
                    break true;
                }
                array += 1;
            } else {
                listing = false;
                let value = stack.kind(-1);
                if matches!(value, Kind::Nil | Kind::Boolean | Kind::Number | Kind::String)
                    && self.plain(stack, -2, true)
                {
                    self.plain(stack, -1, false);
                    hash += 1;
                    if self.event != Event::None {
                        self.after_key(stack, at);
                    }
                } else {
                    break true;
                }
            }
            stack.pop(1);
        };
        if let Some(Frame::Table { array: a, hash: h, listing: l, .. }) = self.scratch.frames.last_mut() {
            (*a, *h, *l) = (array, hash, listing);
        }
        more
    }
}
