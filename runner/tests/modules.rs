//! What the modules promise, at home and in goroutines.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::server::{Request, Response, Server};
use support::{everywhere, sloth_script};

fn answer(request: &Request) -> Response {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match path {
        "/echo" => {
            let headers: Vec<_> =
                request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let body = String::from_utf8_lossy(&request.body);
            Response::new(200, format!("{}|{query}|{body}|{}", request.method, headers.join("&")))
        }
        "/json" => {
            Response::new(200, r#"{"list": [1, 2], "empty": []}"#).with("content-type", "application/json")
        }
        "/missing" => Response::new(404, "nothing").with("x-one", "1").with("X-One", "2"),
        "/once" => Response::new(302, "").with("location", "/json"),
        "/round" => Response::new(302, "").with("location", "/round"),
        "/large" => Response::new(200, vec![b'x'; 200_000]),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(3));
            Response::new(200, "late")
        }
        _ => Response::new(200, vec![0, 255, b'\n', b'x']),
    }
}

#[test]
fn requests_are_sent_as_they_are_described_and_answers_come_whole() {
    let server = Server::start(answer);
    everywhere(
        r#"
        local url = params.url
        local r = assert(http.get(url .. "/bytes"))
        assert(r.status_code == 200 and r.ok and r.body == "\0\255\nx" and r.elapsed_ms >= 0 and r.json == nil)
        r = assert(http.get(url .. "/json"))
        assert(r.json.list[2] == 2 and json.encode(r.json) == '{"empty":[],"list":[1,2]}', json.encode(r.json))
        r = assert(http.get(url .. "/missing"))
        assert(r.status_code == 404 and not r.ok and r.body == "nothing" and r.headers["x-one"] == "1, 2" and r.status:find("404"))
        r = assert(http.post(url .. "/echo", "the body", { query = { a = "1 2", b = 3 }, headers = { ["X-Mine"] = "yes" } }))
        assert(r.body:find("^POST|a=1.202&b=3|the body|") or r.body:find("^POST|a=1[+]2&b=3|the body|"), r.body)
        assert(r.body:find("x-mine=yes", 1, true))
        r = assert(http.put(url .. "/echo", nil, { json = { n = 1 }, auth = { username = "me", password = "secret" } }))
        assert(r.body:find('^PUT||{"n":1}|') and r.body:find("authorization=Basic bWU6c2VjcmV0", 1, true), r.body)
        assert(r.body:find("content-type=application/json", 1, true))
        r = assert(http.request({ method = "patch", url = url .. "/echo", body = "x", auth = { token = "t" } }))
        assert(r.body:find("^PATCH||x|") and r.body:find("authorization=Bearer t", 1, true), r.body)
        assert(http.delete(url .. "/echo").body:find("^DELETE"))
        assert(http.head(url .. "/json").body == "")
        "#,
        &["-p", &format!("url={}", server.url)],
    );
}

#[test]
fn requests_have_limits_and_say_which() {
    let server = Server::start(answer);
    everywhere(
        r#"
        local url = params.url
        local function fails(why, ...)
          local r, err = http.get(...)
          assert(r == nil and err:find(why, 1, true), tostring(err))
        end
        assert(http.get(url .. "/once").json.list[1] == 1)
        assert(http.get(url .. "/once", { follow = false }).status_code == 302)
        fails("too many redirects", url .. "/round")
        fails("larger than 1000 bytes", url .. "/large", { max_size = 1000 })
        fails("timeout exceeded", url .. "/slow", { timeout = "100ms" })
        fails("onnect", "http://127.0.0.1:1/")
        fails("URL", "no url")
        local ok, err = pcall(function() http.get(url, { timout = 5 }) end)
        assert(not ok and err:find("script.sloth:15: bad argument #2 to 'get' (unknown option 'timout', did you mean 'timeout'?)", 1, true), err)
        ok, err = pcall(function() http.get() end)
        assert(not ok and err:find("string expected, got no value", 1, true), err)
        "#,
        &["-p", &format!("url={}", server.url)],
    );
}

