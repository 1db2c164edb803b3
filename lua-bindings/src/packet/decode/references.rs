//! What both sides share, and what travels by name.

use std::sync::Arc;

use super::{Decoder, Malformed, OBJECTS, VITALS};
use crate::foreign::Foreign;
use crate::packet::Reference;
use crate::raw::{Kind, Stack};
use crate::state::vital;

/// From here on the table of remembered objects has foreign values, by their number in the side list.
const FOREIGN: usize = 1 << 30;

impl Decoder<'_> {
    pub(super) fn object(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let number = self.varint()?;
        let object = match usize::try_from(number).ok().and_then(|number| self.references.get(number)) {
            Some(Reference::Object(object)) => object,
            Some(Reference::Foreign(foreign)) => return self.foreign(stack, number, foreign),
            _ => return Err(Malformed::NoReference(number)),
        };
        if !stack.reserve(8) {
            return Err(Malformed::of_stack(stack.top(), self.state));
        }
        object.push(stack, self.state);
        Ok(())
    }

    /// A value of the embedder's own types.
    pub(super) fn foreign(
        &mut self,
        stack: &mut Stack<'_>,
        number: u64,
        foreign: &Arc<Foreign>,
    ) -> Result<(), Malformed> {
        if !stack.reserve(8) {
            return Err(Malformed::of_stack(stack.top(), self.state));
        }
        // One that is not the same ever after is so within its packet.
        let place = FOREIGN + number as usize;
        if !foreign.shared && stack.kind(OBJECTS) == Kind::Table {
            if stack.raw_get_index(OBJECTS, place) != Kind::Nil {
                return Ok(());
            }
            stack.pop(1);
        }
        let transfer = &self.state.tables.transfer;
        let received = foreign.receive(self.lua, self.state).and_then(|value| transfer.raw_set(1, value));
        received.map_err(|error| Malformed::Name(crate::fault::text(&error)))?;
        stack.raw_get_index(VITALS, vital::TRANSFER);
        stack.raw_get_index(-1, 1);
        stack.push_nil();
        stack.raw_set_index(-3, 1);
        stack.remove(-2);
        if !foreign.shared {
            self.make_objects(stack);
            stack.push_copy(-1);
            stack.raw_set_index(OBJECTS, place);
        }
        Ok(())
    }

    /// A module, or a field of one, by name.
    pub(super) fn named(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let name = self.slice()?;
        stack.push_bytes(name);
        stack.raw_get_index(VITALS, vital::BY_NAME);
        stack.push_copy(-2);
        stack.raw_get(-2);
        stack.remove(-2);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            stack.raw_get_index(VITALS, vital::RESOLVE);
            stack.push_copy(-2);
            // May load a module, and so run its code. It is a protected call inside: a failure comes back as a message.
            stack.call(1, 2);
            if stack.kind(-2) == Kind::Nil && self.in_global {
                self.lacks(String::from_utf8_lossy(stack.bytes(-1)).into_owned());
            } else if stack.kind(-2) == Kind::Nil {
                return Err(Malformed::Name(String::from_utf8_lossy(stack.bytes(-1)).into_owned()));
            }
            stack.pop(1);
        }
        stack.remove(-2);
        Ok(())
    }
}
