//! Values, one after another: what is open takes the next.

use super::{Decoder, Frame, Malformed, OBJECTS, Phase};
use crate::packet::{MAX_DEPTH, flag, tag};
use crate::raw::Stack;

impl Decoder<'_> {
    /// Reads a value. True if it is complete and on top; false if an object was opened.
    pub(super) fn value(&mut self, stack: &mut Stack<'_>) -> Result<bool, Malformed> {
        if self.plain(stack)? {
            return Ok(true);
        }
        match self.byte()? {
            tag::TABLE => {
                let (flags, array, hash) = self.table_header()?;
                let (list, pairs) = self.room_for(array, hash);
                stack.push_table(list, pairs);
                let instead = self.remember(stack, flags)?;
                self.open_table(stack, self.objects - 1, flags, array, hash, instead)?;
                return Ok(false);
            }
            tag::FUNCTION => {
                let flags = self.byte()?;
                self.load(stack, flags)?;
                self.remember(stack, flags)?;
                self.open_function(stack, self.objects - 1, flags)?;
                return Ok(false);
            }
            tag::SEEN => {
                let number = self.varint()?;
                self.push_seen(stack, number)?;
            }
            tag::GLOBALS => self.push_globals(stack)?,
            tag::OBJECT => self.object(stack)?,
            tag::NAMED => self.named(stack)?,
            tag::LATER => {
                let flags = self.byte()?;
                match self.byte()? {
                    tag::TABLE => stack.push_table(0, 0),
                    tag::FUNCTION => self.load(stack, flag::SHARED)?,
                    other => return Err(Malformed::Tag(other)),
                }
                let instead = self.remember(stack, flags | flag::SHARED)?;
                if instead != 0 {
                    stack.pop(1);
                    stack.raw_get_index(OBJECTS, instead);
                }
            }
            tag::CLASS => {
                let flags = self.byte()?;
                let number = self.varint()?;
                self.class(stack, number)?;
                self.remember(stack, flags)?;
            }
            other => return Err(Malformed::Tag(other)),
        }
        Ok(true)
    }

    /// Reads an upvalue of the innermost function. True if a value for it is on top.
    pub(super) fn upvalue(&mut self, stack: &mut Stack<'_>) -> Result<bool, Malformed> {
        if self.input.peek() != Some(tag::JOIN) {
            return self.value(stack);
        }
        self.byte()?;
        let number = self.varint()?;
        let other = i32::from(self.byte()?);
        self.push_seen(stack, number)?;
        if let Some(Frame::Function { at, next, .. }) = self.frames.last_mut() {
            *next += 1;
            if !stack.join_upvalue(*at, i32::from(*next), -1, other) {
                return Err(Malformed::NoObject(number));
            }
        }
        stack.pop(1);
        Ok(false)
    }

    pub(super) fn table_header(&mut self) -> Result<(u8, u32, u32), Malformed> {
        let flags = self.byte()?;
        let mut count = || self.input.array().map(u32::from_le_bytes);
        Ok((flags, count()?, count()?))
    }

    /// For how many of the entries that a table claims to have room is made at once; for others when they come. The counts
    /// are a stranger's word: all tables of a packet together get no more room than its bytes can fill.
    pub(super) fn room_for(&mut self, array: u32, hash: u32) -> (i32, i32) {
        self.room = self.room.min(self.input.rest().len());
        let list = (array as usize).min(self.room);
        self.room -= list;
        let pairs = (hash as usize).min(self.room / 2);
        self.room -= 2 * pairs;
        (i32::try_from(list).unwrap_or(i32::MAX), i32::try_from(pairs).unwrap_or(i32::MAX))
    }

    pub(super) fn open_table(
        &mut self,
        stack: &Stack<'_>,
        object: u32,
        flags: u8,
        array: u32,
        hash: u32,
        instead: usize,
    ) -> Result<(), Malformed> {
        let metatable = flags & flag::METATABLE != 0;
        let at = stack.top();
        let phase = Phase::List;
        self.open_frame(Frame::Table { object, at, array, filled: 0, hash, metatable, phase, instead })
    }

    /// Puts the receiver's own class into the place of the table that was just read.
    pub(super) fn take_instead(&mut self, stack: &mut Stack<'_>) {
        if let Some(Frame::Table { instead, .. }) = self.frames.last() {
            stack.pop(1);
            stack.raw_get_index(OBJECTS, *instead);
        }
    }

    pub(super) fn open_function(
        &mut self,
        stack: &Stack<'_>,
        object: u32,
        flags: u8,
    ) -> Result<(), Malformed> {
        let count = self.byte()?;
        let environment = flags & flag::ENVIRONMENT != 0;
        self.open_frame(Frame::Function { object, at: stack.top(), next: 0, count, environment })
    }

    pub(super) fn open_frame(&mut self, frame: Frame) -> Result<(), Malformed> {
        if self.frames.len() > MAX_DEPTH {
            return Err(Malformed::Deep);
        }
        self.frames.push(frame);
        Ok(())
    }
}
