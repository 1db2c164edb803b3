//! Dumps without names and lines, where what a captured variable is used for tells what it may be.

use mlua::Lua;

use super::super::{Analysis, analyse, dumped, text};

fn analysed(script: &str) -> Analysis {
    analyse(&dumped(script, true)).expect(script)
}

#[test]
fn a_stripped_function_still_tells_its_globals() {
    let found = analysed("local n = 1 return function() print(n); x = function() return y end end");
    assert_eq!(text(&found.globals_read), ["print", "y"]);
    assert_eq!(text(&found.globals_written), ["x"]);
    assert_eq!(found.env_upvalues, [0]);
    assert_eq!(found.upvalue_names, [None, None]);
    assert_eq!(found.source, None);
    assert!(!found.env_escapes);
}

#[test]
fn a_stripped_function_still_tells_what_it_assigns() {
    let found = analysed("local a, b return function() local x = a; b = print end");
    let found: Vec<_> =
        found.captured_writes.into_iter().map(|write| (write.upvalue, write.name, write.line)).collect();
    assert_eq!(found, [(1, None, None)]);
}

#[test]
fn without_names_any_captured_table_with_fields_may_be_env() {
    let found = analysed("local t, u, f = {}, {} return function() f(t.x, u[1], print) end");
    assert_eq!(found.env_upvalues, [1, 3]);
    assert_eq!(text(&found.globals_read), ["print", "x"]);
}

#[test]
fn without_names_what_is_assigned_is_an_ordinary_variable() {
    let found = analysed("local t = {} return function() t = {x = t.x}; return y end");
    assert_eq!(found.env_upvalues, [1]);
    assert_eq!(text(&found.globals_read), ["y"]);
    assert_eq!(found.captured_writes.len(), 1);
}

#[test]
fn a_stripped_main_chunk_has_env_and_nothing_else() {
    let lua = Lua::new();
    let chunk = |script: &str| lua.load(script).into_function().unwrap().dump(true);
    let found = analyse(&chunk("x = y")).unwrap();
    assert_eq!((found.env_upvalues.as_slice(), found.line_defined), (&[0][..], 0));
    assert_eq!(analyse(&chunk("local x")).unwrap().env_upvalues, [0]);
    let found = analyse(&chunk("_ENV = {}")).unwrap();
    assert!(found.env_escapes && found.captured_writes.is_empty());
}

#[test]
fn far_names_are_found_in_stripped_functions_too() {
    let pad: String = (0..300).map(|number| format!("'pad{number}',")).collect();
    let found = analysed(&format!("return function() local t = {{{pad}}}; x = y and z end"));
    assert_eq!(text(&found.globals_read), ["y", "z"]);
    assert_eq!(text(&found.globals_written), ["x"]);
    assert_eq!(found.env_upvalues, [0]);
}

#[test]
fn names_lost_in_an_earlier_dump_are_no_error() {
    let lua = Lua::new();
    let script = "local n return function() n = x end";
    let again = lua.load(dumped(script, true)).into_function().unwrap().dump(false);
    let found = analyse(&again).unwrap();
    assert_eq!(found.env_upvalues, [1]);
    assert_eq!(found.captured_writes.len(), 1);
}
