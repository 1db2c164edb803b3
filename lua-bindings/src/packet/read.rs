//! [`Reader`]: bytes that may be anybody's, from the front to the back.

use super::Malformed;

/// Reads the encoding's numbers and strings. Nothing is taken that is not there, and nothing is allocated.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.bytes.split_first().ok_or(Malformed::Short)?;
        self.bytes = rest;
        Ok(*byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(Malformed::Short)?;
        self.bytes = rest;
        Ok(*array)
    }

    /// A length, and so many bytes.
    pub(super) fn slice(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed::Short)?;
        let (slice, rest) = self.bytes.split_at_checked(len).ok_or(Malformed::Short)?;
        self.bytes = rest;
        Ok(slice)
    }

    /// A varint of 64 bits, in its shortest form: every number is written in one way.
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || byte == 0 && shift > 0 {
                return Err(Malformed::Varint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Varint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::encode::varint;

    #[test]
    fn a_number_is_read_as_it_was_written() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for number in numbers {
            let mut bytes = Vec::new();
            varint(&mut bytes, number);
            for len in 0..bytes.len() {
                assert_eq!(Reader::new(&bytes[..len]).varint(), Err(Malformed::Short));
            }
            bytes.push(7);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint(), Ok(number));
            assert_eq!(reader.rest(), [7]);
        }
    }

    #[test]
    fn a_number_that_is_too_large_or_written_too_long_is_refused() {
        let most = [0xff; 9];
        assert_eq!(Reader::new(&[&most[..], &[1]].concat()).varint(), Ok(u64::MAX));
        for last in [&[2][..], &[0x7f], &[0x81, 0], &[0xff; 20]] {
            assert_eq!(Reader::new(&[&most[..], last].concat()).varint(), Err(Malformed::Varint), "{last:?}");
        }
        for long in [&[0x80, 0][..], &[0x81, 0], &[0xff, 0x80, 0x80, 0]] {
            assert_eq!(Reader::new(long).varint(), Err(Malformed::Varint), "{long:?}");
        }
    }

    #[test]
    fn a_length_that_is_not_there_is_refused() {
        for bytes in [&[1][..], &[3, 1, 2], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]] {
            assert_eq!(Reader::new(bytes).slice(), Err(Malformed::Short));
        }
        let mut reader = Reader::new(&[2, 8, 9, 7]);
        assert_eq!((reader.slice(), reader.rest()), (Ok(&[8, 9][..]), &[7][..]));
    }
}
