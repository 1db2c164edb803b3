//! [`Reader`]: the pieces a dump is made of.

use super::Malformed;

/// Takes a dump apart from front to back. What it returns borrows from the dump, so a length that lies costs nothing.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(dump: &'a [u8]) -> Self {
        Self { rest: dump }
    }

    /// How many bytes are still to come.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are still to come.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// `count` times `size` bytes.
    pub(super) fn array(&mut self, count: usize, size: usize) -> Result<&'a [u8], Malformed> {
        self.bytes(count.checked_mul(size).ok_or(Malformed::Truncated)?)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// The next bytes must be exactly these; `what` names them in the error.
    pub(super) fn literal(&mut self, bytes: &[u8], what: &'static str) -> Result<(), Malformed> {
        if self.bytes(bytes.len())? == bytes { Ok(()) } else { Err(Malformed::Invalid(what)) }
    }

    /// What stands before the next zero byte.
    pub(super) fn terminated(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(Malformed::Truncated)?;
        let bytes = self.bytes(end)?;
        self.byte()?;
        Ok(bytes)
    }

    /// Groups of seven bits, the high ones first; `last` tells from a byte's eighth bit whether it is the last one.
    pub(super) fn grouped(&mut self, last: impl Fn(bool) -> bool) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        loop {
            let byte = self.byte()?;
            if value >> 57 != 0 {
                return Err(TOO_LARGE);
            }
            value = value << 7 | u64::from(byte & 0x7f);
            if last(byte & 0x80 != 0) {
                return Ok(value);
            }
        }
    }
}

/// What is a C `int` and never negative on the other side: a count or a line.
pub(super) fn int(value: u64) -> Result<u32, Malformed> {
    u32::try_from(value).ok().filter(|int| *int <= i32::MAX as u32).ok_or(TOO_LARGE)
}

pub(super) const TOO_LARGE: Malformed = Malformed::Invalid("a number is too large");
