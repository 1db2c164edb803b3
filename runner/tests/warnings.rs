//! Nobody else is told of errors in finalizers, so the runner tells.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::sloth_script;

#[test]
fn a_finalizer_that_would_have_to_wait_at_the_end_says_so() {
    for wait in [
        "goroutine.sleep(1)",
        "http.get('http://127.0.0.1:1')",
        "exec.run('true')",
        "goroutine.channel():receive()",
    ] {
        let script = format!("kept = setmetatable({{}}, {{ __gc = function() {wait} end }})");
        let run = sloth_script(&script, &[]);
        assert!(run.status.success(), "{run:?}");
        let wanted = "Lua warning: error in __gc";
        assert!(
            run.stderr.contains(wanted) && run.stderr.contains("the Lua state is being closed"),
            "{wait}: {run:?}"
        );
    }
}

#[test]
fn errors_of_finalizers_are_told_wherever_they_run_and_end_nothing() {
    let run = sloth_script(
        "local function broken() setmetatable({}, { __gc = function() error('oops') end }) collectgarbage() end
        broken() goroutine.async(broken):await() print('on')",
        &[],
    );
    assert_eq!((run.status.success(), &*run.stdout), (true, "on\n"), "{run:?}");
    assert_eq!(run.stderr.matches("error in __gc (script.sloth:1: oops)").count(), 2, "{run:?}");
}

#[test]
fn warnings_are_off_until_they_are_switched_on() {
    let run = sloth_script("warn('one') warn('@on') warn('t', 'wo') warn('@off') warn('three')", &[]);
    assert_eq!(run.stderr, "Lua warning: two\n");
    // There are none but the script's.
    let run = sloth_script(
        "task('t'):command(function() require('goroutine.local').spawn(print) end):build()",
        &[],
    );
    assert!(run.status.success() && !run.stderr.contains("warning"), "{run:?}");
}
