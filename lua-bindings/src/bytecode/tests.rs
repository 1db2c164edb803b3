//! What the bytecode reader promises, on functions that Lua itself has compiled.

mod captured;
mod globals;
mod lines;
mod malformed;
mod stripped;

use mlua::{Function, Lua};

use super::{Analysis, Malformed, analyse};

/// The dump of the function that this script returns.
fn dumped(script: &str, strip: bool) -> Vec<u8> {
    let lua = Lua::new();
    let function: Function = lua.load(script).set_name("@test.lua").eval().expect(script);
    function.dump(strip)
}

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
fn a_function_is_described_by_its_chunk_its_line_and_its_captured_variables() {
    let found = analysed("local a, b\n\nreturn function() return b, print, a end");
    assert_eq!(found.source.as_deref(), Some("@test.lua"));
    assert_eq!(found.line_defined, 3);
    assert_eq!(found.upvalue_count, 3);
    assert_eq!(found.upvalue_names, ["b", "_ENV", "a"].map(|name| Some(name.into())));
    assert_eq!(found.env_upvalues, [1]);
}

#[test]
fn what_can_not_be_read_says_why() {
    let dump = dumped("return function() end", false);
    let of_version = |byte| analyse(&[&b"\x1bLua"[..], &[byte], &dump[5..]].concat());
    assert_eq!(analyse(b"\x1bLJ\x02"), Err(Malformed::Truncated));
    assert_eq!(analyse(b""), Err(Malformed::NotBytecode));
    assert_eq!(analyse(&dump[..20]), Err(Malformed::Truncated));
    assert_eq!(of_version(0x56), Err(Malformed::Version(0x56)));
    assert_eq!(Malformed::Version(0x56).to_string(), "bytecode of lua 5.6 can't be read");
    assert!(of_version(0x54).is_ok());
}
