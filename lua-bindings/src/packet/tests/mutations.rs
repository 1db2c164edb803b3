//! Bytes that were a packet once: cut short, flipped, spliced. Each is a packet still, or an error.

use std::time::{Duration, Instant};

use super::{CODE, DATA, Home, Random, Trust, sealed};
use crate::packet::face::Packet;

/// No state needs as much for packets as small as these.
const MEMORY: usize = 64 << 20;

fn wires(home: &Home, sources: &[&str]) -> Vec<Vec<u8>> {
    sources.iter().map(|source| home.bytes(source)).collect()
}

#[test]
fn the_beginning_of_a_packet_is_no_packet() {
    let home = Home::new();
    for wire in wires(&home, DATA).into_iter().chain(wires(&home, CODE)) {
        for len in 0..wire.len() {
            let cut = &wire[..len];
            assert!(Packet::from_bytes(cut, Trust::Code).is_err(), "the first {len} of {}", wire.len());
            if let Some(body) = cut.get(22..) {
                // The checker itself, behind a header that fits.
                assert!(Packet::from_bytes(&sealed(body), Trust::Code).is_err(), "{len} of {}", wire.len());
                assert!(Packet::from_bytes(&sealed(body), Trust::Data).is_err(), "{len} of {}", wire.len());
            }
        }
        assert!(Packet::from_bytes(&[&wire[..], &[0]].concat(), Trust::Code).is_err());
        assert!(Packet::from_bytes(&sealed(&[&wire[22..], &[0]].concat()), Trust::Code).is_err());
    }
}

#[test]
fn a_damaged_packet_is_an_error() {
    let home = Home::new();
    let wires = [wires(&home, DATA), wires(&home, CODE)].concat();
    let mut random = Random(0x7061_636b_6574);
    for round in 0..20_000 {
        let wire = &wires[random.below(wires.len())];
        let mut damaged = wire.clone();
        let other = random.below(wires.len());
        random.mutate(&mut damaged, &wires[other]);
        if damaged != *wire {
            assert!(Packet::from_bytes(&damaged, Trust::Code).is_err(), "{round}: {damaged:?}");
        }
    }
}

#[test]
fn forged_data_is_an_error_or_values() {
    let home = Home::new();
    home.lua.set_memory_limit(MEMORY).unwrap();
    let wires = wires(&home, DATA);
    let mut random = Random(0x666f_7267_6564);
    let begin = Instant::now();
    let (mut refused, mut decoded) = (0, 0);
    for round in 0..20_000 {
        let mut body = wires[random.below(wires.len())][22..].to_vec();
        let other = random.below(wires.len());
        random.mutate(&mut body, &wires[other][22..]);
        match Packet::from_bytes(&sealed(&body), Trust::Data) {
            Err(_) => refused += 1,
            // What passes the check describes values: nothing is left that could go wrong.
            Ok(packet) => {
                decoded += 1;
                if let Err(error) = packet.decode::<()>(&home.lua) {
                    panic!("{round}: {error}\n{body:?}");
                }
                packet.to_bytes().unwrap();
            }
        }
    }
    assert!(refused > 5000 && decoded > 500, "{refused} {decoded}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn forged_code_is_refused_where_only_data_is_trusted() {
    let home = Home::new();
    let wires = wires(&home, CODE);
    let mut random = Random(0x636f_6465);
    for round in 0..20_000 {
        let mut body = wires[random.below(wires.len())][22..].to_vec();
        let other = random.below(wires.len());
        random.mutate(&mut body, &wires[other][22..]);
        // With trust it is looked at only, not decoded: nobody answers for bytecode like this.
        let _ = Packet::from_bytes(&sealed(&body), Trust::Code);
        if let Ok(packet) = Packet::from_bytes(&sealed(&body), Trust::Data) {
            assert_eq!(body[0], 0, "{round}: code got in");
            packet.decode::<()>(&home.lua).unwrap();
        }
    }
}

#[test]
fn bytes_at_random_behind_a_good_header_are_an_error_or_values() {
    let home = Home::new();
    home.lua.set_memory_limit(MEMORY).unwrap();
    let mut random = Random(11);
    for _ in 0..20_000 {
        let mut body = vec![0, random.below(4) as u8, random.below(4) as u8];
        // Mostly tags and small numbers: others mostly end the game at once.
        body.extend((0..random.below(60)).map(|_| match random.below(4) {
            0 => random.below(256) as u8,
            1 => 0,
            _ => random.below(19) as u8,
        }));
        if let Ok(packet) = Packet::from_bytes(&sealed(&body), Trust::Data) {
            packet.decode::<()>(&home.lua).unwrap();
        }
    }
}

#[test]
fn a_state_that_may_not_grow_gives_an_error_and_goes_on() {
    let home = Home::new();
    let bytes = home.bytes("local t = {} for i = 1, 100000 do t[i] = {i} end return t");
    let there = Home::new();
    there.lua.gc_collect().unwrap();
    for room in [1 << 10, 100 << 10, 1 << 20] {
        there.lua.set_memory_limit(there.lua.used_memory() + room).unwrap();
        let packet = Packet::from_bytes(&bytes, Trust::Data).unwrap();
        assert!(packet.decode::<()>(&there.lua).is_err());
        there.lua.set_memory_limit(0).unwrap();
        there.lua.gc_collect().unwrap();
    }
    Packet::from_bytes(&bytes, Trust::Data).unwrap().decode::<()>(&there.lua).unwrap();
}
