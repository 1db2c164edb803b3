//! What commands print, also in the background and however much it is, is passed on.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::{sloth_script, statuses};

#[test]
fn what_a_command_has_left_in_the_background_goes_on_and_its_lines_are_passed_on() {
    let run = sloth_script(
        r#"
        local leaves = task("leaves")
          :command("{ while ! test -e go; do sleep 0.01; done; echo late; echo late, too >&2; touch over; } &")
          :build()
        local goes = task("goes"):depends_on("leaves"):command("touch go; until test -e over; do sleep 0.01; done"):build()
        workflow.define("w"):tasks({ leaves, goes })
        "#,
        &[],
    );
    assert_eq!(statuses(&run), "leaves ok, goes ok", "{run:#?}");
    assert_eq!(run.stdout, "[leaves] late\n", "{run:#?}");
    assert!(run.stderr.contains("\n[leaves] late, too\n"), "{run:#?}");
}

#[test]
fn what_is_left_in_the_background_by_exec_is_held_up_by_nobody() {
    let run = sloth_script(
        r#"
        local result = exec.run("echo at once; { while ! test -e go; do sleep 0.01; done; echo late; touch over; } &")
        assert(result.success and result.stdout == "at once\n", result.stdout)
        assert(fs.write("go", ""))
        while not fs.exists("over") do goroutine.sleep(10) end
        print("it could print")
        "#,
        &[],
    );
    assert_eq!(run.stdout, "it could print\n", "{run:#?}");
}

#[test]
fn a_shell_line_may_print_more_than_is_kept() {
    let run = sloth_script(
        r#"
        local prints = task("prints"):command("yes 0123456789012345678901234567890123456789 | head -c 70000000"):build()
        local reads = task("reads"):depends_on("prints"):command(function(_, _, deps)
          local text = deps.prints.stdout
          outputs.begins = text:match("^[^\n]*\n([^\n]*)")
          outputs.note = text:match("^%.%.%. %d+ bytes that came before are not kept\n") ~= nil
          outputs.most = #text < 64 << 20
          text = nil
        end):build()
        workflow.define("w"):tasks({ prints, reads })
        "#,
        &[],
    );
    assert_eq!(statuses(&run), "prints ok, reads ok", "{:?}", run.stderr);
    let outputs =
        "outputs:\n  begins: 0123456789012345678901234567890123456789\n  most: true\n  note: true\n";
    assert!(run.stdout.ends_with(outputs), "{}", &run.stdout[run.stdout.len() - 200..]);
    let line = "[prints] 0123456789012345678901234567890123456789\n";
    assert!(run.stdout.matches(line).count() == 70_000_000 / 41, "all of it was printed");
}
