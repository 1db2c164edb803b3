//! What runs for a task has its variables, its folder and its name, whatever runs beside it and whatever had to end before it began.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{BACKENDS, sloth_script};

/// Three tasks that begin when another has ended, each of whose functions goes on when those of all of them have begun.
const TASKS: &str = r#"
local begun = {}
local function meet(part)
  begun[part] = (begun[part] or 0) + 1
  while begun[part] % 3 ~= 0 and begun[part] < 3 do time.sleep(0.001) end
end
local function whose()
  return exec.run("printf '%s %s' $TARGET $(pwd)").stdout
end
local function tell(name, part)
  meet(part)
  local own = whose()
  local ok, of_child = goroutine.async(function() log.info("child") return whose() end):await()
  log.info(part)
  print(name, part, own, of_child)
end
local function dep(name, folder)
  local built = task(name):depends_on("build"):env({ TARGET = name }):workdir(folder):retries(1):retry_delay("1ms")
  if params.async then built:async(true) end
  return built:command(function(this)
      tell(name, "command " .. this:attempt())
      if this:attempt() == 1 then error("again") end
    end)
    :run_if(function() tell(name, "run_if") return true end)
    :abort_if(function() tell(name, "abort_if") return false end)
    :on_success(function() tell(name, "on_success") end)
    :build()
end
workflow.define("w", {
  tasks = {
    task("build"):command(params.build == "function" and function() print("built") end or "true"):build(),
    dep("prod", "/"), dep("staging", "/usr"), dep("third", "/tmp"),
  },
  config = not params.async and { max_parallel = 3 } or nil,
})
"#;

#[test]
fn functions_of_tasks_that_overlap_have_each_their_own_tasks_variables_folder_and_name() {
    for backend in BACKENDS {
        for args in [&["-p", "build=function"][..], &["-p", "async=1", "--local"]] {
            let run = sloth_script(TASKS, &[&["-o", "json", "--backend", backend], args].concat());
            assert!(run.status.success(), "{run:#?}");
            let events: Vec<Value> =
                run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            for (name, folder) in [("prod", "/"), ("staging", "/usr"), ("third", "/tmp")] {
                let is_its = |event: &&Value| event["task"] == name;
                let said = |kind: &str, field: &str| {
                    let of_kind = events.iter().filter(|event| event["event"] == kind).filter(is_its);
                    of_kind.map(|event| event[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
                };
                let parts = ["abort_if", "run_if", "command 1", "command 2", "on_success"];
                let own = format!("{name} {folder}");
                let printed: BTreeSet<_> =
                    parts.iter().map(|part| format!("{name}\t{part}\t{own}\t{own}")).collect();
                let told: BTreeSet<_> = said("print", "text").into_iter().collect();
                assert_eq!(told, printed, "{backend}: {run:#?}");
                let logged: BTreeSet<_> = said("log", "message").into_iter().collect();
                let logs = parts.iter().chain(&["child"]).map(|text| (*text).to_owned());
                assert_eq!(logged, logs.collect(), "{backend}: {run:#?}");
            }
        }
    }
}
