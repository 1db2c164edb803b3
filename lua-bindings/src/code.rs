//! [`Code`]: the bytecode of a Lua function, dumped once and shared by every packet that carries it.

use std::sync::Arc;

use runtime_core::next_id;
use rustc_hash::FxHashMap;

use crate::bytecode::{self, Analysis};

/// How many pieces of code a state remembers. A program that keeps making new functions (by `load`) starts afresh
/// then, so that the cache does not grow without bound.
const REMEMBERED: usize = 10_000;

/// The bytecode of one function prototype, and what reading it told.
pub(crate) struct Code {
    /// Unique in the process, for caches of what was loaded from it.
    pub(crate) id: u64,
    pub(crate) bytes: Box<[u8]>,
    /// `None` where this Lua's bytecode cannot be read; then globals are looked for by their names in `bytes`.
    pub(crate) analysis: Option<Analysis>,
}

impl Code {
    fn new(bytes: &[u8]) -> Self {
        Self { id: next_id(), bytes: bytes.into(), analysis: bytecode::analyse(bytes).ok() }
    }

    /// Code that came from outside. It is not analysed, so that states do not keep functions that are loaded from it: their
    /// number is that of the packets that come in.
    pub(crate) fn foreign(bytes: &[u8]) -> Self {
        Self { id: next_id(), bytes: bytes.into(), analysis: None }
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
}

impl CodeCache {
    /// The code with these bytes.
    pub(crate) fn intern(&mut self, dump: &[u8]) -> Arc<Code> {
        if let Some(code) = self.by_dump.get(dump) {
            return Arc::clone(code);
        }
        if self.by_dump.len() >= REMEMBERED {
            self.by_dump.clear();
        }
        let code = Arc::new(Code::new(dump));
        self.by_dump.insert(dump.into(), Arc::clone(&code));
        code
    }
}
