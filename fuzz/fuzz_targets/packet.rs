//! Any bytes, as a packet from a stranger: an error, or values.
#![no_main]

use goroutine::{Goroutines, Packet, Trust};
use libfuzzer_sys::fuzz_target;
use mlua::{Lua, MultiValue};

/// No state needs as much for packets as small as the fuzzer's, which are at most 4096 bytes unless it is told otherwise.
const MEMORY: usize = 64 << 20;

thread_local! {
    static HOME: (Goroutines, Lua, Vec<u8>) = home().unwrap_or_else(|error| panic!("{error}"));
}

/// A state, and the header of its packets.
fn home() -> Result<(Goroutines, Lua, Vec<u8>), Box<dyn std::error::Error>> {
    let goroutines = Goroutines::builder().isolates(1).build()?;
    let lua = goroutine::new_state();
    goroutines.install(&lua)?;
    lua.set_memory_limit(MEMORY)?;
    let header = Packet::encode(&lua, ())?.to_bytes()?[..22].to_vec();
    Ok((goroutines, lua, header))
}

/// The packet that a body would be: with a header that fits it, since nobody finds a checksum by chance.
fn sealed(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut wire = [header, body].concat();
    wire[10..18].copy_from_slice(&(body.len() as u64).to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&wire[..18]);
    sum.update(body);
    wire[18..22].copy_from_slice(&sum.finalize().to_le_bytes());
    wire
}

fuzz_target!(|bytes: &[u8]| HOME.with(|(_goroutines, lua, header)| {
    let _ = Packet::from_bytes(bytes, Trust::Code);
    let wire = sealed(header, bytes);
    // With code it is only looked at: nobody answers for bytecode that the fuzzer makes up.
    let trusted = Packet::from_bytes(&wire, Trust::Code);
    let Ok(packet) = Packet::from_bytes(&wire, Trust::Data) else { return };
    assert!(trusted.is_ok(), "more trust allows less: {trusted:?}");
    // What passes can be decoded, is data, and can be sent on.
    let values: MultiValue = packet.decode(lua).unwrap_or_else(|error| panic!("{error}"));
    let again = Packet::encode(lua, values).and_then(|packet| packet.to_bytes());
    let again = again.and_then(|bytes| Packet::from_bytes(&bytes, Trust::Data));
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(packet.to_bytes().as_deref(), Ok(&wire[..]));
}));
