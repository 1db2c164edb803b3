//! `types/sloth-runner.lua`, which editors read, declares what scripts find: nothing is missing there, and nothing is too much.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::collections::BTreeSet;

use support::{root, sloth_script};

type Names = BTreeSet<String>;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn word(text: &str) -> String {
    text.chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect()
}

/// What stands behind `before` at the beginning of lines.
fn declared(types: &str, before: &str) -> Names {
    types.lines().filter_map(|line| line.strip_prefix(before)).map(word).collect()
}

/// The fields of a class.
fn fields(types: &str, class: &str) -> Names {
    let of_class = types.lines().skip_while(|line| *line != format!("---@class {class}")).skip(1);
    of_class.map_while(|line| line.strip_prefix("---@field ")).map(word).collect()
}

/// The names in quotes in the line that has this in it.
fn quoted(source: &str, before: &str) -> Names {
    let list = source.lines().find(|line| line.contains(before)).unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names before `=` in a Lua table.
fn keys(source: &str, before: &str) -> Names {
    let rest = source.split_once(before).unwrap().1;
    let table = rest.split_once("\n}").map_or(rest, |(table, _)| table);
    let table = table.split_once(" }\n").map_or(table, |(table, _)| table);
    // Behind the last of them is a value.
    let parts: Vec<_> = table.split(" = ").collect();
    let before = parts.iter().rev().skip(1);
    before.filter_map(|part| part.split_whitespace().last()).map(str::to_owned).collect()
}

fn with(mut names: Names, more: &str) -> Names {
    names.insert(more.into());
    names
}

#[test]
fn every_global_and_every_function_of_a_module_is_declared_and_exists() {
    let script = r#"
        local standard = {}
        for name in ("_G _VERSION assert collectgarbage coroutine debug dofile error getmetatable io ipairs load loadfile math next os package pairs "
          .. "pcall print rawequal rawget rawlen rawset require select setmetatable string table tonumber tostring type utf8 warn xpcall"):gmatch("%S+") do
          standard[name] = true
        end
        for name, value in pairs(_G) do
          if not standard[name] then
            print(name)
            if type(value) == "table" and package.loaded[name] == value and name ~= "goroutine" then
              for field in pairs(value) do print(name .. "." .. field) end
            end
          end
        end"#;
    let real: Names = sloth_script(script, &[]).printed().lines().map(str::to_owned).collect();
    let types = read("types/sloth-runner.lua");
    let mut all = Names::new();
    for line in types.lines() {
        let name = match line.strip_prefix("function ") {
            Some(function) if function.contains(':') => continue,
            Some(function) => function.split('(').next().unwrap(),
            None => match line.split_once(" = ") {
                Some((name, _)) if !name.starts_with(['-', 'l']) || name == "log" => name,
                _ => continue,
            },
        };
        all.insert(name.to_owned());
    }
    all.remove("workflow.define");
    assert_eq!(all, real);
}

#[test]
fn every_method_and_option_of_tasks_and_workflows_is_declared_and_exists() {
    let (types, source) = (read("types/sloth-runner.lua"), read("runner/src/lua/define.lua"));
    let checks = read("runner/src/lua/fields.lua");
    let mut task = keys(&checks, "local TASK = {");
    let options = fields(&types, "runner.TaskTable");
    assert_eq!(with(options, "delegate_to"), with(task.clone(), "name"));
    task.remove("retry_policy");
    assert_eq!(declared(&types, "function builder:"), with(task, "build"));
    let workflow = keys(&source, "local WORKFLOW = {");
    assert_eq!(declared(&types, "function flow:"), workflow);
    assert_eq!(fields(&types, "runner.WorkflowOptions"), workflow);
    assert_eq!(fields(&types, "runner.Config"), keys(&checks, "local CONFIG = {"));
    let this = source_of_this();
    assert_eq!(declared(&types, "function this:"), this);
}

fn source_of_this() -> Names {
    let source = read("runner/src/lua/engine.lua");
    source.lines().filter_map(|line| line.trim().strip_prefix("function this.")).map(word).collect()
}

#[test]
fn options_and_results_of_modules_are_declared_and_exist() {
    let types = read("types/sloth-runner.lua");
    let http = read("runner/src/modules/http.rs");
    assert_eq!(fields(&types, "runner.http.Options"), quoted(&http, "const OPTIONS: "));
    let exec = read("runner/src/modules/exec.rs");
    assert_eq!(fields(&types, "runner.exec.Options"), quoted(&exec, "args.options(2, &["));
    let script = "for name in pairs(exec.run('true')) do print(name) end";
    let result: Names = sloth_script(script, &[]).printed().lines().map(str::to_owned).collect();
    assert_eq!(fields(&types, "runner.exec.Result"), result);
}
