//! On a terminal: the live display takes nothing away of what is printed.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What `sloth-runner` writes to a terminal, and the exit code.
fn shown(script: &str, args: &[&str]) -> (String, Option<i32>) {
    answered(script, args, None)
}

/// The same; to the question somebody answers, when it is there to be read.
fn answered(script: &str, args: &[&str], answer: Option<(&str, &str)>) -> (String, Option<i32>) {
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
    let (mut bytes, mut ours, mut answer) = (Vec::new(), File::from(ours), answer);
    let mut buffer = [0; 4096];
    // It ends with an error when the last one who has the other end open closes it.
    while let Ok(count @ 1..) = ours.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
        if let Some((_, said)) =
            answer.take_if(|(question, _)| on_screen(&String::from_utf8_lossy(&bytes)).contains(*question))
        {
            ours.write_all(said.as_bytes()).unwrap();
        }
    }
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
                // The rest of it may be to come.
                let Some('[') = rest.next() else { break };
                let mut number = String::new();
                while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() || "?;".contains(*c)) {
                    number.push(digit);
                }
                let count = number.parse::<usize>().unwrap_or(1);
                match rest.next().unwrap_or('m') {
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
    // On one line, if the machine is quick.
    assert!(at("begun,") < at("ended\n") && at("ended\n") < at("never ended"), "{screen}");
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

#[test]
fn a_question_without_an_end_of_its_line_can_be_read() {
    let script = r#"
    task("asks"):timeout("50s"):command(function()
      io.write("go on? ")
      print("the answer is " .. io.read())
    end):build()"#;
    let (shown, code) = answered(script, &[], Some(("go on?", "yes\n")));
    let screen = on_screen(&shown);
    assert!(code == Some(0) && screen.contains("the answer is yes\n"), "{screen}");
}
