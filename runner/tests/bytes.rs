//! Strings of Lua are bytes, and so are names of files, what commands are given, and what they print: nothing is re-encoded.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::process::{Command, Output};

use support::{everywhere, sloth_script};

fn run(script: &str, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(["run", "script.sloth"]).args(args).current_dir(folder.path()).output().unwrap()
}

#[test]
fn files_may_have_names_that_are_not_utf_8() {
    everywhere(
        r#"
        local folder = fs.tmpname() .. "\xff.d"
        assert(fs.mkdir(fs.join(folder, "\xfe", "deep")))
        local file = fs.join(folder, "caf\xe9.txt")
        assert(fs.write(file, "one") and fs.append(file, " two") and fs.read(file) == "one two" and fs.size(file) == 7)
        assert(fs.copy(file, file .. "\xfd") and fs.move(file .. "\xfd", fs.join(folder, "\xfe", "deep", "\xfc.txt")))
        assert(table.concat(fs.ls(folder), "|") == "caf\xe9.txt|\xfe")
        for pattern, expected in pairs({
          ["/*.txt"] = "/caf\xe9.txt", ["/caf?.txt"] = "/caf\xe9.txt", ["/caf\xe9*"] = "/caf\xe9.txt", ["/[\xe9-\xfe]"] = "/\xfe",
          ["/**/*.txt"] = "/caf\xe9.txt|/\xfe/deep/\xfc.txt", ["/\xfe/*/"] = "/\xfe/deep", ["/caf\xe8.txt"] = "",
        }) do
          local names = {}
          for i, path in ipairs(fs.glob(folder .. pattern)) do names[i] = path:sub(#folder + 1) end
          assert(table.concat(names, "|") == expected, pattern)
        end
        assert(fs.basename(file) == "caf\xe9.txt" and fs.dirname(file) == folder)
        assert(exec.run({ "cat", file }).stdout == "one two")
        assert(exec.run("cat '" .. file .. "'").stdout == "one two" and io.popen("cat '" .. file .. "'"):read("a") == "one two")
        assert(os.execute("test -f '" .. file .. "'"))
        assert(fs.rm(file) and fs.rmr(folder) and not fs.exists(folder))
        "#,
        &[],
    );
}

#[test]
fn what_commands_print_passes_through_as_bytes() {
    const SCRIPT: &str = r#"
        local a = task("a"):command([[printf 'out \377\0\n'; printf 'err \376\n' >&2]]):build()
        local b = task("b"):command(function(_, _, deps)
          io.write(deps.a.stdout) log.info("logged \xfd") print("printed \xfc")
          io.popen([[printf 'popen \373\n']], "w"):close()
          os.execute([[printf 'execute \372\n']])
        end):depends_on("a"):build()
        workflow.define("w", { tasks = { a, b } })"#;
    let output = run(SCRIPT, &[]);
    let bytes = b"[a] out \xff\0\nout \xff\0\nprinted \xfc\npopen \xfb\nexecute \xfa\n";
    assert_eq!(output.stdout, bytes, "{output:#?}");
    let stderr = output.stderr;
    assert!(stderr.windows(9).any(|part| part == b"[a] err \xfe"), "{}", stderr.escape_ascii());

    // Events are text.
    let events = run(SCRIPT, &["-o", "json"]).stdout;
    let events: Vec<serde_json::Value> =
        String::from_utf8(events).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for said in [
        "out \u{fffd}\0",
        "err \u{fffd}",
        "logged \u{fffd}",
        "printed \u{fffd}",
        "popen \u{fffd}",
        "execute \u{fffd}",
    ] {
        let event = events
            .iter()
            .find(|event| [&event["text"], &event["message"]].iter().any(|text| **text == *said));
        assert_eq!(event.unwrap_or_else(|| panic!("{said}"))["lossy"], true);
    }
    let whole = sloth_script("print('größer')", &["-o", "json"]).printed();
    assert!(whole.contains("größer") && !whole.contains("lossy"), "{whole}");
}

#[test]
fn a_path_that_is_empty_is_no_success() {
    everywhere(
        r#"
        for _, name in ipairs({ "read", "size", "ls", "mkdir", "rm", "rmr" }) do
          local done, err = fs[name]("")
          assert(done == nil and err:find("^'': ") or err:find("^'' is not removed"), name .. ": " .. tostring(err))
        end
        assert(fs.exists("") == false and #fs.glob("") == 0 and fs.write("", "x") == nil)
        local done, err = fs.read("a\0b")
        assert(done == nil and err:find("NUL") or err:find("nul"), err)
        "#,
        &[],
    );
}

#[test]
fn a_pattern_that_ends_in_a_slash_finds_folders() {
    everywhere(
        r#"
        local folder = fs.tmpname() .. ".d"
        assert(fs.mkdir(folder .. "/a/.b") and fs.write(folder .. "/c", "") and fs.write(folder .. "/a/d", ""))
        for pattern, expected in pairs({ ["/*/"] = "/a", ["/**/"] = "|/a|/a/.b", ["/*"] = "/a|/c", ["/a/.*"] = "/a/.b", ["/c/"] = "" }) do
          local names = {}
          for i, path in ipairs(fs.glob(folder .. pattern)) do names[i] = path:sub(#folder + 1) end
          assert(table.concat(names, "|") == expected, pattern .. ": " .. table.concat(names, "|"))
        end
        assert(fs.rmr(folder))
        "#,
        &[],
    );
}

#[test]
fn arguments_and_parameters_may_be_any_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let script = OsStr::from_bytes(b"caf\xe9.sloth");
    std::fs::write(folder.path().join(script), "io.write(params['\\xfe'], arg[1], ...)").unwrap();
    let bytes = |arg: &'static [u8]| OsStr::from_bytes(arg);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.arg("run").arg(script).args([
        bytes(b"-p"),
        bytes(b"\xfe=\xff=\xfd"),
        bytes(b"--"),
        bytes(b"\xfc"),
    ]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert_eq!(output.stdout, b"\xff=\xfd\xfc\xfc", "{output:?}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.arg("run").arg(script).args([bytes(b"-t"), bytes(b"\xfe")]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    std::fs::write(folder.path().join(script), "").unwrap();
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("there is no task '\u{fffd}'"), "{stderr}");
}
