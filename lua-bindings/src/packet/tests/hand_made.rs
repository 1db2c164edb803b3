//! Packets that no encoder makes, each for one way to mislead a decoder.

use super::super::flag::{ENVIRONMENT, METATABLE, SHARED};
use super::super::tag::*;
use super::super::{MAX_DEPTH, encode::varint};
use super::{CODE as FUNCTIONS, DATA, Home, Packet, Trust, WireError, data, sealed};

/// A table's tag, flags and counts.
fn table(flags: u8, list: u32, pairs: u32) -> Vec<u8> {
    [&[TABLE, flags][..], &list.to_le_bytes(), &pairs.to_le_bytes()].concat()
}

fn number(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(&mut bytes, value);
    bytes
}

fn malformed(parts: &[&[u8]]) -> String {
    match data(&parts.concat()) {
        Err(WireError::Malformed(said)) => said.strip_prefix("malformed packet: ").unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn good(parts: &[&[u8]]) {
    data(&parts.concat()).unwrap().decode::<()>(&Home::new().lua).unwrap();
}

const EARLY: &str = "it ends too early";

#[test]
fn the_ones_that_others_are_made_from_are_good() {
    good(&[&[0, END]]);
    good(&[&[1], &table(0, 2, 1), &[NIL, TRUE, STRING, 1, b'k', FALSE], &[END]]);
    good(&[&[1], &table(METATABLE, 0, 0), &table(0, 0, 0), &[END]]);
    good(&[&[1, LATER, SHARED, TABLE, FILL, 0], &table(0, 1, 0), &[SEEN, 0, END]]);
}

#[test]
fn fewer_or_more_values_than_it_says() {
    assert_eq!(malformed(&[&[2, NIL, END]]), "unknown tag 16");
    assert_eq!(malformed(&[&[1, NIL, NIL, END]]), "unknown tag 0");
    assert_eq!(malformed(&[&[1, NIL]]), EARLY);
    assert_eq!(malformed(&[&[1, NIL, END, END, 0]]), "2 bytes after its end");
    for count in [1001, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(data(&[&number(count)[..], &[END]].concat()).unwrap_err(), WireError::Roots(count));
    }
}

#[test]
fn a_table_that_claims_more_than_there_is() {
    for (list, pairs) in
        [(3, 0), (0, 2), (1, 1), (u32::MAX, 0), (0, u32::MAX), (u32::MAX, u32::MAX), (1 << 31, 1 << 31)]
    {
        assert_eq!(malformed(&[&[1], &table(0, list, pairs), &[NIL, END]]), EARLY, "{list} {pairs}");
    }
}

#[test]
fn tables_that_together_claim_more_than_there_is() {
    // Each claim alone could be met by what follows.
    let mut flat = vec![1];
    (0..MAX_DEPTH).for_each(|_| flat.extend(table(0, 5000, 0)));
    flat.extend([NIL; 10_000]);
    assert_eq!(malformed(&[&flat]), EARLY);
}

#[test]
fn a_number_that_is_too_large_or_written_too_long() {
    let said = "a number that is too large, or not written in the shortest way";
    for bytes in [&[0x80, 0][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], &[0xff; 40]] {
        assert_eq!(malformed(&[bytes, &[END]]), said);
        assert_eq!(malformed(&[&[1, INTEGER], bytes, &[END]]), said);
        assert_eq!(malformed(&[&[1, STRING], bytes, &[END]]), said);
        assert_eq!(malformed(&[&[1, SEEN], bytes, &[END]]), said);
    }
}

#[test]
fn a_string_that_is_not_all_there() {
    for len in [1, 2, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
        assert_eq!(malformed(&[&[1, STRING], &number(len)]), EARLY);
        let wire = sealed(&[&[1, 0][..], &number(len), b"\x1bLua"].concat());
        if len > 4 {
            let said = Packet::from_bytes(&wire, Trust::Code).unwrap_err().to_string();
            assert_eq!(said, format!("malformed packet: {EARLY}"));
        }
    }
}

#[test]
fn numbers_of_strings_that_do_not_exist() {
    let from =
        |body: &[u8]| Packet::from_bytes(&sealed(body), Trust::Data).map_err(|error| error.to_string());
    let home = Home::new();
    let good = [0, 1, 2, NUMBERED, 1, b'a', AGAIN, 0, END];
    let values: (String, String) = from(&good).unwrap().decode(&home.lua).unwrap();
    assert_eq!(values, ("a".into(), "a".into()));
    assert_eq!(from(&[0, 1, 1, AGAIN, 0, END]).unwrap_err(), "malformed packet: no string 0");
    assert_eq!(from(&[0, 1, 2, NUMBERED, 0, AGAIN, 1, END]).unwrap_err(), "malformed packet: no string 1");
    assert_eq!(from(&[0, 1, 2, NUMBERED, 0, NUMBERED, 0, END]).unwrap_err(), "malformed packet: no string 1");
    assert_eq!(from(&[0, 0, 1, NUMBERED, 0, END]).unwrap_err(), "malformed packet: no string 0");
}

#[test]
fn deeper_than_objects_nest() {
    let nested = |depth: usize| {
        let mut flat = vec![1];
        (1..depth).for_each(|_| flat.extend(table(0, 1, 0)));
        flat.extend(table(0, 0, 0));
        flat.push(END);
        flat
    };
    good(&[&nested(MAX_DEPTH)]);
    assert_eq!(malformed(&[&nested(MAX_DEPTH + 2)]), "nested too deeply");
    assert_eq!(malformed(&[&nested(100_000)]), "nested too deeply");
}

#[test]
fn objects_that_do_not_exist_or_do_not_appear_again() {
    assert_eq!(malformed(&[&[1, SEEN, 0, END]]), "no object 0");
    assert_eq!(malformed(&[&[2], &table(0, 0, 0), &[SEEN, 0, END]]), "no object 0");
    assert_eq!(malformed(&[&[2], &table(SHARED, 0, 0), &[SEEN, 1, END]]), "no object 1");
    assert_eq!(malformed(&[&[1, SEEN], &number(u64::MAX), &[END]]), format!("no object {}", u64::MAX));
    good(&[&[2], &table(SHARED, 0, 0), &[SEEN, 0, END]]);
}

#[test]
fn contents_that_never_come_or_come_twice_or_unasked() {
    let later = [1, LATER, SHARED, TABLE];
    let empty = table(0, 0, 0);
    assert_eq!(malformed(&[&later, &[END]]), "1 objects without their contents");
    assert_eq!(malformed(&[&later, &[FILL, 0], &empty, &[FILL, 0], &empty, &[END]]), "no object 0");
    assert_eq!(malformed(&[&later, &[FILL, 1], &empty, &[END]]), "no object 1");
    assert_eq!(malformed(&[&[1], &table(SHARED, 0, 0), &[FILL, 0], &empty, &[END]]), "no object 0");
    assert_eq!(malformed(&[&later, &[FILL, 0, FUNCTION, 0, 0, 0, END]]), "unknown tag 7");
    assert_eq!(malformed(&[&[1, LATER, SHARED, STRING, END]]), "unknown tag 5");
}

#[test]
fn keys_that_no_table_takes() {
    assert_eq!(malformed(&[&[1], &table(0, 0, 1), &[NIL, TRUE, END]]), "a key that no table takes");
    let nan = [&[FLOAT][..], &f64::NAN.to_le_bytes()].concat();
    assert_eq!(malformed(&[&[1], &table(0, 0, 1), &nan, &[TRUE, END]]), "a key that no table takes");
    good(&[&[1], &table(0, 1, 1), &nan, &[TRUE], &nan, &[END]]);
}

#[test]
fn metatables_that_are_no_tables() {
    for value in [&[NIL][..], &[TRUE], &[INTEGER, 0], &[STRING, 0]] {
        assert_eq!(
            malformed(&[&[1], &table(METATABLE, 0, 0), value, &[END]]),
            "a metatable that is no table"
        );
    }
}

#[test]
fn flags_and_tags_that_have_no_meaning() {
    assert_eq!(malformed(&[&[1], &table(0x40, 0, 0), &[END]]), "unknown flags 0x40");
    assert_eq!(malformed(&[&[1], &table(ENVIRONMENT, 0, 0), &[END]]), "unknown flags 0x4");
    assert_eq!(malformed(&[&[1, LATER, METATABLE, TABLE, END]]), "unknown flags 0x2");
    for tag in [FILL, GLOBAL, POISON, END, JOIN, WHOLE, 200, 255] {
        assert_eq!(malformed(&[&[1, tag, 0, 0, 0, 0, 0, END]]), format!("unknown tag {tag}"));
    }
    // Shared objects have no place in bytes.
    assert_eq!(malformed(&[&[1, OBJECT, 0, END]]), "unknown tag 10");
}

#[test]
fn code_that_is_not_there() {
    assert_eq!(malformed(&[&[1, FUNCTION, 0, 0, 0, END]]), "no reference 0");
    assert_eq!(malformed(&[&[1, LATER, SHARED, FUNCTION, 7, END]]), "no reference 7");
    let from = |body: &[u8]| Packet::from_bytes(&sealed(body), Trust::Code).unwrap_err().to_string();
    // The first entry of the side list cannot be the same as an earlier one.
    assert_eq!(from(&[1, 1, 0, 0, END]), "malformed packet: no reference 1");
    assert_eq!(from(&[0xff, 0xff, 0xff, 0xff, 0xf, 0, 0]), "malformed packet: it ends too early");
}

#[test]
fn variables_of_functions_that_do_not_exist() {
    let home = Home::new();
    let wire = home.bytes("local n = true return function() return n end");
    let flat = [0, 1, FUNCTION, 0, 0, 1, TRUE, END];
    let code = wire[22..].strip_suffix(&flat).expect("the packet of a function");
    let packet = |flat: &[u8]| Packet::from_bytes(&sealed(&[code, flat].concat()), Trust::Code);
    let decoded =
        |flat: &[u8]| packet(flat).unwrap().decode::<()>(&home.lua).map_err(|error| error.to_string());
    decoded(&flat).unwrap();
    // Joined with a table's, and with one of no object.
    let joined =
        |object: u8| [&[0, 2][..], &table(SHARED, 0, 0), &[FUNCTION, 0, 0, 1, JOIN, object, 1, END]].concat();
    assert_eq!(packet(&joined(0)).unwrap_err().to_string(), "malformed packet: no object 0");
    assert_eq!(packet(&joined(9)).unwrap_err().to_string(), "malformed packet: no object 9");
    // With a variable that the other function lacks.
    for upvalue in [0, 2, 255] {
        let flat = [0, 2, FUNCTION, SHARED, 0, 1, NIL, FUNCTION, 0, 0, 1, JOIN, 0, upvalue, END];
        assert!(decoded(&flat).unwrap_err().contains("malformed packet: no object 0"), "{upvalue}");
    }
    // More values than the function has variables.
    let said = decoded(&[0, 1, FUNCTION, 0, 0, 2, NIL, NIL, END]).unwrap_err();
    assert!(said.contains("malformed packet: a function without upvalue 2"), "{said}");
}

#[test]
fn bytecode_that_lua_refuses_is_an_error_of_decoding() {
    let home = Home::new();
    let wire = sealed(&[&[1, 0, 4][..], b"text", &[0, 1, FUNCTION, 0, 0, 0, END]].concat());
    let said = Packet::from_bytes(&wire, Trust::Code).unwrap().decode::<()>(&home.lua).unwrap_err();
    assert!(said.to_string().contains("malformed packet: code that cannot be loaded"), "{said}");
    // Not even text: a packet has no source.
    let wire = sealed(&[&[1, 0, 8][..], b"return 1", &[0, 1, FUNCTION, 0, 0, 0, END]].concat());
    assert!(Packet::from_bytes(&wire, Trust::Code).unwrap().decode::<()>(&home.lua).is_err());
}

#[test]
fn no_metamethod_runs_while_values_are_made() {
    let (here, there) = (Home::new(), Home::new());
    let bytes = here.bytes(
        "local function never() called = true end
        local meta = {__index = never, __newindex = never, __eq = never, __len = never, __call = never}
        local t = setmetatable({1, a = 2}, meta)
        meta[t] = t
        return setmetatable(meta, meta)",
    );
    let packet = Packet::from_bytes(&bytes, Trust::Code).unwrap();
    packet.decode::<()>(&there.lua).unwrap();
    assert!(there.eval::<bool>("return called == nil"));
}

#[test]
fn a_finalizer_that_is_no_function_is_no_danger() {
    let home = Home::new();
    let meta = [&table(0, 0, 1)[..], &[STRING, 4], b"__gc", &[TRUE]].concat();
    let packet = data(&[&[1][..], &table(METATABLE, 0, 0), &meta, &[END]].concat()).unwrap();
    for _ in 0..1000 {
        packet.decode::<()>(&home.lua).unwrap();
    }
    home.lua.gc_collect().unwrap();
    home.lua.gc_collect().unwrap();
}

#[test]
fn every_kind_of_record_is_in_the_corpus() {
    let home = Home::new();
    let has = |sources: &[&str], wanted: u8| {
        sources.iter().any(|source| home.bytes(source)[22..].contains(&wanted))
    };
    // A hint only: the byte may stand for something else.
    for wanted in [LATER, FILL, SEEN, FLOAT, NUMBERED, AGAIN] {
        assert!(has(DATA, wanted), "{wanted}");
    }
    for wanted in [GLOBAL, POISON, WHOLE, NAMED, GLOBALS] {
        assert!(has(FUNCTIONS, wanted), "{wanted}");
    }
}
