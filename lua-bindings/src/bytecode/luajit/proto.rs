//! [`read`]: the functions of a LuaJIT dump. Other than in those of PUC Lua, each stands before the one around it, with
//! its length in front.

use super::super::Malformed;
use super::super::proto::{Proto, Upvalue};
use super::super::reader::{Reader, TOO_LARGE};

/// All functions of a dump, each before those nested in it; the main one is first. There is always one.
pub(super) fn read<'a>(reader: &mut Reader<'a>, stripped: bool) -> Result<Vec<Proto<'a>>, Malformed> {
    let mut protos: Vec<Proto<'a>> = Vec::new();
    // Those that no later one has taken as its own, by their place.
    let mut nested: Vec<usize> = Vec::new();
    loop {
        let len = uleb128(reader)? as usize;
        if len == 0 {
            break;
        }
        let mut reader = Reader::new(reader.bytes(len)?);
        let place = protos.len();
        let proto = function(&mut reader, stripped, || {
            let child = nested.pop().ok_or(Malformed::Invalid("no such nested function"))?;
            if let Some(child) = protos.get_mut(child) {
                child.parent = place;
            }
            Ok(())
        })?;
        if reader.left() > 0 {
            return Err(Malformed::Invalid("bytes after the end of a function"));
        }
        protos.push(proto);
        nested.push(place);
    }
    if reader.left() > 0 {
        return Err(Malformed::Invalid("bytes after the end"));
    }
    match nested.len() {
        0 => return Err(Malformed::Truncated),
        1 => {}
        _ => return Err(Malformed::Invalid("a function that is in no other")),
    }
    protos.reverse();
    let last = protos.len() - 1;
    protos.iter_mut().skip(1).for_each(|proto| proto.parent = last - proto.parent);
    Ok(protos)
}

/// One function. Calls `take` for each one that is nested in it, the last one first.
fn function<'a>(
    reader: &mut Reader<'a>,
    stripped: bool,
    mut take: impl FnMut() -> Result<(), Malformed>,
) -> Result<Proto<'a>, Malformed> {
    let flags = reader.bytes(1)?;
    let _parameters_registers = reader.bytes(2)?;
    let upvalues = usize::from(reader.byte()?);
    let (objects, numbers) = (uleb128(reader)?, uleb128(reader)?);
    let len = uleb128(reader)? as usize;
    let debug_bytes = if stripped { 0 } else { uleb128(reader)? as usize };
    let (first_line, line_count) =
        if debug_bytes == 0 { (0, 0) } else { (uleb128(reader)?, uleb128(reader)?) };

    let code = reader.array(len, size_of::<u32>())?;
    let mut proto = Proto { line_defined: first_line, code, flags, ..Proto::default() };
    for _ in 0..upvalues {
        proto.upvalues.push(upvalue(reader)?);
    }
    // No vector is made as long as the dump says: it grows with what is really there.
    for _ in 0..objects {
        let constant = object(reader, &mut proto.tables, &mut take)?;
        proto.constants.push(constant);
    }
    // Instructions count them from the end.
    proto.constants.reverse();
    for _ in 0..numbers {
        // An integer, or, if the lowest bit says so, half of a number.
        if grouped(reader)? & 1 == 1 {
            grouped(reader)?;
        }
    }
    if debug_bytes > 0 {
        debug_information(Reader::new(reader.bytes(debug_bytes)?), &mut proto, line_count)?;
    }
    Ok(proto)
}

fn upvalue(reader: &mut Reader<'_>) -> Result<Upvalue, Malformed> {
    const OF_REGISTER: u16 = 0x8000;
    let bytes = reader.bytes(size_of::<u16>())?;
    let word = bytes.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes)).ok_or(Malformed::Truncated)?;
    let [index, ..] = word.to_le_bytes();
    if word & OF_REGISTER != 0 {
        // One more bit is set where the variable is never assigned.
        Ok(Upvalue::Local(index))
    } else if word == u16::from(index) {
        Ok(Upvalue::Captured(index))
    } else {
        Err(Malformed::Invalid("no such upvalue"))
    }
}

/// A constant that is no number: the string, if it is one.
fn object<'a>(
    reader: &mut Reader<'a>,
    tables: &mut Vec<Vec<&'a [u8]>>,
    take: &mut impl FnMut() -> Result<(), Malformed>,
) -> Result<Option<&'a [u8]>, Malformed> {
    match uleb128(reader)? {
        0 => take()?,
        1 => {
            let (in_array, in_hash) = (uleb128(reader)?, uleb128(reader)?);
            for _ in 0..in_array {
                table_entry(reader)?;
            }
            let mut entries = Vec::new();
            for _ in 0..in_hash {
                let from = reader.rest();
                table_entry(reader).and_then(|()| table_entry(reader))?;
                entries.extend(from.get(..from.len() - reader.left()));
            }
            tables.push(entries);
        }
        // Integers of 64 bits, then a complex number.
        2 | 3 => grouped(reader).and_then(|_| grouped(reader)).map(drop)?,
        4 => (0..4).try_for_each(|_| grouped(reader).map(drop))?,
        len => return reader.bytes(len as usize - 5).map(Some),
    }
    Ok(None)
}

/// A key or a value of a table that is a constant.
fn table_entry(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match uleb128(reader)? {
        0..=2 => Ok(()), // nil, false, true
        3 => grouped(reader).map(drop),
        4 => grouped(reader).and_then(|_| grouped(reader)).map(drop),
        len => reader.bytes(len as usize - 5).map(drop),
    }
}

/// Lines and names. What is known of local variables is left at the end.
fn debug_information<'a>(
    mut reader: Reader<'a>,
    proto: &mut Proto<'a>,
    line_count: u32,
) -> Result<(), Malformed> {
    // Counted from the first line, in as few bytes as all need.
    let size = match line_count {
        0..0x100 => 1,
        0x100..0x1_0000 => 2,
        _ => 4,
    };
    let mut lines = Vec::new();
    for bytes in reader.array(proto.len(), size)?.chunks(size) {
        let line = bytes.iter().enumerate().fold(0, |line, (index, byte)| {
            let shift = if cfg!(target_endian = "big") { size - 1 - index } else { index };
            line | u32::from(*byte) << (8 * shift)
        });
        lines.push(line.checked_add(proto.line_defined).ok_or(TOO_LARGE)?);
    }
    proto.set_lines(lines)?;
    for _ in 0..proto.upvalues.len() {
        proto.upvalue_names.push(Some(reader.terminated()?));
    }
    Ok(())
}

/// A length and so many bytes.
pub(super) fn string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let len = uleb128(reader)?;
    reader.bytes(len as usize)
}

pub(super) fn uleb128(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(grouped(reader)?).map_err(|_| TOO_LARGE)
}

/// Groups of seven bits, the low ones first; all but the last one are marked.
fn grouped(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let byte = reader.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(TOO_LARGE)
}
