//! What it costs to be sent packets by strangers: no malformed packet takes more memory than twice its size, and no good
//! one more than its values have. A program of its own, since it counts all that the process allocates.
#![cfg(test)]
#![cfg(any(feature = "backend-smol", feature = "backend-threads", feature = "backend-tokio"))]

use goroutine::{Goroutines, Packet, Trust, WireError};
use mlua::MultiValue;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What is allowed beside: the list of open tables, an error's text.
const ANY: usize = 8 << 10;

/// The most that a byte of a packet takes in Lua, and what a decoder and a state's first use of something take.
const PER_BYTE: usize = 50;
const STATE: usize = 64 << 10;

/// Packets that are large beside what is allowed anyway.
const SOURCES: &[&str] = &[
    "return ('x'):rep(100000)",
    "local t = {} for i = 1, 5000 do t[i] = {} end return t",
    "local t = {} for i = 1, 5000 do t[{}] = {} end return t",
    "local t = {} for i = 1, 20000 do t[i] = true end return t",
    "local t = {} for i = 1, 8000 do t['k' .. i] = i end return t",
    "local t = {} for i = 1, 8000 do t[i + 0.5] = i % 2 == 0 end return t",
    "local t = {} for i = 1, 3000 do t[i] = {id = i, name = 'record ' .. i} end return t",
    "local t for i = 1, 10000 do t = {t} end return t",
    "local t = {} for i = 1, 3000 do t = setmetatable({t}, t) end return t",
    "local s, t = {}, {} for i = 1, 20000 do t[i] = s end return t",
];

/// The most that was allocated at one time by this, beyond what was before.
fn peak<T>(of: impl FnOnce() -> T) -> (usize, T) {
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let done = of();
    (ALLOCATED.peak_usage().saturating_sub(before), done)
}

/// The packet that these bytes would be if the header told of them.
fn sealed(mut wire: Vec<u8>) -> Vec<u8> {
    let body = wire.len() as u64 - 22;
    wire[10..18].copy_from_slice(&body.to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&wire[..18]);
    sum.update(&wire[22..]);
    wire[18..22].copy_from_slice(&sum.finalize().to_le_bytes());
    wire
}

/// Marsaglia's xorshift64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn a_packet_takes_no_more_than_twice_its_size_until_it_is_known_to_be_good() {
    // Nothing else runs that allocates: no isolate waits for anything.
    let goroutines = Goroutines::builder().isolates(1).build().unwrap();
    let lua = goroutine::new_state();
    goroutines.install(&lua).unwrap();
    let wires: Vec<Vec<u8>> = SOURCES
        .iter()
        .map(|source| {
            let values: MultiValue = lua.load(*source).eval().unwrap();
            Packet::encode(&lua, values).unwrap().to_bytes().unwrap()
        })
        .collect();
    let mut random = Random(0x6d65_6d6f_7279);
    let (mut refused, mut decoded) = (0, 0);
    for round in 0..1000 {
        let mut wire = wires[random.below(wires.len())].clone();
        match random.below(4) {
            0 => wire.truncate(22 + random.below(wire.len() - 22)),
            // Towards the end, so that much is read before it is noticed.
            1 => {
                let at = wire.len() - 1 - random.below(64);
                wire[at] = random.below(256) as u8;
            }
            2 => {
                let (at, claim) = (22 + random.below(wire.len() - 26), [0xff, 0x7f, 0x3f][random.below(3)]);
                wire[at..at + 4].fill(claim);
            }
            _ => {
                for _ in 0..1 + random.below(3) {
                    let at = 22 + random.below(wire.len() - 22);
                    wire[at] = random.below(20) as u8;
                }
            }
        }
        let wire = sealed(wire);
        let (took, packet) = peak(|| Packet::from_bytes(&wire, Trust::Code));
        assert!(took <= 2 * wire.len() + ANY, "{round}: {took} for {} bytes: {packet:?}", wire.len());
        drop(packet);
        let (took, packet) = peak(|| Packet::from_bytes(&wire, Trust::Data));
        assert!(took <= 2 * wire.len() + ANY, "{round}: {took} for {} bytes: {packet:?}", wire.len());
        let Ok(packet) = packet else {
            refused += 1;
            continue;
        };
        decoded += 1;
        // What was decoded before would be counted with it.
        lua.gc_collect().unwrap();
        let (took, values) = peak(|| packet.decode::<MultiValue>(&lua));
        assert!(took <= PER_BYTE * wire.len() + STATE, "{round}: {took} for {} bytes, decoded", wire.len());
        values.unwrap();
    }
    assert!(refused > 300 && decoded > 50, "{refused} {decoded}");
    // The most that can be built: each claim is met by one byte a value.
    for (list, pairs) in [(131_000u32, 0u32), (0, 65_600)] {
        let values = if list > 0 { vec![0; 131_000] } else { [2, 0].repeat(65_600) };
        let table = [&[0, 1, 6, 0][..], &list.to_le_bytes(), &pairs.to_le_bytes(), &values, &[16]].concat();
        let wire = sealed([&wires[0][..22], &[0], &table].concat());
        let packet = Packet::from_bytes(&wire, Trust::Data).unwrap();
        lua.gc_collect().unwrap();
        let (took, values) = peak(|| packet.decode::<MultiValue>(&lua));
        assert!(took <= PER_BYTE * wire.len() + STATE, "{took} for {}", wire.len());
        values.unwrap();
    }
    // A name that is refused is told of, but not in its whole length.
    let name = [&[0, 1, 11, 0xc0, 0x9a, 0x0c][..], &[0xff; 200_000], &[16]].concat();
    let wire = sealed([&wires[0][..22], &[0], &name].concat());
    let (took, packet) = peak(|| Packet::from_bytes(&wire, Trust::Data));
    assert!(matches!(packet, Err(WireError::Name(_))) && took <= ANY, "{took} {packet:?}");
    // Tables in tables, each claiming all that follows.
    for depth in [2, 20, 40] {
        let claim = [vec![6, 0], 100_000u32.to_le_bytes().into(), vec![0; 4]].concat();
        let body = [&[0, 0, 1][..], &claim.repeat(depth), &[0; 100_000], &[16]].concat();
        let wire = sealed([&wires[0][..22], &body].concat());
        let (took, packet) = peak(|| Packet::from_bytes(&wire, Trust::Data));
        assert!(packet.is_err() && took <= ANY, "{took}");
    }
}
