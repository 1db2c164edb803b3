//! Bytes that no compiler wrote: an error or a wrong answer, soon, and never a panic.

use std::time::{Duration, Instant};

use super::super::{Malformed, Random, analyse, dumped};

const SCRIPTS: &[&str] = &[
    "return function() end",
    "local n, t = 0, {} return function(a, ...) n = n + a; t.x = print(...); return function() n = x end end",
    "return function() local e = _ENV; local k = 'a'; e.x = e[k]; return function() return e.y end end",
    "local up return function(t)
        for i = 1, #t do up = t[i] or 1.5 end
        for k, v in pairs(t) do if k == 1 and v < 2 or not k then goto done end _ENV[k] = v .. k end
        ::done:: while up do local x <close> = nil; up = x or {1, 2, f(), n = ~1 // 2}; f(_ENV) end
        return t:m(function() return function() up = global end end)
    end",
];

/// The scripts above and one whose names are far, with and without debug information.
fn dumps() -> Vec<Vec<u8>> {
    let pad: String = (0..260).map(|number| format!("'{number}',")).collect();
    let far = format!("return function() local t = {{{pad}}}; x = y and function() t = z end; y = x end");
    let scripts = SCRIPTS.iter().copied().chain([far.as_str()]);
    scripts.flat_map(|script| [dumped(script, false), dumped(script, true)]).collect()
}

#[test]
fn the_beginning_of_a_dump_is_not_taken_for_a_dump() {
    for dump in dumps() {
        assert!(analyse(&dump).is_ok());
        for len in 0..dump.len() {
            assert!(analyse(&dump[..len]).is_err(), "the first {len} of {} bytes", dump.len());
        }
        assert!(analyse(&[&dump[..], &[0]].concat()).is_err());
    }
}

#[test]
fn a_changed_byte_never_panics_and_takes_no_longer() {
    let dumps = dumps();
    let mut random = Random(0x60_7075_7469_6e65);
    let begin = Instant::now();
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut dump = dumps[random.below(dumps.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(dump.len());
            dump[at] = random.below(256) as u8;
        }
        refused += usize::from(analyse(&dump).is_err());
    }
    assert!(refused > 1000, "{refused}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn bytes_at_random_after_a_good_header_never_panic() {
    let header = dumped(SCRIPTS[0], false)[..32].to_vec();
    let mut random = Random(7);
    for _ in 0..20_000 {
        let mut dump = header.clone();
        // Small numbers with the mark on them are counts that can be met; others mostly end the game at once.
        dump.extend((0..random.below(200)).map(|_| match random.below(3) {
            0 => random.below(256) as u8,
            1 => 0x80 + random.below(8) as u8,
            _ => random.below(8) as u8,
        }));
        let _ = analyse(&dump);
    }
}

/// A function of a dump, written by hand.
#[derive(Clone, Default)]
struct Written {
    code: Vec<u32>,
    strings: Vec<&'static str>,
    upvalues: Vec<[u8; 3]>,
    nested: u32,
}

impl Written {
    /// Up to its nested functions; `end` closes it.
    fn begin(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x80, 0x80, 0, 0, 250];
        bytes.extend(int(self.code.len() as u32));
        bytes.extend(self.code.iter().flat_map(|instruction| instruction.to_ne_bytes()));
        bytes.extend(int(self.strings.len() as u32));
        for string in &self.strings {
            bytes.push(0x04);
            bytes.extend(int(string.len() as u32 + 1));
            bytes.extend(string.bytes());
        }
        bytes.extend(int(self.upvalues.len() as u32));
        bytes.extend(self.upvalues.iter().flatten());
        bytes.extend(int(self.nested));
        bytes
    }

    /// Without debug information.
    fn end(&self) -> [u8; 4] {
        [0x80; 4]
    }

    fn dump(&self) -> Vec<u8> {
        [header(self.upvalues.len() as u8), self.begin(), self.end().to_vec()].concat()
    }
}

fn header(upvalues: u8) -> Vec<u8> {
    let mut header = dumped(SCRIPTS[0], false)[..31].to_vec();
    header.push(upvalues);
    header
}

fn int(value: u32) -> Vec<u8> {
    let mut bytes = vec![0x80 | (value & 0x7f) as u8];
    let mut rest = value >> 7;
    while rest > 0 {
        bytes.insert(0, (rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes
}

const GETUPVAL: u32 = 9;
const JMP: u32 = 56;
const RETURN0: u32 = 71;
const CLOSURE: u32 = 79;
/// As an instruction: the function returns nothing.
const EMPTY: u32 = RETURN0;

#[test]
fn functions_may_be_nested_as_deep_as_the_bytes_last() {
    let depth = 100_000;
    let outer = Written { code: vec![EMPTY], upvalues: vec![[1, 0, 0]], nested: 1, ..Written::default() };
    let inner = Written { upvalues: vec![[0, 0, 0]], ..outer.clone() };
    let innermost = Written { nested: 0, ..inner.clone() };
    let mut dump = [header(1), outer.begin()].concat();
    (0..depth).for_each(|_| dump.extend(inner.begin()));
    dump.extend(innermost.begin());
    (0..depth + 2).for_each(|_| dump.extend(outer.end()));
    assert_eq!(analyse(&dump).unwrap().upvalue_count, 1);
}

#[test]
fn a_count_that_is_not_met_costs_nothing() {
    let begin = Instant::now();
    let most = int(i32::MAX as u32);
    let main = Written { code: vec![EMPTY], ..Written::default() };
    let (head, body) = (header(0), main.begin());
    // The counts of instructions, constants, upvalues and nested functions are where the bytes of a function say.
    for at in [6, 11, 12, 13] {
        let dump = [&head, &body[..at], &most[..], &body[at + 1..], &main.end()].concat();
        assert!(matches!(analyse(&dump), Err(Malformed::Truncated | Malformed::Invalid(_))));
    }
    let dump = [&head[..], &body, &[0x80], &most, &[0x80; 8]].concat();
    assert_eq!(analyse(&dump), Err(Malformed::Truncated));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_number_without_end_is_too_large() {
    let dump = [header(0), vec![0x7f; 1000]].concat();
    assert_eq!(analyse(&dump), Err(Malformed::Invalid("a number is too large")));
}

#[test]
fn code_that_runs_or_jumps_out_of_its_bounds_is_refused() {
    let dump = |code: &[u32]| {
        Written { code: code.to_vec(), upvalues: vec![[1, 0, 0]], ..Written::default() }.dump()
    };
    let jump = |by: i32| JMP | ((by + 0xff_ffff) as u32) << 7;
    assert!(analyse(&dump(&[GETUPVAL, EMPTY])).is_ok());
    assert!(analyse(&dump(&[GETUPVAL, jump(-1), EMPTY])).is_ok());
    for code in [&[GETUPVAL][..], &[GETUPVAL, jump(-3)], &[GETUPVAL, jump(0)], &[GETUPVAL, jump(0xff_ffff)]] {
        assert!(matches!(analyse(&dump(code)), Err(Malformed::Invalid(_))), "{code:?}");
    }
    assert!(analyse(&dump(&[GETUPVAL | 1 << 16, EMPTY])).is_err(), "an upvalue that is not there");
    assert!(analyse(&dump(&[CLOSURE, EMPTY])).is_err(), "a function that is not there");
    assert!(analyse(&dump(&[0x7f, EMPTY])).is_err(), "an operation that is not there");
}

#[test]
fn code_in_which_every_load_lives_long_is_given_up_on_in_time() {
    // Each of 250 registers is loaded in turn, so that each load is alive for 250 instructions, and each is shared.
    let loads = (0..20_000).map(|pc| match pc % 2 {
        0 => GETUPVAL | (pc / 2 % 250) << 7,
        _ => CLOSURE | 251 << 7,
    });
    let main = Written {
        code: loads.chain([EMPTY]).collect(),
        strings: vec!["name"],
        upvalues: vec![[1, 0, 0]],
        nested: 1,
    };
    let nested = Written {
        code: vec![EMPTY],
        upvalues: (0..250).map(|register| [1, register, 0]).collect(),
        ..Written::default()
    };
    let begin = Instant::now();
    let dump = [header(1), main.begin(), nested.begin(), nested.end().to_vec(), main.end().to_vec()].concat();
    let found = analyse(&dump).unwrap();
    assert!(found.env_escapes);
    assert_eq!(super::super::text(&found.globals_read), ["name"]);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
