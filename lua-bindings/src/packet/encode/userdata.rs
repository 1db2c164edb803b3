//! Reference objects, the embedder's own types, and errors of Rust functions.

use super::{Encoder, Refusal};
use crate::foreign::Foreign;
use crate::packet::{Reference, tag};
use crate::raw::Stack;
use crate::state::vital;

impl Encoder<'_> {
    /// Writes the userdata on top. True if it is popped already.
    pub(super) fn userdata(&mut self, stack: &mut Stack<'_>) -> Result<bool, Refusal> {
        let replacement = std::mem::take(&mut self.replacement);
        let top = stack.top();
        if let Some(object) = stack.object(top).cloned() {
            let number = self.references.len() as u64;
            self.state.share(&object);
            self.references.push(Reference::Object(object));
            self.out.push(tag::OBJECT);
            self.varint(number);
            return Ok(false);
        }
        if self.rust_failure(stack) {
            return Ok(false);
        }
        if self.foreign(stack)? || self.by_name(stack) || (self.refresh_names(stack) && self.by_name(stack)) {
            return Ok(false);
        }
        if !replacement && self.replaced(stack)? {
            return Ok(true);
        }
        Err(self.refuse(stack))
    }

    /// A userdata of the embedder's, if its type travels.
    fn foreign(&mut self, stack: &mut Stack<'_>) -> Result<bool, Refusal> {
        if self.state.system.foreign.is_empty() {
            return Ok(false);
        }
        let address = stack.address(-1);
        if let Some(number) = self.scratch.foreign.get(&address).copied() {
            self.out.push(tag::OBJECT);
            self.varint(u64::from(number));
            return Ok(true);
        }
        stack.raw_get_index(self.vitals(), vital::TRANSFER);
        stack.push_copy(-2);
        stack.raw_set_index(-2, 1);
        stack.pop(1);
        let transfer = &self.state.tables.transfer;
        let foreign = transfer.raw_get(1).and_then(|userdata| Foreign::of(self.lua, self.state, &userdata));
        let cleared = transfer.raw_set(1, mlua::Nil);
        match foreign.and_then(|foreign| cleared.map(|()| foreign)) {
            Ok(None) => Ok(false),
            Ok(Some(foreign)) => {
                let number = self.references.len() as u32;
                self.references.push(Reference::Foreign(foreign));
                self.scratch.foreign.insert(address, number);
                self.out.push(tag::OBJECT);
                self.varint(u64::from(number));
                Ok(true)
            }
            Err(error) => Err(self.refuse_because(stack, crate::fault::text(&error))),
        }
    }

    /// An error that a Rust function raised, or its panic, travels as its text.
    fn rust_failure(&mut self, stack: &mut Stack<'_>) -> bool {
        let top = stack.top();
        if !stack.push_failure_text(top) {
            return false;
        }
        let text = crate::fault::clean(&String::from_utf8_lossy(stack.bytes(-1)));
        self.out.push(tag::STRING);
        self.varint(text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
        stack.pop(1);
        true
    }
}
