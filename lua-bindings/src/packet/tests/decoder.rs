//! The decoder alone, without the check that packets from outside pass first: any bytes are an error or values. The code
//! that they refer to is genuine, since Lua itself does not check that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::MultiValue;

use super::{CODE, DATA, Flat, Home, Random};
use crate::api;
use crate::packet::{Packet, Reference, Roots, decode, encode};

/// No state needs as much for packets as small as these.
const MEMORY: usize = 64 << 20;

impl Home {
    fn flat(&self, source: &str) -> Box<Flat> {
        let state = api::state(&self.lua).unwrap();
        // Other words than `Plain`s, which have no bytes.
        let values: MultiValue = self.eval(source);
        match encode(&self.lua, &state, values, Roots::Values("value")).unwrap() {
            Packet::Flat(flat) => flat,
            _ => Box::new(Flat {
                bytes: [0, 0, super::super::tag::END][..].into(),
                references: Default::default(),
                marks: Default::default(),
            }),
        }
    }

    fn decodes(&self, bytes: &[u8], references: &[Reference]) -> bool {
        let references = references.iter().map(|reference| match reference {
            Reference::Code(code) => Reference::Code(Arc::clone(code)),
            Reference::Object(object) => Reference::Object(object.clone()),
            Reference::Foreign(foreign) => Reference::Foreign(Arc::clone(foreign)),
            Reference::Class(id, definition) => Reference::Class(*id, Arc::clone(definition)),
            Reference::Undefined => Reference::Undefined,
        });
        let packet = Packet::Flat(Box::new(Flat {
            bytes: bytes.into(),
            references: references.collect(),
            marks: Default::default(),
        }));
        decode(&self.lua, &api::state(&self.lua).unwrap(), &packet).is_ok()
    }
}

#[test]
fn the_beginning_of_flat_bytes_is_an_error() {
    let home = Home::new();
    for source in DATA.iter().chain(CODE) {
        let flat = home.flat(source);
        assert!(home.decodes(&flat.bytes, &flat.references), "{source}");
        for len in 0..flat.bytes.len() {
            assert!(!home.decodes(&flat.bytes[..len], &flat.references), "{source}: {len}");
        }
        assert!(!home.decodes(&[&flat.bytes[..], &[0]].concat(), &flat.references), "{source}");
    }
}

#[test]
fn changed_flat_bytes_are_an_error_or_values() {
    let home = Home::new();
    let flats: Vec<_> = DATA.iter().chain(CODE).map(|source| home.flat(source)).collect();
    home.lua.set_memory_limit(MEMORY).unwrap();
    let mut random = Random(0x666c_6174);
    let begin = Instant::now();
    let (mut refused, mut decoded) = (0, 0);
    for _ in 0..30_000 {
        let flat = &flats[random.below(flats.len())];
        let mut bytes = flat.bytes.to_vec();
        let other = random.below(flats.len());
        random.mutate(&mut bytes, &flats[other].bytes);
        match home.decodes(&bytes, &flat.references) {
            true => decoded += 1,
            false => refused += 1,
        }
    }
    assert!(refused > 5000 && decoded > 1000, "{refused} {decoded}");
    assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", begin.elapsed());
    // The state is as good as before.
    assert_eq!(home.eval::<i64>("local n = 0 for i = 1, 10 do n = n + #('x'):rep(i) end return n"), 55);
}
