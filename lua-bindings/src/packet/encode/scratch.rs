//! [`Scratch`]: what the encoder remembers of one packet.

use rustc_hash::{FxHashMap, FxHashSet};

use super::plain::Strings;
use crate::packet::classes::Marks;
use crate::packet::likeness::Likenesses;

/// What is allocated for a packet and not part of it. A state keeps it for the next one.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Tables and functions met so far, by address.
    pub(super) seen: FxHashMap<usize, Seen>,
    /// The addresses in `seen`, in order of appearance, to take some back.
    pub(super) order: Vec<usize>,
    /// Those of them that were sent in the place of others and say themselves what is to be sent in theirs: the next one that
    /// stands for itself is replaced.
    pub(super) replaceable: FxHashSet<usize>,
    /// Captured variables met so far: the function that has it, and as which upvalue.
    pub(super) cells: FxHashMap<usize, (usize, u8)>,
    /// The embedder's userdata met so far, and their numbers in the side list.
    pub(super) foreign: FxHashMap<usize, u32>,
    pub(super) strings: Strings,
    pub(super) frames: Vec<Frame>,
    /// The numbers of objects too deep for their place. The objects lie in a table on the stack.
    pub(super) later: Vec<u32>,
    /// Those of them that lie within a replacement.
    pub(super) later_replaced: FxHashSet<u32>,
    pub(super) global_names: Vec<Box<[u8]>>,
    pub(super) global_known: FxHashSet<Box<[u8]>>,
    /// Which code each number in the side list is.
    pub(super) codes: FxHashMap<u64, u32>,
    pub(super) marks: Marks,
    pub(super) likenesses: Likenesses,
    pub(super) dump: Vec<u8>,
}

impl Scratch {
    /// Ready for the next packet. What one large packet has needed is not kept for ever.
    pub(super) fn clear(&mut self) {
        if self.seen.capacity() > 4096 || self.dump.capacity() > 1 << 20 {
            *self = Self::default();
            return;
        }
        self.seen.clear();
        self.order.clear();
        self.replaceable.clear();
        self.cells.clear();
        self.strings.clear();
        self.foreign.clear();
        self.frames.clear();
        self.later.clear();
        self.later_replaced.clear();
        self.global_names.clear();
        self.global_known.clear();
        self.codes.clear();
        self.marks.clear();
        self.likenesses.clear();
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(super) number: u32,
    /// Where its flags byte is.
    pub(super) flags: usize,
}

pub(super) enum Frame {
    Table { at: i32, header: usize, array: u32, hash: u32, listing: bool, phase: Phase },
    Function { at: i32, address: usize, next: u8, count: u8, environment: bool },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Entry,
    /// The key has been written, its value is on top.
    Value,
    Metatable,
}

pub(super) enum Origin {
    Root(i32),
    Global(usize),
    /// A class that is described by itself, and the path on which it was found.
    Class(String),
}
