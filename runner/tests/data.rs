//! The edges of `json`, `yaml`, `time` and `fs`.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::{everywhere, sloth};

/// `gives_nothing(text, f, ...)`: f gives nil and a message with that text.
const GIVES_NOTHING: &str = r#"
local function gives_nothing(text, f, ...)
  local value, err = f(...)
  if value ~= nil or type(err) ~= "string" or not err:find(text, 1, true) then
    error(text .. " expected, got " .. tostring(value) .. ", " .. tostring(err), 2)
  end
end
"#;

fn script(body: &str) -> String {
    format!("{GIVES_NOTHING}{body}")
}

#[test]
fn numbers_and_lists_come_back_through_json_as_what_they_were() {
    everywhere(
        &script(
            r#"
            local numbers = json.decode("[9223372036854775807,-9223372036854775808,1.0,-0.0,1e300]")
            assert(numbers[1] == math.maxinteger and numbers[2] == math.mininteger and math.type(numbers[3]) == "float")
            assert(json.encode(numbers) == "[9223372036854775807,-9223372036854775808,1.0,-0.0,1e+300]", json.encode(numbers))
            assert(json.decode("[9223372036854775808]")[1] == 2^63, "what is no integer of Lua's is a float")
            for _, text in ipairs({ "[]", "{}", '{"a":[],"b":{}}', "[[],{}]", '"\\u0000é"', "false", "null" }) do
              assert(json.encode(json.decode(text)) == text, text)
            end
            local list = json.decode("[]")
            list[1] = "x"
            assert(json.encode(list) == '["x"]' and json.decode('{"a":1,"a":2}').a == 2)
            local deep = ("["):rep(127) .. ("]"):rep(127)
            assert(json.encode(json.decode(deep)) == deep)
            "#,
        ),
        &[],
    );
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    everywhere(
        &script(
            r#"
            gives_nothing("at line 2 column 8", json.decode, '{\n"a": 1,}')
            gives_nothing("trailing characters at line 1 column 3", json.decode, "1 x")
            gives_nothing("EOF", json.decode, "")
            gives_nothing("not UTF-8 at line 2", json.decode, "\n\xff")
            gives_nothing("more than 127 levels lie in each other at line 1 column 128", json.decode, ("["):rep(128) .. ("]"):rep(128))
            assert(json.decode('\u{feff}{"a": 1}').a == 1, "what begins with a mark of the byte order")
            gives_nothing("NaN cannot be written (at a.1)", json.encode, { a = { 0 / 0 } })
            gives_nothing("holes", json.encode, { [1] = 1, [3] = 3 })
            gives_nothing("both a list and named fields", json.encode, { 1, x = 1 })
            gives_nothing("not UTF-8", json.encode, { "\xff" })
            gives_nothing("a key that is not UTF-8", json.encode, { ["\xff"] = 1, ["\xfe"] = 2 })
            local round = {}
            round.again = round
            gives_nothing("is it within itself? (at again.again.", json.encode, round)
            assert(#select(2, json.encode(round)) < 200)
            "#,
        ),
        &[],
    );
}

#[test]
fn yaml_is_read_and_written_within_limits() {
    everywhere(
        &script(
            r#"
            local value = yaml.decode("base: &b {x: 1, y: 1}\nmore: {<<: *b, y: 2}\n1: one\nlist: []\nno: ~\n")
            assert(value.more.x == 1 and value.more.y == 2 and value["1"] == "one" and value.no == nil)
            assert(yaml.encode({ list = value.list }) == "list: []\n" and yaml.decode("") == json.null)
            for _, text in ipairs({ "1", "null", "~", "a: b", "- #x", "", " x ", "true", "two\nlines\n", "é" }) do
              assert(yaml.decode(yaml.encode({ text }))[1] == text, text)
            end
            gives_nothing("the key 'a' stands twice, at lines 1 and 2", yaml.decode, "a: 1\na: 2\n")
            gives_nothing("the key 'k' stands twice, at lines 4 and 6", yaml.decode, "k: [k, k]\nx: k\nlist:\n- k: {k: 1}\n  ? [k]\n  k: 2\n")
            gives_nothing("the key 'k' stands twice, at line 1", yaml.decode, "{k: 1, k: 2}")
            -- Keys are strings in the end, and no two are the same.
            for text, told in pairs({
              ["1: a\n'1': b"] = "'1' stands twice, at lines 1 and 2", ["'true': a\ntrue: b"] = "'true' stands twice, at lines 1 and 2",
              ["in: {1: x, '1': y}"] = "'1' stands twice, at line 1",
              ["in: {~: a, 'null': b}"] = "'null' stands twice, once as a string and once as something else (at in)",
            }) do
              gives_nothing("the key " .. told, yaml.decode, text)
            end
            local merged = yaml.decode("- &a {1: x, 2: z}\n- {<<: *a, '1': y}\n- {'1': y, <<: *a}")
            for i = 2, 3 do assert(merged[i]["1"] == "y" and merged[i]["2"] == "z", "what stands there goes before what is merged") end
            assert(yaml.decode("\u{feff}a: 1").a == 1)
            gives_nothing("more than one document", yaml.decode, "a: 1\n---\nb: 2\n")
            gives_nothing("at line 2 column 1", yaml.decode, "a:\n\t- b")
            gives_nothing("unknown anchor", yaml.decode, "a: *nope")
            gives_nothing("the number .nan cannot be read (at a.2)", yaml.decode, "a: [1, .nan]")
            gives_nothing("the tag !secret cannot be read at line 1", yaml.decode, "a: !secret x")
            gives_nothing("cannot be read", yaml.decode, "? [a]\n: b")
            gives_nothing("cannot be written", yaml.encode, { 1 / 0 })
            for _, levels in ipairs({ 128, 129, 1000 }) do
              gives_nothing("more than 127 levels lie in each other", yaml.decode, ("["):rep(levels) .. ("]"):rep(levels))
            end
            local deep = yaml.decode(("["):rep(127) .. ("]"):rep(127))
            assert(json.encode(yaml.decode(yaml.encode(deep))) == json.encode(deep), "what is read can be written")
            local bomb = { "a: &a [x,x,x,x,x,x,x,x,x,x]" }
            for i = 1, 20 do
              local name, before = string.char(97 + i), string.char(96 + i)
              bomb[#bomb + 1] = name .. ": &" .. name .. " [*" .. (before .. ",*"):rep(9) .. before .. "]"
            end
            gives_nothing("repetition limit", yaml.decode, table.concat(bomb, "\n"))
            "#,
        ),
        &[],
    );
}

#[test]
fn a_file_of_values_with_what_cannot_be_read_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("script.lua", "print(values.more.x, #values.list)");
    write("merged.yaml", "base: &b {x: 1}\nmore: {<<: *b}\nlist: [1, 2]\n");
    write("twice.yaml", "port: 1\nport: 2\n");
    write("endless.yaml", "a: {limit: .inf}\n");
    write("single.json", "5");
    write("marked.json", "\u{feff}{\"more\": {\"x\": 1}, \"list\": [1, 2]}");
    write("marked.yaml", "\u{feff}more: {x: 1}\nlist: [1, 2]");
    write("marked.lua", "\u{feff}#!/usr/bin/env sloth-runner\nprint('begun')");
    let run = |file: &str| sloth(folder.path(), &["run", "script.lua", "-v", file]);
    for file in ["merged.yaml", "marked.json", "marked.yaml"] {
        assert_eq!(run(file).stdout, "1\t2\n", "{file}");
    }
    assert_eq!(sloth(folder.path(), &["run", "marked.lua"]).stdout, "begun\n");
    for (file, told) in [
        ("twice.yaml", "twice.yaml: the key 'port' stands twice, at lines 1 and 2"),
        ("single.json", "single.json: names with values, or a list, expected, and this is 5"),
        ("endless.yaml", "endless.yaml: the number .inf cannot be read (at a.limit)"),
    ] {
        let run = run(file);
        assert!(run.status.code() == Some(2) && run.stderr.contains(told), "{run:#?}");
    }
}

#[test]
fn what_is_no_time_is_told_with_what_was_given() {
    everywhere(
        &script(
            r#"
            gives_nothing("'soon' is no such time", time.parse, "soon")
            gives_nothing("'2023-02-29' is no such time", time.parse, "2023-02-29", "%Y-%m-%d")
            gives_nothing("Mars/Base", time.parse, "2023-02-28", "%Y-%m-%d", "Mars/Base")
            gives_nothing("is no time", time.format, 0 / 0)
            gives_nothing("1e20 is no time between -9999-01-02 and 9999-12-30", time.format, 1e20)
            for _, seconds in ipairs({ 253402300799, -377705116800, math.maxinteger, math.mininteger, 1 / 0, -1 / 0, 1e300 }) do
              gives_nothing("is no time between", time.format, seconds, "%Y", "Europe/Berlin")
            end
            assert(time.format(253402207200):find("^9999%-12%-30") and time.format(-377705023201):find("^%-9999%-01%-02"))
            assert(time.format(-0.5, "%S%.f") == "59.5" and time.format(1.1, "%.3f") == ".100")
            gives_nothing("is no such time", time.parse, "9999-12-31T23:59:59Z")
            gives_nothing("is no such time", time.parse, "\xff")
            gives_nothing("format", time.format, 0, "%")
            gives_nothing("'1 week' is no duration", time.duration, "1 week")
            gives_nothing("cannot be -1", time.duration, -1)
            gives_nothing("is too long for a duration", time.duration, ("9"):rep(400) .. "h")
            assert(time.duration("99999999h") == 99999999 * 3600.0 and time.duration("3ms") == 0.003 and time.duration(1e300) == 1e300)
            assert(time.parse("2024-01-01 10:00", "%Y-%m-%d %H:%M", "Europe/Berlin") == 1704099600)
            assert(time.parse("2024-01-01T00:00:00+02:00") == 1704060000)
            assert(time.parse(time.format(1704099600)) == 1704099600)
            "#,
        ),
        &[],
    );
}

#[test]
fn files_are_not_lost_and_errors_name_the_path_that_is_wrong() {
    everywhere(
        &script(
            r#"
            local folder = fs.tmpname() .. ".d"
            local function at(...) return fs.join(folder, ...) end
            assert(fs.mkdir(folder) and fs.write(at("one"), "kept") and fs.write(at("number"), 5))
            gives_nothing("the same file", fs.copy, at("one"), at(".", "one"))
            assert(fs.read(at("one")) == "kept" and fs.read(at("number")) == "5")
            gives_nothing(at("no", "x") .. ": no such file or folder", fs.copy, at("one"), at("no", "x"))
            gives_nothing(at("no") .. ": no such file or folder", fs.copy, at("no"), at("x"))
            gives_nothing("/dev/null: not a regular file", fs.copy, "/dev/null", at("x"))
            gives_nothing(at("no", "x") .. ": no such file or folder", fs.move, at("one"), at("no", "x"))
            gives_nothing(at("no") .. ": no such file or folder", fs.move, at("no"), at("x"))
            gives_nothing("only files are copied", fs.copy, folder, at("x"))
            assert(fs.exists(at("one", "below")) == false)
            gives_nothing("it is a folder", fs.read, folder)
            gives_nothing("it is a folder", fs.write, folder, "x")
            gives_nothing("it is a folder", fs.append, folder, "x")
            gives_nothing("not a folder", fs.ls, at("one"))
            gives_nothing("NUL", fs.read, "a\0b")
            gives_nothing("/proc/x: no such file or folder", fs.mkdir, "/proc/x")
            assert(#fs.glob(at("*.none")) == 0 and fs.rmr(folder))
            "#,
        ),
        &[],
    );
}

#[test]
fn where_no_temporary_file_can_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.lua"), "print(fs.tmpname())").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(["run", "script.lua"]).current_dir(folder.path()).env("TMPDIR", "/not/there");
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"nil\t/not/there: no such file or folder\n", "{output:?}");
}
