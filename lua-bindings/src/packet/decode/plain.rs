//! The values without contents, in tight loops: most of what most packets consist of.

use super::{Decoder, Frame, Malformed, Phase};
use crate::packet::tag;
use crate::raw::{Number, Stack};

impl Decoder<'_> {
    /// Pushes the value that comes next, if it has no contents.
    pub(super) fn plain(&mut self, stack: &mut Stack<'_>) -> Result<bool, Malformed> {
        let before = self.input;
        match self.byte()? {
            tag::NIL => stack.push_nil(),
            tag::FALSE => stack.push_boolean(false),
            tag::TRUE => stack.push_boolean(true),
            tag::INTEGER => {
                let value = self.varint()?;
                stack.push_number(Number::Integer((value >> 1) as i64 ^ -((value & 1) as i64)));
            }
            tag::FLOAT => {
                stack.push_number(Number::Float(f64::from_le_bytes(self.input.array()?)));
            }
            tag::STRING => stack.push_bytes(self.slice()?),
            tag::NUMBERED => {
                stack.push_bytes(self.slice()?);
                if self.numbered == self.strings {
                    return Err(Malformed::NoString(self.numbered));
                }
                self.numbered += 1;
                stack.push_copy(-1);
                stack.replace(self.strings_at + i32::from(self.numbered));
            }
            tag::AGAIN => {
                let number = self.byte()?;
                if number >= self.numbered {
                    return Err(Malformed::NoString(number));
                }
                stack.push_copy(self.strings_at + 1 + i32::from(number));
            }
            _ => {
                self.input = before;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fills the innermost open object, if it is a table, with what comes next as long as that has no contents.
    pub(super) fn plain_entries(&mut self, stack: &mut Stack<'_>) -> Result<(), Malformed> {
        let Some(&Frame::Table { at, array, mut filled, mut hash, mut phase, .. }) = self.frames.last()
        else {
            return Ok(());
        };
        if phase == Phase::List {
            while filled < array && self.plain(stack)? {
                filled += 1;
                stack.raw_set_index(at, filled as usize);
            }
            if filled == array {
                phase = Phase::Key;
            }
        }
        while phase == Phase::Key && hash > 0 {
            let field = matches!(self.input.peek(), Some(tag::STRING | tag::NUMBERED | tag::AGAIN));
            if !self.plain(stack)? {
                break;
            }
            if !self.plain(stack)? {
                phase = Phase::Value;
                break;
            }
            hash -= 1;
            if field {
                stack.raw_set_field(at);
            } else if !stack.raw_set(at) {
                return Err(Malformed::Key);
            }
        }
        if let Some(Frame::Table { filled: f, hash: h, phase: p, .. }) = self.frames.last_mut() {
            (*f, *h, *p) = (filled, hash, phase);
        }
        Ok(())
    }
}
