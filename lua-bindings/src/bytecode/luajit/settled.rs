//! [`settled`]: a dump without what differs from state to state, and from one moment to the next.
//!
//! - The entries of tables that are constants are written in the order in which a state happens to have them.
//! - A prototype counts the closures that were made of it, in its flags, and the count's highest bit is where newer builds have the
//!   flag for bit operations, which is written: it comes with the fourth closure.
//! - Loops over `pairs` are compiled for `next`, and turned into loops over any function where they meet another, or where no
//!   trace comes of them. (What else LuaJIT changes in code that runs it takes back when it writes a dump.)

use super::super::Settled;
use super::{Malformed, code, flag, open};

/// The flag of functions with bit operations, and of those of which many closures were made.
const BIT_OPERATIONS: u8 = 0x80;

/// Where the flags of the header stand, behind what tells that it is one.
const FLAGS: usize = 4;

pub(in crate::bytecode) fn settled(dump: &[u8]) -> Result<Settled<'_>, Malformed> {
    let (_, protos) = open(dump)?;
    let mut settled = Settled { bytes: dump.to_vec(), tables: Vec::new() };
    if let Some(byte) = settled.bytes.get_mut(FLAGS) {
        *byte &= !(flag::BIT_OPERATIONS as u8);
    }
    for proto in protos {
        settled.part(dump, proto.flags).iter_mut().for_each(|byte| *byte &= !BIT_OPERATIONS);
        let (instructions, _) = settled.part(dump, proto.code).as_chunks_mut();
        for instruction in instructions {
            let [operation, rest @ ..] = u32::from_ne_bytes(*instruction).to_le_bytes();
            let operation = match operation {
                code::ITERN => code::ITERC,
                code::ISNEXT => code::JMP,
                other => other,
            };
            let [a, b, c] = rest;
            *instruction = u32::from_le_bytes([operation, a, b, c]).to_ne_bytes();
        }
        for table in proto.tables {
            table.iter().for_each(|entry| settled.part(dump, entry).fill(0));
            settled.tables.push(table);
        }
    }
    Ok(settled)
}
