//! [`Version`]: what holds for the dumps of every Lua, each with closures of its own.

use super::{Analysis, analyse, lua51, lua52, lua53, lua54, lua55, luajit, text};

/// A script that returns a closure, and the captured variables that it assigns, first on these lines.
pub(super) type Writer = (&'static str, &'static [(&'static str, u32)]);

/// One Lua version, with the scripts that are for it.
pub(super) struct Version {
    pub(super) name: &'static str,
    pub(super) dumps: &'static [u8],
    pub(super) writers: &'static [Writer],
    /// They return closures that assign nothing they have captured.
    pub(super) look_alikes: &'static [&'static str],
    /// Whether globals are fields of a captured variable.
    pub(super) has_env: bool,
}

pub(super) const ALL: &[&Version] = &[
    &lua51::VERSION,
    &lua52::VERSION,
    &lua53::VERSION,
    &lua54::VERSION,
    &lua55::VERSION,
    &luajit::VERSION,
    &luajit::VERSION_32,
];

/// A function that captures two variables, and reads a global between them.
pub(super) const DESCRIBED: &str = "local a, b\n\nreturn function() return b, print, a end";

/// Bodies of functions, the globals that they read, and those that they assign.
const GLOBALS: &[(&str, &[&str], &[&str])] = &[
    ("print(x)", &["print", "x"], &[]),
    ("x = y; y = 1", &["y"], &["x", "y"]),
    ("return a.b.c, a:d()", &["a"], &[]),
    ("function f() end function m.f() end", &["m"], &["f"]),
    ("local x = 1; return x", &[], &[]),
    ("return function() return function() x = y end end", &["y"], &["x"]),
    ("local t = {x = 'x', y = y}; t.z, t[z] = 1, 2", &["y", "z"], &[]),
    ("for k, v in pairs(x) do y = f(function() return v end) end", &["f", "pairs", "x"], &["y"]),
    ("return function(...) x, y[z], a.b = ... end", &["a", "y", "z"], &["x"]),
];

/// Bodies in which what holds the globals is used other than by a name.
const ESCAPES: &[&str] = &[
    "return _ENV",
    "f(1, _ENV, g())",
    "return _ENV[k]",
    "_ENV[k] = 1",
    "_ENV[1] = 1",
    "_ENV.x = _ENV",
    "return {_ENV, f()}",
    "_ENV = {}",
    "_ENV:f()",
    "local e = _ENV; return function() return e.x end",
    "local e; local function f() e = _ENV end; f(); return e.x",
    "for k in next, _ENV do end",
    "return not _ENV, _ENV == t",
    "return x or _ENV",
    "while x do local e = _ENV; f(function() e.y = 1 end) end",
    "local k = 'y'; f(function() k = 'z' end); return _ENV[k]",
];

/// Statements whose names are to be beyond those that an instruction has room for.
const STATEMENTS: &[&str] = &[
    "x = a and b or c",
    "x.y.z = a.b.c",
    "x, y, z = f()",
    "x[y], x[z] = z, y",
    "x = a:b(c:d(e))",
    "function m.f(a) return a + x end",
    "for i = a, b, c do x = x + i; f(i) end",
    "for k, v in pairs(x) do y = k; f(function() return v end) end",
    "while x do x = y; if z then break end end",
    "do local u = 1; f(function() u = 2 end) end x = y; local w = z; y = w",
    "local e = _ENV; e.x = e.y; e = {}",
    "x = {x, y, [z] = a, b = c, f()}",
    "local u; f(function() u = 1 end); u = x; x = u",
];

fn function(body: &str) -> String {
    format!("return function(...) {body} end")
}

/// All the statements in one function, with names near or far.
fn statements(far: bool) -> String {
    let mut body = String::from("local q ");
    if far {
        let names: String = (0..256).map(|number| format!("'{number:x}',")).collect();
        body += &format!("local pad = {{{names}}} ");
    }
    STATEMENTS.iter().for_each(|statement| body += &format!("if q then {statement} end "));
    function(&body)
}

type Dump<'d> = &'d dyn Fn(&str, bool) -> Vec<u8>;

impl Version {
    pub(super) fn scripts(&self) -> Vec<String> {
        let mut scripts: Vec<String> = self.writers.iter().map(|(script, _)| (*script).into()).collect();
        scripts.extend(self.look_alikes.iter().map(|script| (*script).into()));
        scripts.push(DESCRIBED.into());
        scripts.extend(GLOBALS.iter().map(|(body, ..)| function(body)));
        if self.has_env {
            scripts.extend(ESCAPES.iter().map(|body| function(body)));
            scripts.extend([false, true].map(statements));
        }
        scripts
    }

    fn whole(&self, dump: Dump<'_>, script: &str) -> Analysis {
        let found = analyse(&dump(script, false)).unwrap_or_else(|error| panic!("{error}: {script}"));
        assert_eq!(found.source.as_deref(), Some("@test.lua"), "{script}");
        assert_eq!(found.upvalue_names.len(), usize::from(found.upvalue_count), "{script}");
        assert!(found.upvalue_names.iter().all(Option::is_some), "{script}");
        assert_eq!(found.env_upvalues.len(), usize::from(self.has_env && uses_globals(&found)), "{script}");
        found
    }

    fn stripped(&self, dump: Dump<'_>, script: &str) -> Analysis {
        let found =
            analyse(&dump(script, true)).unwrap_or_else(|error| panic!("{error}: stripped: {script}"));
        assert!(found.upvalue_names.iter().all(Option::is_none), "stripped: {script}");
        found
    }

    /// A function is described by its chunk, its line and its captured variables.
    pub(super) fn describes(&self, dump: Dump<'_>) {
        let found = self.whole(dump, DESCRIBED);
        let names: &[&str] = if self.has_env { &["b", "_ENV", "a"] } else { &["b", "a"] };
        assert_eq!(found.line_defined, 3);
        assert!(found.upvalue_names.iter().flatten().map(|name| &**name).eq(names.iter().copied()));
        assert_eq!(found.env_upvalues, if self.has_env { &[1][..] } else { &[] });
    }

    /// A closure that assigns what it captured is found, with name and line.
    pub(super) fn finds_writers(&self, dump: Dump<'_>) {
        for (script, expected) in self.writers {
            let found = self.whole(dump, script).captured_writes;
            let names: Vec<_> =
                found.iter().map(|write| (write.name.as_deref().unwrap(), write.line.unwrap())).collect();
            assert_eq!(names, *expected, "{script}");
        }
    }

    /// So it is without debug information.
    pub(super) fn finds_stripped_writers(&self, dump: Dump<'_>) {
        for (script, _) in self.writers {
            let whole = self.whole(dump, script).captured_writes;
            let found = self.stripped(dump, script).captured_writes;
            let upvalues =
                |writes: &[super::CapturedWrite]| writes.iter().map(|write| write.upvalue).collect();
            let (whole, stripped): (Vec<_>, Vec<_>) = (upvalues(&whole), upvalues(&found));
            assert_eq!(whole, stripped, "{script}");
            assert!(found.iter().all(|write| write.name.is_none() && write.line.is_none()), "{script}");
        }
    }

    /// A closure that only seems to assign what it captured is not found, stripped or not.
    pub(super) fn passes_look_alikes(&self, dump: Dump<'_>) {
        for script in self.look_alikes {
            assert_eq!(self.whole(dump, script).captured_writes, [], "{script}");
            assert_eq!(self.stripped(dump, script).captured_writes, [], "stripped: {script}");
        }
    }

    /// Globals are those that are read and assigned by name, here and in nested functions, stripped or not.
    pub(super) fn finds_globals(&self, dump: Dump<'_>) {
        for (body, read, written) in GLOBALS {
            let script = function(body);
            for found in [self.whole(dump, &script), self.stripped(dump, &script)] {
                assert_eq!(text(&found.globals_read), *read, "{body}");
                assert_eq!(text(&found.globals_written), *written, "{body}");
                assert!(!found.env_escapes, "{body}");
                assert_eq!(found.captured_writes, [], "{body}");
            }
        }
    }

    /// `_ENV` that is used other than by a name escapes.
    pub(super) fn finds_escapes(&self, dump: Dump<'_>) {
        for body in ESCAPES {
            let found = analyse(&dump(&function(body), false)).unwrap();
            assert!(found.env_escapes, "{body}");
            assert_eq!(found.captured_writes, [], "{body}");
        }
    }

    /// A name that the instruction has no room for is a name all the same.
    pub(super) fn finds_far_names(&self, dump: Dump<'_>) {
        let [near, far] = [false, true].map(|far| self.whole(dump, &statements(far)));
        assert!(!near.env_escapes && !far.env_escapes);
        assert_eq!(text(&near.globals_read), ["a", "b", "c", "e", "f", "m", "pairs", "x", "y", "z"]);
        assert_eq!(text(&near.globals_written), ["x", "y", "z"]);
        assert_eq!(far.globals_read, near.globals_read);
        assert_eq!(far.globals_written, near.globals_written);
    }
}

fn uses_globals(found: &Analysis) -> bool {
    found.env_escapes || !found.globals_read.is_empty() || !found.globals_written.is_empty()
}
