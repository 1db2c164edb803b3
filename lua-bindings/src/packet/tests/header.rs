//! Bytes that are no packet for this program say why, each in its own words.

use super::{DATA, Home, Trust, WireError, genuine_header, sealed};
use crate::packet::face::Packet;

fn refused(bytes: &[u8]) -> String {
    Packet::from_bytes(bytes, Trust::Code).unwrap_err().to_string()
}

/// What is said of a packet whose header has this byte in this place.
fn with(at: usize, byte: u8) -> String {
    let mut bytes = Home::new().bytes("return {1, 2, 3}");
    assert!(Packet::from_bytes(&bytes, Trust::Data).is_ok());
    assert_ne!(bytes[at], byte);
    bytes[at] = byte;
    refused(&bytes)
}

#[test]
fn another_magic() {
    assert_eq!(with(0, b'\x1b'), "no packet: it does not begin like one");
    assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"), "no packet: it does not begin like one");
    assert_eq!(refused(b"x"), "no packet: it does not begin like one");
}

#[test]
fn fewer_bytes_than_a_header() {
    let header = genuine_header();
    for len in 0..header.len() {
        let said = format!("no packet: its header has 22 bytes, and these are {len}");
        assert_eq!(refused(&header[..len]), said);
    }
}

#[test]
fn another_version() {
    assert_eq!(with(4, 2), "a packet of format 2; this program has format 1");
}

#[test]
fn another_lua() {
    let here = match () {
        () if cfg!(feature = "lua55") => "Lua 5.5",
        () if cfg!(feature = "lua54") => "Lua 5.4",
        () if cfg!(feature = "lua53") => "Lua 5.3",
        () if cfg!(feature = "lua52") => "Lua 5.2",
        () if cfg!(feature = "lua51") => "Lua 5.1",
        () => "LuaJIT",
    };
    for (version, name) in [(0x51, "Lua 5.1"), (0x53, "Lua 5.3"), (0x55, "Lua 5.5"), (b'j', "LuaJIT")] {
        if name != here {
            assert_eq!(with(5, version), format!("a packet of {name}; this program has {here}"));
        }
    }
    assert_eq!(with(5, 7), format!("a packet of an unknown Lua (0x7); this program has {here}"));
}

#[test]
fn other_sizes() {
    let integer = if cfg!(any(feature = "lua53", feature = "lua54", feature = "lua55")) { 8 } else { 0 };
    let word = size_of::<usize>();
    for (at, sizes) in [(6, [2, integer, 8]), (7, [word, 2, 8]), (8, [word, integer, 2])] {
        let said = format!(
            "a packet with sizes {sizes:?} of words, integers and floats; this program has {:?}",
            [word, integer, 8]
        );
        assert_eq!(with(at, 2), said);
    }
}

#[test]
fn another_order_of_bytes() {
    let other = if cfg!(target_endian = "big") { 0 } else { 1 };
    assert_eq!(with(9, other), "a packet of a machine that orders bytes otherwise");
}

#[test]
fn another_length() {
    let mut bytes = Home::new().bytes("return 'text'");
    let body = bytes.len() - 22;
    bytes.push(0);
    let said = format!("a packet whose header tells of {body} bytes after it, and there are {}", body + 1);
    assert_eq!(refused(&bytes), said);
    bytes.truncate(bytes.len() - 3);
    let said = format!("a packet whose header tells of {body} bytes after it, and there are {}", body - 2);
    assert_eq!(refused(&bytes), said);
    bytes[10..18].fill(0xff);
    assert!(refused(&bytes).contains("tells of 18446744073709551615 bytes"));
}

#[test]
fn another_checksum() {
    let bytes = Home::new().bytes("return 'text'");
    for at in 18..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match Packet::from_bytes(&damaged, Trust::Code) {
            Err(WireError::Checksum { stated, found }) => {
                let said = format!(
                    "a packet with checksum {stated:08x}, but its bytes give {found:08x}: it was damaged"
                );
                assert_eq!(refused(&damaged), said);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn any_bit_of_the_header_that_flips_is_noticed() {
    let home = Home::new();
    for source in DATA {
        let bytes = home.bytes(source);
        for bit in 0..22 * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Packet::from_bytes(&damaged, Trust::Code).is_err(), "{source}: {bit}");
        }
    }
}

#[test]
fn a_header_alone_is_too_short() {
    assert_eq!(refused(&sealed(&[])), "malformed packet: it ends too early");
}
