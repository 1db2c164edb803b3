//! Who reaches the limit of `--memory-limit` is told which it is, and how it is raised.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::sloth_script;

/// Ways to take more memory than there is, as bodies of functions.
const WAYS: &[(&str, &str)] = &[
    ("a string that doubles", "local s = ('x'):rep(1000) while true do s = s .. s end"),
    ("string.rep", "return ('x'):rep(1000000000)"),
    ("a list", "local t = {} for i = 1, math.huge do t[i] = i end"),
    ("a table of names", "local t = {} for i = 1, math.huge do t['key' .. i] = true end"),
    ("tables", "local t = {} for i = 1, math.huge do t[i] = { i } end"),
    ("recursion", "local function f(n) return 1 + f(n + 1) end return f(1)"),
    ("closures", "local t = {} for i = 1, math.huge do t[i] = function() return i end end"),
    ("coroutines", "local t = {} for i = 1, math.huge do t[i] = coroutine.create(print) end"),
    ("table.concat", "local t = {} for i = 1, 100000 do t[i] = ('x'):rep(1000) end return table.concat(t)"),
    ("json.encode", "return json.encode({ ('x'):rep(6000000), ('y'):rep(6000000) })"),
];

#[test]
fn goroutines_are_told_what_an_isolate_may_have() {
    for (way, body) in WAYS {
        let script = format!("local _, err = goroutine.async(function() {body} end):await() print(err)");
        let printed = sloth_script(&script, &["--memory-limit", "16M"]).printed();
        let wanted = "not enough memory: an isolate may have 16777216 bytes, see --memory-limit";
        assert!(printed.trim_end().ends_with(wanted), "{way}: {printed}");
    }
}

#[test]
fn scripts_and_tasks_are_told_what_they_may_use() {
    let wanted = "not enough memory: the script may use 16777216 bytes, see --memory-limit";
    for (way, body) in WAYS {
        let run = sloth_script(body, &["--memory-limit", "16M"]);
        assert_eq!(run.status.code(), Some(1));
        assert!(run.stderr.contains(wanted), "{way}: {run:?}");
        let task = format!("task('t'):command(function() {body} end):build()");
        let run = sloth_script(&task, &["--memory-limit", "16M"]);
        assert_eq!(run.status.code(), Some(1));
        assert!(run.stderr.contains("t: failed in ") && run.stderr.contains(wanted), "{way}: {run:?}");
    }
}

#[test]
fn a_limit_that_the_script_sets_is_raised_in_the_script() {
    let script = "
        goroutine.configure({ memory_limit = 8000000 })
        local _, err = goroutine.async(function() return ('x'):rep(100000000) end):await() print(err)";
    let printed = sloth_script(script, &["--memory-limit", "64M"]).printed();
    let wanted = "not enough memory: an isolate may have 8000000 bytes, see configure{memory_limit = ...}\n";
    assert_eq!(printed, wanted);
}
