//! The globals that a packet brings, and the contents of what they refer to.

use super::{Decoder, Global, Malformed};
use crate::packet::tag;
use crate::raw::{Kind, Stack};

impl Decoder<'_> {
    /// Contents of an object that was only mentioned where it appeared.
    pub(super) fn fill(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let number = self.varint()?;
        if u32::try_from(number).is_ok_and(|number| self.kept.binary_search(&number).is_ok()) {
            stack.push_table(0, 0); // what is sent of it is read, and dropped
        } else {
            self.push_seen(stack, number)?;
        }
        let tag = self.byte()?;
        match (tag, stack.kind(-1)) {
            (tag::TABLE, Kind::Table) => {
                let (flags, array, hash) = self.table_header()?;
                self.open_table(stack, number as u32, flags, array, hash, 0)?;
            }
            (tag::FUNCTION, Kind::Function) if !stack.is_c_function(-1) => {
                let flags = self.byte()?;
                self.varint()?;
                self.open_function(stack, number as u32, flags)?;
            }
            (tag, _) => return Err(Malformed::Tag(tag)),
        }
        self.drain(stack, 0)?;
        stack.pop(1);
        Ok(())
    }

    pub(super) fn global(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let name = self.slice()?;
        let objects = self.objects;
        self.push_globals(stack)?;
        let globals = stack.top();
        stack.push_bytes(name);
        self.in_global = true;
        self.whole(stack)?;
        self.in_global = false;
        stack.push_copy(globals + 1);
        stack.raw_get(globals);
        let set = stack.kind(-1) == Kind::Nil;
        stack.pop(1);
        if set {
            stack.raw_set(globals);
        } else {
            stack.pop(2);
        }
        stack.pop(1);
        self.global = Some(Global { name: name.to_vec(), objects, set });
        self.check_global(stack, false)
    }

    /// If something in the global that was read last could not be found, touching that raises. It is no error before.
    pub(super) fn check_global(&mut self, stack: &mut Stack<'_>, filled: bool) -> Result<(), Malformed> {
        let (Some(message), Some(global)) = (self.unresolved.take(), &mut self.global) else {
            return Ok(());
        };
        if filled {
            // What holds the object that was filled in is not known any more: any of the global's may.
            self.incomplete.push((global.objects..self.objects, message.clone()));
        }
        self.poison.insert(global.name.clone(), message);
        if std::mem::take(&mut global.set) {
            let name = std::mem::take(&mut global.name);
            self.push_globals(stack)?;
            stack.push_bytes(&name);
            stack.push_nil();
            stack.raw_set(-3);
            stack.pop(1);
            if let Some(global) = &mut self.global {
                global.name = name;
            }
        }
        Ok(())
    }
}