#[test]
fn a_thousand_requests_keep_a_hundred_connections_and_block_no_isolate() {
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, top) = (Arc::clone(&busy), Arc::clone(&most));
    let server = Server::start(move |_| {
        top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        Response::new(200, "fine")
    });
    let begin = Instant::now();
    let run = sloth_script(
        r#"
        local url = params.url
        local ticks = goroutine.atomic_int()
        local handles = goroutine.spawn_many(1000, function() return assert(http.get(url, { timeout = 30 })).ok end)
        local ticker = goroutine.async(function() while true do goroutine.sleep(1) ticks:add() end end)
        local well = 0
        for _, result in ipairs(goroutine.await_all(handles)) do
          if result.success and result.values[1] then well = well + 1 end
        end
        ticker:cancel()
        print(well, ticks:load() > 20)
        "#,
        &["-p", &format!("url={}", server.url), "--isolates", "1"],
    );
    assert_eq!(run.stdout, "1000\ttrue\n", "{run:#?}");
    assert!(server.most_connections() <= 100, "{} connections", server.most_connections());
    let most = most.load(Ordering::SeqCst);
    assert!(most > 30, "only {most} at once");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn commands_run_and_end_with_who_runs_them() {
    everywhere(
        r#"
        local r = assert(exec.run("echo out; echo err >&2; exit 3"))
        assert(r.stdout == "out\n" and r.stderr == "err\n" and r.exit_code == 3 and r.success == false)
        r = assert(exec.run("cat; echo $WHO; pwd", { stdin = "in ", env = { WHO = "me" }, workdir = "/" }))
        assert(r.stdout == "in me\n/\n" and r.success, r.stdout)
        assert(exec.run({ "printf", "%s-", "a b", "c" }).stdout == "a b-c-")
        assert(not pcall(exec.run, { "echo", "a", nil, "c" }) and not pcall(exec.run, { "echo", option = "a" }))
        assert(exec.run("kill -9 $$").exit_code == 137)
        assert(#exec.run("head -c 300000 /dev/zero").stdout == 300000)
        -- It need not read what it is given.
        assert(exec.run("true", { stdin = ("x"):rep(1000000) }).success)
        local r, err = exec.run("sleep 60", { timeout = "50ms" })
        assert(r == nil and err == "timeout exceeded", err)
        r, err = exec.run({ "/not/there" })
        assert(r == nil and err:find("cannot run /not/there", 1, true), err)
        assert(exec.run("sleep 60 &").success) -- what it leaves behind holds up nobody
        local ok, how, code = os.execute("exit 5")
        assert(not ok and how == "exit" and code == 5)
        assert(os.execute())
        "#,
        &[],
    );
}

#[test]
fn cancelling_kills_a_command_and_its_children() {
    let run = sloth_script(
        r#"
        local marker = fs.tmpname()
        local handle = goroutine.async(function()
          exec.run("(while true; do echo x >> " .. marker .. "; sleep 0.02; done) & sleep 60")
        end)
        while fs.size(marker) < 6 do goroutine.sleep(5) end
        handle:cancel()
        handle:await(5000)
        goroutine.sleep(100)
        local before = fs.size(marker)
        goroutine.sleep(200)
        print(fs.size(marker) == before)
        fs.rm(marker)
        "#,
        &[],
    );
    assert_eq!(run.stdout, "true\n", "{run:#?}");
}

#[test]
fn commands_of_many_goroutines_overlap_in_one_isolate() {
    let begin = Instant::now();
    let run = sloth_script(
        "local handles = goroutine.spawn_many(10, function() os.execute('sleep 0.5') exec.run('sleep 0.5') end)
        goroutine.await_all(handles) print('done')",
        &["--isolates", "1"],
    );
    assert_eq!(run.stdout, "done\n", "{run:#?}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn popen_works_in_goroutines_and_parks() {
    let begin = Instant::now();
    let run = sloth_script(
        r#"
        local function body()
          local file = assert(io.popen("printf '1 two\\nthree\\n4.5'; exit 3"))
          assert(file:read("n") == 1 and file:read() == " two" and file:read("L") == "three\n" and file:read(1) == "4")
          assert(file:read("a") == ".5" and file:read("a") == "" and file:read("l") == nil)
          local ok, how, code = file:close()
          assert(not ok and how == "exit" and code == 3, code)
          local lines = {}
          for line in io.popen("echo a; echo b"):lines() do lines[#lines + 1] = line end
          assert(table.concat(lines, " ") == "a b")
          local out <close> = io.popen("cat > /dev/null", "w")
          assert(out:write("x", 1) == out and not pcall(out.write, out, {}))
          assert(not pcall(io.popen) and not pcall(io.popen, "x", "q") and not pcall(file.read, file))
          io.popen("sleep 0.5"):close()
          return "well"
        end
        for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(8, body))) do
          print(result.success, result.values and result.values[1] or result.error)
        end
        "#,
        &["--isolates", "1"],
    );
    assert_eq!(run.stdout, "true\twell\n".repeat(8), "{run:#?}");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn popen_gives_what_comes_while_the_command_runs() {
    let run = sloth_script(
        r#"
        local gate = os.tmpname()
        local handle = goroutine.async(function()
          local file = io.popen("echo first; while [ -e " .. gate .. " ]; do sleep 0.01; done; echo second")
          local first = file:read()
          os.remove(gate)
          return first, file:read()
        end)
        print(handle:await())
        "#,
        &[],
    );
    assert_eq!(run.stdout, "true\tfirst\tsecond\n", "{run:#?}");
}

#[test]
fn a_command_that_a_cancelled_goroutine_reads_is_killed() {
    let run = sloth_script(
        r#"
        local name = os.tmpname()
        print(goroutine.timeout(300, function()
          io.popen("sleep 1000 & echo $! > " .. name .. "; wait"):read()
        end))
        local file = io.open(name)
        local pid = file:read("n")
        -- Whoever inherits it may take a moment to notice.
        for i = 1, 500 do
          local state = io.popen("cut -d' ' -f3 /proc/" .. pid .. "/stat 2>/dev/null"):read()
          if state == nil or state == "Z" then print("killed") os.exit() end
          goroutine.sleep(10)
        end
        "#,
        &[],
    );
    assert_eq!(run.stdout, "false\ttimeout exceeded\nkilled\n", "{run:#?}");
}

#[test]
fn what_a_written_command_prints_is_an_event() {
    let run = sloth_script(
        r#"
        goroutine.async(function()
          local out = io.popen("cat", "w")
          out:write("one\n", "two\n")
          out:close()
        end):await()
        "#,
        &["-o", "json"],
    );
    assert!(run.stdout.lines().all(|line| line.starts_with('{')), "{run:#?}");
    assert!(run.stdout.contains("one"), "{run:#?}");
    assert!(run.stdout.contains("two"), "{run:#?}");
}

#[test]
fn files_are_read_and_written() {
    everywhere(
        r#"
        local folder = fs.tmpname() .. ".d"
        assert(fs.mkdir(fs.join(folder, "a", "b")) and fs.exists(folder))
        local file = fs.join(folder, "one.txt")
        assert(fs.write(file, "\0one") and fs.append(file, " two"))
        assert(fs.read(file) == "\0one two" and fs.size(file) == 8)
        assert(fs.copy(file, fs.join(folder, "copy.txt")) and fs.move(file, fs.join(folder, "moved.txt")))
        assert(not fs.exists(file))
        assert(table.concat(fs.ls(folder), " ") == "a copy.txt moved.txt")
        local found = fs.glob(folder .. "/*.txt")
        assert(#found == 2 and fs.basename(found[1]) == "copy.txt" and fs.dirname(found[1]) == folder)
        os.execute("ln -s .. " .. folder .. "/a/up; ln -s b " .. folder .. "/a/link")
        assert(fs.write(fs.join(folder, "a", "b", "deep.txt"), ""))
        local deep = fs.glob(folder .. "/**/*.txt")
        assert(#deep == 3 and deep[1] == folder .. "/a/b/deep.txt" and #fs.glob(folder .. "/a*/**") == 2)
        assert(#fs.glob(folder .. "/**/*") == 7 and #fs.glob(folder .. "/a/link/*") == 1)
        assert(fs.rm(found[1]))
        local gone, err = fs.rm(found[1])
        assert(gone == nil and err == found[1] .. ": no such file or folder", err)
        assert(fs.rmr(folder) and not fs.exists(folder) and fs.rmr(folder))
        gone, err = fs.rmr("/")
        assert(gone == nil and err:find("is not removed", 1, true), err)
        assert(fs.read("/nowhere") == nil and fs.ls("/nowhere") == nil and fs.size("/nowhere") == nil)
        assert(select(2, fs.glob("***")) ~= nil)
        assert(fs.basename("/a/b") == "b" and fs.dirname("x") == "." and fs.dirname("/x") == "/" and fs.join("a", "/b") == "/b")
        assert(not pcall(fs.read) and not pcall(fs.write, "x"))
        "#,
        &[],
    );
}

#[test]
fn data_comes_back_as_it_went() {
    everywhere(
        r#"
        local text = '{"a":[1,2.5,"x",null,[]],"b":{},"c":[],"d":true}'
        local value = json.decode(text)
        assert(#value.a == 5 and value.a[4] == json.null and json.encode(value) == text, json.encode(value))
        assert(data.parse_json(text).d == true and data.to_json({ 1, 2 }) == "[1,2]")
        assert(json.encode({ n = 1 }, true) == '{\n  "n": 1\n}')
        local nothing, err = json.decode("{oops")
        assert(nothing == nil and err:find("line 1", 1, true), err)
        nothing, err = json.encode({ a = { print } })
        assert(nothing == nil and err == "a function cannot be written (at a.1)", err)
        assert(json.decode(("["):rep(100000)) == nil)
        value = yaml.decode("a: [1, two]\nb: {c: null}\n")
        assert(value.a[2] == "two" and value.b.c == nil and yaml.encode({ a = { 1 } }) == "a:\n- 1\n")
        nothing, err = data.parse_yaml("a: [")
        assert(nothing == nil and err ~= nil and data.to_yaml({ x = "y" }) == "x: y\n")
        assert(yaml.decode("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b]\n") ~= nil)
        "#,
        &[],
    );
}

#[test]
fn time_is_told_and_understood() {
    everywhere(
        r#"
        assert(math.abs(time.now() - os.time()) < 2 and math.type(time.unix_ms()) == "integer")
        assert(time.format(0) == "1970-01-01T00:00:00+00:00", time.format(0))
        for _, directive in ipairs({ "%c", "%x", "%X", "%r", "%%c %D %T" }) do
          assert(time.format(86400, directive) == os.date("!" .. directive, 86400), time.format(86400, directive))
        end
        assert(time.parse("Fri Jan  2 00:00:00 1970", "%c") == 86400)
        assert(time.format(86400.5, "%Y/%m/%d %H:%M:%S") == "1970/01/02 00:00:00")
        assert(time.parse("1970-01-02T00:00:00Z") == 86400 and time.parse("1970-01-02 01:00") == 90000)
        assert(time.parse("02.01.1970", "%d.%m.%Y") == 86400)
        assert(time.parse("yesterday") == nil and time.format(1e300) == nil)
        assert(select(2, time.format(0, "%Y", "Nowhere/Town")) ~= nil)
        assert(time.duration("1h30m") == 5400 and time.duration(0.5) == 0.5 and time.duration("soon") == nil)
        local begin = time.now()
        time.sleep(0.05)
        time.sleep("50ms")
        assert(time.now() - begin >= 0.09)
        assert(not pcall(time.sleep, "soon") and not pcall(time.sleep, -1))
        "#,
        &[],
    );
}

#[test]
fn modules_and_their_functions_travel() {
    let run = sloth_script(
        r#"
        local required, get, decode, null = require("http"), http.get, json.decode, json.null
        print(goroutine.async(function()
          -- And on from there.
          return goroutine.async(function()
            return required.get == get, decode("[7, null]")[1], decode("[null]")[1] == null, fs.join("a", "b"), require("exec") == exec
          end):await()
        end):await())
        "#,
        &[],
    );
    assert_eq!(run.stdout, "true\ttrue\ttrue\t7\ttrue\ta/b\ttrue\n", "{run:#?}");
    assert_eq!(run.stderr, "");
}

#[test]
fn a_log_line_is_never_mixed_with_another() {
    let run = sloth_script(
        r#"
        goroutine.await_all(goroutine.spawn_many(50, function(id)
          for i = 1, 20 do log.info(("x"):rep(200), id, i, nil, true) end
        end))
        log.table({ a = { 1 } }, "titled")
        log.print("printed", 1)
        "#,
        &[],
    );
    assert_eq!(run.stdout, "printed\t1\n");
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("INFO  [goroutine ")
                && line.contains("] xxxx")
                && line.ends_with(" nil true"))
            .count(),
        1000
    );
    assert!(lines[1000].starts_with("INFO  titled {"), "{:#?}", &lines[1000..]);
}
