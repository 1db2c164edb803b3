//! [`Code`]: the bytecode of a Lua function, dumped once and shared by every packet that carries it.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use runtime_core::next_id;
use rustc_hash::FxHashMap;

use crate::bytecode::{self, Analysis};
use crate::raw::{Kind, Prototypes, Stack};

/// How many pieces of code a state remembers. A program that keeps making new functions (by `load`) starts afresh
/// then, so that the cache does not grow without bound.
const REMEMBERED: usize = 10_000;

/// How many bytes of code it remembers at most; one function larger than that is remembered alone.
pub(crate) const REMEMBERED_BYTES: usize = 4 << 20;

/// The bytecode of one function prototype, and what reading it told.
pub(crate) struct Code {
    /// Unique in the process, for caches of what was loaded from it.
    pub(crate) id: u64,
    pub(crate) bytes: Box<[u8]>,
    /// `None` where this Lua's bytecode cannot be read; then globals are looked for by their names in `bytes`.
    pub(crate) analysis: Option<Analysis>,
    quick: bool,
    likeness: OnceLock<u64>,
}

impl Code {
    fn new(bytes: &[u8]) -> Self {
        let analysis = bytecode::analyse(bytes).ok();
        let quick = cfg!(feature = "lua54")
            && analysis.as_ref().is_some_and(|analysis| {
                analysis.env_upvalues.is_empty()
                    && analysis.globals_read.is_empty()
                    && analysis.globals_written.is_empty()
                    && !analysis.env_escapes
                    && analysis.captured_writes.is_empty()
            });
        Self { id: next_id(), bytes: bytes.into(), analysis, quick, likeness: OnceLock::new() }
    }

    /// Code that came from outside. It is not analysed, so that states do not keep functions that are loaded from it: their
    /// number is that of the packets that come in.
    pub(crate) fn foreign(bytes: &[u8]) -> Self {
        Self { id: next_id(), bytes: bytes.into(), analysis: None, quick: false, likeness: OnceLock::new() }
    }

    /// Whether the function knows of no globals, and assigns to nothing that it captured: then it is its captured variables
    /// alone that decide whether it can travel.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    /// A number that code of this kind has in every state, and hardly any other.
    pub(crate) fn likeness(&self) -> u64 {
        *self.likeness.get_or_init(|| crate::packet::of_code(&self.bytes))
    }

    /// Whether `name` stands anywhere in the bytecode.
    pub(crate) fn mentions(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.bytes.windows(name.len()).any(|window| window == name)
    }
}

/// The code that a state has dumped so far, found by its bytes.
#[derive(Default)]
pub(crate) struct CodeCache {
    by_dump: FxHashMap<Box<[u8]>, Arc<Code>>,
    /// Of all of it.
    bytes: usize,
}

impl CodeCache {
    /// The code with these bytes.
    pub(crate) fn intern(&mut self, dump: &[u8]) -> Arc<Code> {
        if let Some(code) = self.by_dump.get(dump) {
            return Arc::clone(code);
        }
        self.bytes += dump.len();
        if self.by_dump.len() >= REMEMBERED || self.bytes > REMEMBERED_BYTES {
            self.by_dump.clear();
            self.bytes = dump.len();
        }
        let code = Arc::new(Code::new(dump));
        self.by_dump.insert(dump.into(), Arc::clone(&code));
        code
    }
}

/// How many functions a state remembers the code of.
pub(crate) const RECENT: usize = 128;

/// The code of functions that were met not long ago, found without dumping them.
///
/// It is found by what the closures of one prototype have in common ([`Prototypes`]), or, where that cannot be known, by the
/// closure's own address. Either is an address, and could be another's once its owner is gone. So each entry has a *witness*,
/// a closure of that very prototype, which lies in a weak table of the state: as long as it is there it is alive, and so is
/// its prototype, and has been all the time since the entry was made. So nobody else has had the address, and what has it
/// now is the same. The witness's captured variables are not kept alive: when it is gone, the next closure is dumped again.
/// (The code of a prototype never changes. What the debug library can change is captured variables.)
pub(crate) struct Recent {
    prototypes: Option<Prototypes>,
    entries: RefCell<Vec<Option<Entry>>>,
}

/// What a function is found by, and its code.
type Entry = (usize, Arc<Code>);

impl Recent {
    pub(crate) fn new(prototypes: Option<Prototypes>) -> Self {
        Self { prototypes, entries: RefCell::new(vec![None; RECENT]) }
    }

    /// Whether it is known which closures are of one prototype. Then what is found for a closure may have been learnt from
    /// another one.
    pub(crate) fn by_prototype(&self) -> bool {
        self.prototypes.is_some()
    }

    /// What the function at `index` is found by.
    fn key(&self, stack: &Stack<'_>, index: i32) -> usize {
        match self.prototypes {
            Some(prototypes) => prototypes.of(stack, index),
            None => stack.address(index),
        }
    }

    /// The code of the function at the absolute `index`, if it is known, given to `found`. The witnesses are in the table at
    /// `witnesses`.
    pub(crate) fn find<R>(
        &self,
        stack: &mut Stack<'_>,
        witnesses: i32,
        index: i32,
        found: impl FnOnce(&Arc<Code>) -> R,
    ) -> Option<R> {
        let key = self.key(stack, index);
        let entries = self.entries.borrow();
        let (known, code) = entries[place(key)].as_ref()?;
        if *known != key {
            return None;
        }
        let alive = stack.raw_get_index(witnesses, place(key) + 1) == Kind::Function;
        stack.pop(1);
        alive.then(|| found(code))
    }

    /// Makes the function on top the witness of its prototype; [`Recent::set`] then says which code it is.
    pub(crate) fn witness(&self, stack: &mut Stack<'_>, witnesses: i32) -> usize {
        let key = self.key(stack, -1);
        // First of all: setting the witness may raise, and then there must be none that goes with another's code.
        self.entries.borrow_mut()[place(key)] = None;
        stack.push_copy(-1);
        stack.raw_set_index(witnesses, place(key) + 1);
        key
    }

    pub(crate) fn set(&self, key: usize, code: &Arc<Code>) {
        self.entries.borrow_mut()[place(key)] = Some((key, Arc::clone(code)));
    }
}

/// The place of a key.
fn place(key: usize) -> usize {
    // The highest bits of the product depend on all bits of the address.
    ((key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RECENT.trailing_zeros())) as usize
}
