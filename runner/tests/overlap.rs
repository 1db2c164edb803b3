//! Tasks that may overlap do, and hold up nobody.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::time::{Duration, Instant};

use support::server::{Response, Server};
use support::sloth_script;

#[test]
fn shell_lines_overlap_where_they_may() {
    let elapsed = |config: &str, build: &str| {
        let begin = Instant::now();
        let run = sloth_script(
            &format!(
                "local tasks = {{}}
                for i = 1, 4 do tasks[i] = task('t' .. i):command('sleep 0.5'){build}:build() end
                workflow.define('w', {{ tasks = tasks, config = {{ {config} }} }})"
            ),
            &[],
        );
        assert_eq!(run.status.code(), Some(0), "{run:#?}");
        begin.elapsed()
    };
    let (one, two, all) = (elapsed("", ""), elapsed("max_parallel = 2", ""), elapsed("", ":async(true)"));
    assert!(one >= Duration::from_secs(2), "{one:?}");
    assert!(two >= Duration::from_secs(1) && two < one, "{two:?}");
    assert!(all >= Duration::from_millis(500) && all < two, "{all:?}");
}

#[test]
fn functions_that_wait_let_the_others_go_on() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(1500));
        Response::new(200, "at last")
    });
    let begin = Instant::now();
    let run = sloth_script(
        r#"
        local order, count = {}, 0
        local function t(name, wait)
          return task(name):async(true):command(function(this)
            count = count + 1
            wait()
            log.info("waited")
            local name = exec.run("printf $NAME").stdout
            table.insert(order, name)
          end):env({ NAME = name }):build()
        end
        workflow.define("w", { tasks = {
          t("sleep", function() goroutine.sleep(1500) end),
          t("time", function() time.sleep("1500ms") end),
          t("exec", function() exec.run("sleep 1.5") end),
          t("execute", function() os.execute("sleep 1.5") end),
          t("await", function() goroutine.async(function() goroutine.sleep(1500) end):await() end),
          t("channel", function() goroutine.channel():receive(1500) end),
          t("popen", function() for line in io.popen("sleep 1.5; echo x"):lines() do assert(line == "x") end end),
          t("http", function() assert(http.get(params.url).body == "at last") end),
        }, on_complete = function()
          table.sort(order)
          print(count, table.concat(order, " "))
        end })
        "#,
        &["-o", "json", "-p", &format!("url={}", server.url)],
    );
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert!(
        run.stdout.contains(r#""text":"8\tawait channel exec execute http popen sleep time""#),
        "{run:#?}"
    );
    for name in ["http", "sleep", "time", "exec", "execute", "await", "channel", "popen"] {
        let line = run
            .stdout
            .lines()
            .find(|line| line.contains("\"log\"") && line.contains(&format!("\"task\":\"{name}\"")));
        assert!(line.is_some(), "{name}: {run:#?}");
    }
    // One after another they take 12 s.
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}
