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

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
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

    /// A count or a line: what is a C `int`, never negative, on the other side.
    pub(super) fn int(&mut self) -> Result<u32, Malformed> {
        let value = self.unsigned()?;
        u32::try_from(value).ok().filter(|int| *int <= i32::MAX as u32).ok_or(TOO_LARGE)
    }

    /// A string, or `None` where the dump has a null pointer in its place.
    pub(super) fn string(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        // The size is written one too large, so that zero is free to say "none".
        match self.unsigned()?.checked_sub(1) {
            None => Ok(None),
            Some(len) => self.bytes(usize::try_from(len).map_err(|_| TOO_LARGE)?).map(Some),
        }
    }

    /// Groups of seven bits, the high ones first; the last one is marked.
    fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        loop {
            let byte = self.byte()?;
            if value >> 57 != 0 {
                return Err(TOO_LARGE);
            }
            value = value << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 != 0 {
                return Ok(value);
            }
        }
    }
}

const TOO_LARGE: Malformed = Malformed::Invalid("a number is too large");
