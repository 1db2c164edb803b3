//! [`Fixed`]: what the dumps of Lua 5.1 to 5.3 have in common, which hold numbers as they are in memory.

use super::Malformed;
use super::proto::{Proto, Upvalue};
use super::reader::{Reader, TOO_LARGE, int};

/// Takes a dump apart whose header says how many bytes a number has.
pub(super) struct Fixed<'a> {
    pub(super) reader: Reader<'a>,
    sizes: Sizes,
}

/// The sizes in bytes of a C `int`, a C `size_t` and a Lua number.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) int: u8,
    pub(super) size: u8,
    pub(super) number: u8,
}

impl<'a> Fixed<'a> {
    pub(super) fn new(reader: Reader<'a>, sizes: Sizes) -> Result<Self, Malformed> {
        let Sizes { int, size, number } = sizes;
        if matches!(int, 4 | 8) && matches!(size, 4 | 8) && matches!(number, 4 | 8 | 16) {
            Ok(Self { reader, sizes })
        } else {
            Err(OTHER_SIZES)
        }
    }

    /// After the version, as Lua 5.1 and 5.2 have it.
    pub(super) fn with_header(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        reader.literal(&[0], "of another format")?;
        reader.literal(&[u8::from(cfg!(target_endian = "little"))], "of another byte order")?;
        let (int, size, instruction, number) =
            (reader.byte()?, reader.byte()?, reader.byte()?, reader.byte()?);
        let _numbers_are_integers = reader.byte()?;
        if usize::from(instruction) != size_of::<u32>() {
            return Err(OTHER_SIZES);
        }
        Self::new(reader, Sizes { int, size, number })
    }

    /// A number of so many bytes.
    fn unsigned(&mut self, size: u8) -> Result<u64, Malformed> {
        let bytes = self.reader.bytes(size.into())?;
        if let Some(bytes) = bytes.first_chunk() {
            return Ok(u64::from_ne_bytes(*bytes));
        }
        bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes).into()).ok_or(OTHER_SIZES)
    }

    /// A count or a line.
    pub(super) fn int(&mut self) -> Result<u32, Malformed> {
        int(self.unsigned(self.sizes.int)?)
    }

    /// The number of bytes that follow.
    pub(super) fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.unsigned(self.sizes.size)?).map_err(|_| TOO_LARGE)
    }

    /// A string as Lua 5.1 and 5.2 write it, or `None` where the dump has a null pointer in its place.
    pub(super) fn terminated(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(len) = self.size()?.checked_sub(1) else {
            return Ok(None);
        };
        let string = self.reader.bytes(len)?;
        self.reader.literal(&[0], "a string without an end")?;
        Ok(Some(string))
    }

    pub(super) fn code(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.int()? as usize;
        self.reader.array(count, size_of::<u32>())
    }

    /// The constants of a function; those that are strings are read by `string`.
    pub(super) fn constants(
        &mut self,
        string: impl Fn(&mut Self) -> Result<Option<&'a [u8]>, Malformed>,
    ) -> Result<Vec<Option<&'a [u8]>>, Malformed> {
        // No vector is made as long as the dump says: it grows with what is really there.
        let mut constants = Vec::new();
        for _ in 0..self.int()? {
            // The low four bits are the type, those above its variant.
            constants.push(match self.reader.byte()? {
                0x00 => None,
                0x01 => self.reader.bytes(1).map(|_boolean| None)?,
                0x03 => self.reader.bytes(self.sizes.number.into()).map(|_float| None)?,
                0x13 => self.reader.bytes(8).map(|_integer| None)?,
                0x04 | 0x14 => {
                    let string = string(self)?;
                    Some(string.ok_or(Malformed::Invalid("a string constant without a string"))?)
                }
                _ => return Err(Malformed::Invalid("no such type of constant")),
            });
        }
        Ok(constants)
    }

    /// The captured variables of a function, as Lua 5.2 and 5.3 write them.
    pub(super) fn upvalues(&mut self, proto: &mut Proto<'a>) -> Result<(), Malformed> {
        for _ in 0..self.int()? {
            let (in_register, index) = (self.reader.byte()?, self.reader.byte()?);
            proto.upvalues.push(match in_register {
                0 => Upvalue::Captured(index),
                1 => Upvalue::Local(index),
                _ => return Err(Malformed::Invalid("no such kind of upvalue")),
            });
        }
        Ok(())
    }

    /// Lines and names, which a stripped dump has as well, but empty. Strings are read by `string`.
    pub(super) fn debug_information(
        &mut self,
        proto: &mut Proto<'a>,
        string: impl Fn(&mut Self) -> Result<Option<&'a [u8]>, Malformed>,
    ) -> Result<(), Malformed> {
        let mut lines = Vec::new();
        for _ in 0..self.int()? {
            lines.push(self.int()?);
        }
        proto.set_lines(lines)?;
        for _ in 0..self.int()? {
            let (_local, _from, _to) = (string(self)?, self.int()?, self.int()?);
        }
        let names = self.int()? as usize;
        proto.check_upvalue_names(names)?;
        for _ in 0..names {
            proto.upvalue_names.push(string(self)?);
        }
        Ok(())
    }
}

const OTHER_SIZES: Malformed = Malformed::Invalid("of another word size");
