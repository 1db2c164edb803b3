//! On a terminal: the live display takes nothing away of what is printed.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::fs::File;
use std::io::Read as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What `sloth-runner` writes to a terminal, and the exit code.
fn shown(script: &str, args: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let theirs =
        open(ptsname(&ours, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(["run", "script.sloth"]).args(args).current_dir(folder.path()).env("TERM", "xterm");
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut bytes = Vec::new();
    // It ends with an error when the last one who has the other end open closes it.
    let _ = File::from(ours).read_to_end(&mut bytes);
    (String::from_utf8(bytes).unwrap(), child.wait().unwrap().code())
}

/// What is left on the screen of it, as lines: as much of a terminal as the display uses.
fn on_screen(shown: &str) -> String {
    let (mut lines, mut row, mut column) = (vec![Vec::<char>::new()], 0, 0);
    let mut rest = shown.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => (row, column) = (row + 1, 0),
            '\x1b' => {
                assert_eq!(rest.next(), Some('['));
                let mut number = String::new();
                while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() || "?;".contains(*c)) {
                    number.push(digit);
                }
                let count = number.parse::<usize>().unwrap_or(1);
                match rest.next().unwrap() {
                    'A' => row = usize::saturating_sub(row, count),
                    'B' => row += count,
                    'K' => lines[row].clear(),
                    'm' | 'h' | 'l' => {}
                    other => panic!("what is {other}?"),
                }
            }
            c => {
                // It is 80 wide.
                if column == 80 {
                    (row, column) = (row + 1, 0);
                }
                while lines.len() <= row {
                    lines.push(Vec::new());
                }
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        while lines.len() <= row {
            lines.push(Vec::new());
        }
    }
    let lines = lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n");
    lines.collect()
}

const SCRIPT: &str = r#"
local a = task("a"):async(true):command(function()
  print("whole")
  io.write("begun, ")
  goroutine.sleep(300)
  io.write("ended\n", "never ended")
  goroutine.sleep(300)
  if params.exit then os.exit(7) end
end):build()
local b = task("b"):async(true):command("for i in 1 2 3; do echo line $i >&2; sleep 0.1; done"):build()
workflow.define("w", { tasks = { a, b } })
"#;

#[test]
fn what_is_printed_stays_while_the_display_is_redrawn() {
    let (shown, code) = shown(SCRIPT, &[]);
    assert_eq!(code, Some(0), "{shown}");
    let screen = on_screen(&shown);
    let at = |text: &str| screen.find(text).unwrap_or_else(|| panic!("{text} is not in {screen}"));
    at("whole\n");
    assert!(at("begun, ended\n") < at("never ended"), "{screen}");
    at("[b] line 3\n");
    at("  a: ok in ");
    assert!(!screen.contains('⠁'), "the display is gone: {screen}");
}

#[test]
fn what_is_printed_before_os_exit_is_there() {
    let (shown, code) = shown(SCRIPT, &["-p", "exit=1"]);
    let screen = on_screen(&shown);
    assert!(
        code == Some(7) && screen.contains("begun, ended\n") && screen.contains("never ended"),
        "{screen}"
    );
}
