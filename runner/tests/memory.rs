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

#[test]
fn those_who_catch_the_error_are_told_too() {
    let body = "
        local long = function() return ('x'):rep(1000000000) end
        local _, caught = pcall(long)
        local _, handled = xpcall(long, print)
        local _, resumed = coroutine.resume(coroutine.create(long))
        return caught, handled, resumed";
    let goroutine = format!("print(goroutine.async(function() {body} end):await())");
    let wanted = "not enough memory: an isolate may have 16777216 bytes, see --memory-limit";
    let printed = sloth_script(&goroutine, &["--memory-limit", "16M"]).printed();
    assert_eq!(printed, format!("true\t{wanted}\t{wanted}\t{wanted}\n"));
    // The standard coroutine.resume is there until goroutine.local is loaded.
    let home = format!("require('goroutine.local') print((function() {body} end)())");
    let wanted = "not enough memory: the script may use 16777216 bytes, see --memory-limit";
    let printed = sloth_script(&home, &["--memory-limit", "16M"]).printed();
    assert_eq!(printed, format!("{wanted}\t{wanted}\t{wanted}\n"));
    let home = "print(pcall(string.rep, 'x', 1000000000)) local pcall = pcall
        print(goroutine.async(function() return pcall(error, 'crossed') end):await())";
    let printed = sloth_script(home, &["--memory-limit", "16M"]).printed();
    assert_eq!(printed, format!("false\t{wanted}\ntrue\tfalse\tcrossed\n"));
}

#[test]
fn starting_goroutines_without_end_ends_with_one_error() {
    // They sleep, and fill their isolates; or nobody begins them.
    for (before, body) in [
        ("", "local t = {} for i = 1, 1000 do t[i] = i end goroutine.sleep(1e9)"),
        ("for i = 1, 8 do goroutine.spawn(function() while true do end end) end", "return #text"),
    ] {
        let script = format!(
            "{before}
            local text = ('x'):rep(1000)
            while true do goroutine.async(function() {body} end) end"
        );
        let run = sloth_script(&script, &["--memory-limit", "16M"]);
        assert_eq!(run.status.code(), Some(1), "{}", run.stderr.len());
        let errors: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("sloth-runner: ")).collect();
        let is_told = |line: &str| {
            line.starts_with("sloth-runner: script.sloth:3: not enough memory: ")
                && line.ends_with(" bytes, see --memory-limit")
        };
        assert!(errors.len() == 1 && is_told(errors[0]), "{errors:?}");
        let left = run.stderr.lines().filter(|line| line.ends_with("at the end, and is cancelled")).count();
        assert!(left <= 20, "{left}");
    }
}

#[test]
fn goroutines_that_find_no_memory_to_begin_are_told_so() {
    let script = "
        local handles, other = {}, 0
        for i = 1, 60 do
          handles[i] = goroutine.async(function()
            local t = {}
            for i = 1, 1e5 do t[i] = { i } end
            goroutine.sleep(100)
            return #t
          end)
        end
        for _, handle in ipairs(handles) do
          local ok, err = handle:await()
          if not ok and err ~= 'not enough memory: an isolate may have 16777216 bytes, see --memory-limit' then
            other = other + 1
            print(err)
          end
        end
        print(other)";
    let run = sloth_script(script, &["--memory-limit", "16M"]);
    assert_eq!(run.stdout, "0\n", "{run:?}");
}

#[test]
fn a_file_that_does_not_fit_is_not_read() {
    let script = "
        local file = assert(io.open('large', 'w'))
        file:seek('set', 500000000)
        file:write('x')
        file:close()
        print(fs.read('large'))
        print(fs.read('/dev/zero'))";
    let printed = sloth_script(script, &["--memory-limit", "16M"]).printed();
    let why = "larger than the 16777216 bytes that may be used, see --memory-limit";
    assert_eq!(printed, format!("nil\tlarge: {why}\nnil\t/dev/zero: {why}\n"));
}

#[test]
fn a_shell_line_that_prints_more_than_the_script_may_use_fails_with_that_message_alone() {
    let run = sloth_script(
        "task('prints'):command('head -c 40000000 /dev/zero'):build()",
        &["-o", "json", "--memory-limit", "16M"],
    );
    assert_eq!(run.status.code(), Some(1));
    let wanted = r#""error":"not enough memory: the script may use 16777216 bytes, see --memory-limit""#;
    let end = run.stdout.lines().find(|line| line.contains("task_end")).unwrap();
    assert!(end.contains(wanted), "{end}");
}
