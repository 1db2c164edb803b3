//! The lines of assignments are those that Lua itself reports.

use std::collections::BTreeMap;

use mlua::{Function, Lua, Table};

use super::{Random, analyse};

/// Lua 5.1 and LuaJIT allow 60 captured variables in one function.
const CAPTURED: u32 = if cfg!(feature = "lua54") { 180 } else { 60 };

/// A function that assigns each of these variables, with gaps between that are small, or wider than a signed byte,
/// and with less or more code than lies between two fixed points of the line table.
fn script(names: &[String], random: &mut Random) -> String {
    let mut script = format!("local {}\nreturn function()\n", names.join(", "));
    for name in names {
        let [lines, code] = [5, 5].map(|choices| [0, 1, 3, 126, 400][random.below(choices)]);
        script.push_str(&"\n".repeat(lines + random.below(3)));
        script.push_str(&"do local x = 1; x = x + x end ".repeat(code / 2));
        script.push_str(&format!(" {name} = probe('{name}')"));
    }
    script + "\nend"
}

#[test]
fn the_line_of_an_assignment_is_the_current_line_when_it_runs() {
    for seed in 1..=8 {
        let names: Vec<_> = (0..CAPTURED).map(|number| format!("v{number}")).collect();
        let script = script(&names, &mut Random(seed));

        let lua = Lua::new();
        let lines = lua.create_table().unwrap();
        lua.globals().set("lines", &lines).unwrap();
        let probe = lua.create_function(|lua, name: String| {
            let line = lua.inspect_stack(1, |frame| frame.current_line()).flatten();
            lua.globals().get::<Table>("lines")?.set(name, line)
        });
        lua.globals().set("probe", probe.unwrap()).unwrap();
        let function: Function = lua.load(&script).eval().unwrap();
        function.call::<()>(()).unwrap();
        let seen: BTreeMap<String, u32> = lines.pairs().collect::<Result<_, _>>().unwrap();

        let found = analyse(&function.dump(false)).unwrap().captured_writes;
        let found: BTreeMap<_, _> =
            found.into_iter().map(|write| (write.name.unwrap().into(), write.line.unwrap())).collect();
        assert_eq!(found.len(), names.len());
        assert_eq!(found, seen, "seed {seed}");
    }
}
