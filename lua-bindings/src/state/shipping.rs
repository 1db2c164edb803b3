//! What shipping keeps in a state from one packet to the next: code, memory, names, and what home has told isolates.

use std::sync::Arc;

use mlua::Lua;
use rustc_hash::FxHashSet;

use super::{Role, State};
use crate::code::Code;
use crate::loaded::Loaded;
use crate::modules;
use crate::packet::Scratch;

impl State {
    /// The code with these bytes, of the function that is now the witness of `key`.
    pub(crate) fn intern_code(&self, dump: &[u8], key: usize) -> Arc<Code> {
        let code = self.codes.borrow_mut().intern(dump);
        self.recent_codes.set(key, &code);
        code
    }

    /// The encoder's memory, left by the packet before.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.take().unwrap_or_default()
    }

    pub(crate) fn keep_scratch(&self, scratch: Box<Scratch>) {
        self.scratch.set(Some(scratch));
    }

    /// Memory for the bytes of a packet that is being made.
    pub(crate) fn take_bytes(&self) -> Vec<u8> {
        self.bytes.take()
    }

    pub(crate) fn keep_bytes(&self, bytes: Vec<u8>) {
        self.bytes.set(bytes);
    }

    /// The memory of the large packet before, if its receiver has given it back.
    pub(crate) fn take_spare(&self) -> Vec<u8> {
        /// After so many packets without a large one no more are expected.
        const PATIENCE: u32 = 1000;
        self.spare_kept.set(PATIENCE);
        self.spare.take()
    }

    pub(crate) fn made_usual_packet(&self) {
        match self.spare_kept.get() {
            0 => {}
            1 => {
                self.spare_kept.set(0);
                drop(self.spare.take());
            }
            more => self.spare_kept.set(more - 1),
        }
    }

    /// Whether something of this state that has a name, or is a class, has this address.
    pub(crate) fn may_be_named(&self, address: usize) -> bool {
        self.named.borrow().as_ref().is_none_or(|named| named.contains(&address))
    }

    /// The addresses of what travels by name, collected anew after [`State::forget_named`].
    pub(crate) fn has_named(&self) -> bool {
        self.named.borrow().is_some()
    }

    pub(crate) fn set_named(&self, named: FxHashSet<usize>) {
        *self.named.borrow_mut() = Some(named);
    }

    pub(crate) fn add_named(&self, address: usize) {
        if let Some(named) = &mut *self.named.borrow_mut() {
            named.insert(address);
        }
    }

    pub(crate) fn forget_named(&self) {
        *self.named.borrow_mut() = None;
        self.our_module.set(0);
    }

    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Tells the isolates where the home state finds its modules: a packet that is on its way may load some.
    pub(crate) fn share_modules(&self, lua: &Lua) -> mlua::Result<()> {
        // The functions of `package.preload` are shared as a packet of their own, which may need modules in its turn: these
        // are just being shared.
        if self.role != Role::Home || self.sharing_modules.replace(true) {
            return Ok(());
        }
        let shared = modules::share(self, lua);
        self.sharing_modules.set(false);
        shared
    }

    /// Notes, at the first start, the methods that strings have in this state alone.
    pub(crate) fn note_own_methods(&self) {
        if self.own_methods.borrow().is_none() && self.system.libraries().is_some() {
            *self.own_methods.borrow_mut() = Some(modules::own_methods(self).unwrap_or_default());
        }
    }

    /// Whether the code names one of those, so that it may call it.
    pub(crate) fn calls_own_method(&self, code: &Code) -> bool {
        let methods = self.own_methods.borrow();
        methods.as_ref().is_some_and(|methods| methods.iter().any(|name| code.mentions(name)))
    }
}
