//! The objects that have come: what may be referred to later, and what some of them lack.

use super::open::Frame;
use super::{Decoder, Malformed, OBJECTS};
use crate::packet::flag;
use crate::raw::{Kind, Stack};

impl Decoder<'_> {
    /// Counts the object on top, and keeps it if it appears again. Gives the place of what is to be taken in its place,
    /// or 0.
    pub(super) fn remember(&mut self, stack: &mut Stack<'_>, flags: u8) -> Result<usize, Malformed> {
        self.objects += 1;
        if let Some((mark, rest)) = self.marks.split_first()
            && mark.object + 1 == self.objects
        {
            self.marks = rest;
            let instead = self.class_arrives(stack, *mark)?;
            if instead != 0 {
                return Ok(instead);
            }
        }
        if flags & flag::SHARED != 0 {
            self.make_objects(stack);
            stack.push_copy(-1);
            stack.raw_set_index(OBJECTS, self.objects as usize);
        }
        Ok(0)
    }

    /// Something could not be found in the global that is being read: it is missing in all objects that are open.
    pub(super) fn lacks(&mut self, message: String) {
        for frame in &self.frames {
            let (Frame::Table { object, .. } | Frame::Function { object, .. }) = frame;
            self.incomplete.push((*object..*object + 1, message.clone()));
        }
        self.unresolved = Some(message);
    }

    pub(super) fn make_objects(&mut self, stack: &mut Stack<'_>) {
        if stack.kind(OBJECTS) != Kind::Table {
            stack.push_table(0, 0);
            stack.replace(OBJECTS);
        }
    }

    pub(super) fn push_seen(&mut self, stack: &mut Stack<'_>, number: u64) -> Result<(), Malformed> {
        if stack.kind(OBJECTS) != Kind::Table || number >= u64::from(self.objects) {
            return Err(Malformed::NoObject(number));
        }
        stack.raw_get_index(OBJECTS, number as usize + 1);
        if stack.kind(-1) == Kind::Nil {
            return Err(Malformed::NoObject(number));
        }
        let number = number as u32;
        if self.in_global
            && let Some((_, message)) = self.incomplete.iter().find(|(range, _)| range.contains(&number))
        {
            self.lacks(message.clone());
        }
        Ok(())
    }
}
