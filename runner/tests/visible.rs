//! No name and no message can pass for a line of the runner's own, or reach the terminal as more than text. What scripts and commands print
//! is theirs.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::{Run, sloth_script};

/// A line that the runner never writes is to be seen as one; and bytes that terminals obey.
const SCRIPT: &str = r#"
log.info("log \27[31m \r \7 \u{9b}2J\nINFO  forged")
log.table({ a = "\127" }, "title\nforged")
local function t(name) return task(name) end
t("name\n  forged: ok in 1 ms \27[2J"):description("text \27\nforged"):command(function()
  log.info("in it")
  error("oops\n  forged: ok in 1 ms\r \27[31m\nforged")
end):retries(1):retry_delay("1ms"):build()
t("shell\r"):command([[printf 'raw \033[31m\r%b\n' '\0377'; printf 'forged \033[1m\n' >&2; exit 3]]):build()
warn("@on") warn("warning\n\27forged")
goroutine.async(function() error("unhandled\n\27[31mforged", 0) end)
goroutine.async(function() goroutine.sleep(60000) end)
outputs["key\nforged"] = "value\nforged \27"
print("printed \27[1m\rraw")
"#;

fn assert_nothing_is_obeyed(text: &str) {
    let wrong = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
    assert_eq!(wrong, None, "{text}");
    for line in text.lines() {
        let line = line.strip_prefix("  ").filter(|rest| !rest.starts_with("  ")).unwrap_or(line);
        assert!(!line.starts_with("forged") && !line.starts_with("INFO  forged"), "{line} in {text}");
    }
}

/// What is on standard output without what is printed.
fn told_on_stdout(run: &Run) -> String {
    let told: Vec<_> = run.stdout.lines().filter(|line| !line.contains("raw")).collect();
    told.join("\n")
}

#[test]
fn control_characters_of_names_and_messages_are_written_out() {
    let run = sloth_script(SCRIPT, &[]);
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    // What the command says is its own.
    let stderr = run.stderr.replacen("[shell\\r] forged \u{1b}[1m\n", "", 1);
    assert_ne!(stderr, run.stderr, "{run:#?}");
    assert_nothing_is_obeyed(&stderr);
    assert_nothing_is_obeyed(&told_on_stdout(&run));
    for told in [
        "INFO  log \\u{1b}[31m \\r \\u{7} \\u{9b}2J\n      INFO  forged\n",
        "  name\\n  forged: ok in 1 ms \\u{1b}[2J: started\n",
        "INFO  [name\\n  forged: ok in 1 ms \\u{1b}[2J] in it\n",
        "attempt 1 failed: script.sloth:7: oops\n      forged: ok in 1 ms\\r \\u{1b}[31m\n    forged; again in",
        "  shell\\r: failed in ",
        "exit code 3: forged \\u{1b}[1m\n",
        "Lua warning: warning\n    \\u{1b}forged\n",
        " failed: unhandled\n    \\u{1b}[31mforged\n",
        "\nname\\n  forged: ok in 1 ms \\u{1b}[2J  failed ",
    ] {
        assert!(run.stderr.contains(told), "{told:?} in {}", run.stderr);
    }
    assert!(run.stdout.ends_with("outputs:\n  key\\nforged: value\n    forged \\u{1b}\n"), "{run:#?}");
}

#[test]
fn what_scripts_and_commands_print_is_as_they_print_it() {
    let run = sloth_script(
        "print('printed \\27[1m\\rraw') log.print('\\7') io.stderr:write('\\27[2m\\n') task('a'):command([[printf '\\033[31m\\r\\n']]):build()",
        &[],
    );
    assert_eq!(run.stdout, "printed \u{1b}[1m\rraw\n\u{7}\n[a] \u{1b}[31m\r\n");
    assert!(run.stderr.starts_with("\u{1b}[2m\n"), "{run:#?}");
    let run =
        sloth_script(r#"task("a"):command([[printf '10%%\r20%%\rno room\r\n' >&2; exit 3]]):build()"#, &[]);
    assert!(run.stderr.contains("exit code 3: no room\n"), "{run:#?}");
}

#[test]
fn a_plan_and_what_is_wrong_with_definitions_are_text_too() {
    let run = sloth_script(SCRIPT, &["--dry-run"]);
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert_nothing_is_obeyed(&told_on_stdout(&run));
    for told in ["1. name\\n  forged: ok in 1 ms \\u{1b}[2J: first", "     text \\u{1b}\n       forged\n"] {
        assert!(run.stdout.contains(told), "{told:?} in {}", run.stdout);
    }
    let run = sloth_script("task('a\\n\\27forged'):timeout('5\\nforged'):build()", &[]);
    assert_eq!(run.status.code(), Some(2), "{run:#?}");
    assert_nothing_is_obeyed(&run.stderr);
    let run = sloth_script("load([[error('deep \\27')]], '=forged\\nforged')()", &[]);
    assert_eq!(run.status.code(), Some(1), "{run:#?}");
    assert_nothing_is_obeyed(&run.stderr);
}

#[test]
fn a_dump_has_a_line_for_each_goroutine_whatever_its_name() {
    let run = sloth_script(
        "local sleeper = goroutine.async(function() goroutine.sleep(60000) end)
        sleeper:name('name\\n\\27[2Jforged')
        io.write(goroutine.dump(), '--\\n', exec.run(arg[1] .. ' dump $PPID').stdout)",
        &["--", env!("CARGO_BIN_EXE_sloth-runner")],
    );
    let (own, asked) = run.stdout.split_once("--\n").unwrap();
    for text in [own, asked] {
        assert!(text.contains(" 'name\\n\\u{1b}[2Jforged' (started at script.sloth:1): "), "{run:#?}");
        assert_nothing_is_obeyed(text);
    }
}
