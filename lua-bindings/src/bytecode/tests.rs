//! What the bytecode reader promises, on functions that Lua itself has compiled: now, or [before](dumps).

/// Tests of the file's `VERSION`, each a method of it on the dumps that are kept.
macro_rules! on_dumps {
    ($($name:ident => $holds:ident,)+) => {$(
        #[test]
        fn $name() {
            VERSION.$holds(&|script, strip| VERSION.dumped(script, strip));
        }
    )+};
}

/// What holds for the dumps of every Lua.
macro_rules! holds_for_dumps {
    () => {
        on_dumps! {
            a_function_is_described_by_its_chunk_its_line_and_its_captured_variables => describes,
            a_closure_that_assigns_what_it_captured_is_found_with_its_line => finds_writers,
            a_closure_that_assigns_what_it_captured_is_found_without_debug_information => finds_stripped_writers,
            a_closure_that_only_seems_to_assign_what_it_captured_is_not => passes_look_alikes,
            globals_are_those_read_called_and_assigned => finds_globals,
        }
    };
}

/// What holds besides where globals are reached by `_ENV`.
macro_rules! holds_for_dumps_with_env {
    () => {
        on_dumps! {
            env_used_in_any_other_way_escapes => finds_escapes,
            a_name_that_does_not_fit_the_instruction_is_a_name_all_the_same => finds_far_names,
        }
    };
}

mod damaged;
mod dumps;
mod lines;
mod lua51;
mod lua52;
mod lua53;
mod lua54;
mod lua55;
mod luajit;
mod version;

use mlua::{Function, Lua};

use super::{Analysis, CapturedWrite, Malformed, analyse};

/// The dump of the function that this script returns.
#[cfg_attr(not(any(feature = "lua51", feature = "lua54", feature = "luajit")), allow(dead_code))]
fn dumped(script: &str, strip: bool) -> Vec<u8> {
    let lua = Lua::new();
    let function: Function = lua.load(script).set_name("@test.lua").eval().expect(script);
    function.dump(strip)
}

#[cfg(feature = "lua54")]
fn analysed(script: &str) -> Analysis {
    analyse(&dumped(script, false)).expect(script)
}

fn text(names: &[Box<[u8]>]) -> Vec<&str> {
    names.iter().map(|name| std::str::from_utf8(name).unwrap()).collect()
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
fn what_can_not_be_read_says_why() {
    let dump = lua54::VERSION.dumped(version::DESCRIBED, false);
    let of_version = |byte| analyse(&[&b"\x1bLua"[..], &[byte], &dump[5..]].concat());
    assert_eq!(analyse(b"\x1bLJ\x02"), Err(Malformed::Truncated));
    assert_eq!(
        analyse(b"\x1bLJ\x03").unwrap_err().to_string(),
        "malformed bytecode: of a luajit other than 2.1"
    );
    assert_eq!(analyse(b"return 1"), Err(Malformed::NotBytecode));
    assert_eq!(analyse(b""), Err(Malformed::NotBytecode));
    assert_eq!(analyse(b"\x1bLua"), Err(Malformed::Truncated));
    assert_eq!(analyse(&dump[..20]), Err(Malformed::Truncated));
    assert_eq!(of_version(0x56), Err(Malformed::Version(0x56)));
    assert_eq!(Malformed::Version(0x56).to_string(), "bytecode of lua 5.6 can't be read");
    assert!(of_version(0x54).is_ok());
    assert!((0x50..0x60).filter(|version| *version != 0x54).all(|version| of_version(version).is_err()));
}
