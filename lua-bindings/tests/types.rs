//! `types/goroutine.lua`, which editors read, declares what the module has: nothing is missing there, nothing is too much, and the
//! module takes and gives what it says. It is called with each of its declarations, and with what they rule out.
#![cfg(test)]
#![cfg(all(feature = "backend-tokio", feature = "lua54"))]

use std::path::Path;
use std::time::Duration;

use goroutine::{Goroutines, Shutdown};
use mlua::{Function, Lua, Table, Value};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn load(lua: &Lua, path: &str) -> Function {
    lua.load(read(path)).set_name(format!("@{path}")).into_function().unwrap()
}

/// A state with the module, and what the types declare.
fn declared() -> (Goroutines, Lua, Table) {
    // The errors of the functions that are tried are nobody's concern.
    let builder = Goroutines::builder().isolates(2).on_unhandled_error(|_| {});
    // Lazy: `configure` may say how the isolates are as long as there are none.
    let goroutines = builder.lazy(true).build().unwrap();
    // All libraries, `debug` too: methods are found by metatables.
    let lua = goroutine::new_state();
    goroutines.install(&lua).unwrap();
    let parse: Function = load(&lua, "tests/types/declared.lua").call(()).unwrap();
    let declared = parse.call(read("../types/goroutine.lua")).unwrap();
    (goroutines, lua, declared)
}

fn check(name: &str) {
    let (goroutines, lua, declared) = declared();
    let checks = load(&lua, "tests/types/check.lua");
    let run: Function = checks.call((declared, read("../docs/module.md"))).unwrap();
    if let Err(error) = run.call::<()>(name) {
        panic!("{error}");
    }
    drop(lua);
    assert_eq!(goroutines.shutdown(Duration::from_secs(20)), Shutdown::Complete);
}

#[test]
fn every_function_and_method_is_declared_and_every_declared_one_exists() {
    check("names");
    check("methods_of_shared_tables");
}

#[test]
fn as_many_arguments_are_required_as_are_declared() {
    check("too_few_arguments");
}

#[test]
fn declared_arguments_are_accepted_and_give_the_declared_results() {
    check("what_is_declared_is_accepted");
    check("results");
}

#[test]
fn arguments_of_other_types_are_refused() {
    check("what_is_not_declared_is_refused");
}

#[test]
fn further_arguments_are_passed_on_where_that_is_declared_and_nowhere_else() {
    check("more_arguments");
}

#[test]
fn tables_of_options_have_the_declared_fields() {
    check("options");
    check("options_of_configure");
    check("cases_of_select");
}

#[test]
fn the_page_has_every_function_with_the_declared_parameters() {
    check("signatures_in_the_page");
}

#[test]
fn the_files_of_types_are_lua_that_does_nothing() {
    for path in ["../types/goroutine.lua", "../types/goroutine/local.lua"] {
        let lua = goroutine::new_state();
        let before = lua.globals().pairs::<Value, Value>().count();
        let source = read(path);
        assert!(source.starts_with("---@meta goroutine"), "{path} is a file of types");
        lua.load(source).set_name(path).exec().unwrap();
        assert_eq!(lua.globals().pairs::<Value, Value>().count(), before, "{path} sets globals");
    }
}

#[test]
fn where_there_is_a_local_module_it_has_the_same_names() {
    let (goroutines, lua, _) = declared();
    let names = |module: &Table| {
        let mut names: Vec<String> = module.pairs::<String, Value>().map(|pair| pair.unwrap().0).collect();
        names.sort();
        names
    };
    let require: Function = lua.globals().get("require").unwrap();
    let module: Table = require.call("goroutine").unwrap();
    match require.call::<Table>("goroutine.local") {
        Ok(local) => assert_eq!(names(&local), names(&module)),
        // A build without it.
        Err(error) => assert!(error.to_string().contains("module 'goroutine.local' not found"), "{error}"),
    }
    drop(lua);
    assert_eq!(goroutines.shutdown(Duration::from_secs(20)), Shutdown::Complete);
}
