//! A wrong call of a module's function raises an error at the caller's line that names the function and the argument.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::everywhere;

/// Every function that takes arguments, wrong ones, and what is said of them. Those of the list `FREE` take anything, or nothing.
const CALLS: &str = r##"
local T, F, U = {}, print, "http://127.0.0.1:1/"
local FREE = {
  ["log.debug"] = true, ["log.info"] = true, ["log.warn"] = true, ["log.error"] = true, ["log.print"] = true,
  ["time.now"] = true, ["time.unix_ms"] = true, ["time.duration"] = true, ["fs.tmpname"] = true,
  ["json.null"] = true, -- a value
}
local wrong = {
  ["log.table"] = { { { 1, T }, 2 } },
  ["http.get"] = { { {}, 1 }, { { T }, 1 }, { { U, 5 }, 2 }, { { U, { headers = 5 } }, "headers" } },
  ["http.delete"] = { { {}, 1 }, { { U, { timout = 5 } }, 2 }, { { U, { timeout = 0 } }, "timeout" } },
  ["http.head"] = { { { F }, 1 }, { { U, { 1 } }, 2 }, { { U, { follow = "no" } }, "follow" } },
  ["http.post"] = { { {}, 1 }, { { U, T }, 2 }, { { U, "b", { json = {} } }, "json" }, { { U, "b", { body = "c" } }, "body" } },
  ["http.put"] = { { {}, 1 }, { { U, F }, 2 }, { { U, nil, { json = { F } } }, "json" } },
  ["http.patch"] = { { {}, 1 }, { { U, "b", 5 }, 3 }, { { U, "b", { auth = { user = "x" } } }, "auth" } },
  ["http.request"] = { { {}, "url" }, { { "x" }, 1 }, { { { url = T } }, "url" }, { { { url = U, method = "a b" } }, "method" },
    { { { url = U, max_size = -1 } }, "max_size" } },
  ["exec.run"] = { { {}, 1 }, { { {} }, 1 }, { { F }, 1 }, { { "true", 5 }, 2 }, { { "true", { cwd = "/" } }, 2 },
    { { "true", { env = { 1 } } }, "env" }, { { "true", { env = { ["A="] = "" } } }, "env" },
    { { "true", { env = { A = "\0" } } }, "env" }, { { "true", { timeout = "soon" } }, "timeout" }, { { "true", { stdin = T } }, "stdin" } },
  ["fs.read"] = { { {}, 1 }, { { T }, 1 } }, ["fs.write"] = { { { "x" }, 2 }, { { T, "x" }, 1 } }, ["fs.append"] = { { { "x", T }, 2 } },
  ["fs.exists"] = { { {}, 1 } }, ["fs.size"] = { { {}, 1 } }, ["fs.ls"] = { { {}, 1 } }, ["fs.mkdir"] = { { {}, 1 } },
  ["fs.rm"] = { { {}, 1 } }, ["fs.rmr"] = { { {}, 1 } }, ["fs.copy"] = { { { "x" }, 2 } }, ["fs.move"] = { { { "x", T }, 2 } },
  ["fs.glob"] = { { {}, 1 } }, ["fs.basename"] = { { {}, 1 } }, ["fs.dirname"] = { { { T }, 1 } },
  ["fs.join"] = { { {}, 1 }, { { "a", T }, 2 } },
  ["json.decode"] = { { {}, 1 }, { { T }, 1 } }, ["json.encode"] = { { { 1, "yes" }, 2 } },
  ["yaml.decode"] = { { {}, 1 } }, ["yaml.encode"] = { { { 1, 2 }, 2 } },
  ["data.parse_json"] = { { {}, 1 } }, ["data.to_json"] = { { { 1, "yes" }, 2 } },
  ["data.parse_yaml"] = { { { T }, 1 } }, ["data.to_yaml"] = { { { 1, "yes" }, 2 } },
  ["time.sleep"] = { { {}, 1 }, { { "soon" }, 1 }, { { -1 }, 1 } },
  ["time.format"] = { { { "x" }, 1 }, { { 0, T }, 2 }, { { 0, "%Y", T }, 3 } },
  ["time.parse"] = { { {}, 1 }, { { "x", T }, 2 } },
}
for _, module in ipairs({ "log", "http", "exec", "fs", "json", "yaml", "data", "time" }) do
  for field in pairs(_G[module]) do
    local name = module .. "." .. field
    assert(wrong[name] or FREE[name], "nothing is called wrong for " .. name)
  end
end
for name, calls in pairs(wrong) do
  local module, field = name:match("(.*)%.(.*)")
  for _, call in ipairs(calls) do
    local args, blamed = call[1], call[2]
    local function f()
      return (_G[module][field](table.unpack(args, 1, 3)))
    end
    if next(args) == nil then f = function() return (_G[module][field]()) end end
    local line = debug.getinfo(f, "S").linedefined
    local ok, err = pcall(f)
    local expected = type(blamed) == "number" and ("bad argument #%d to '%s' ("):format(blamed, field)
      or ("bad option '%s' of '%s' ("):format(blamed, field)
    assert(not ok, name .. " took it: " .. expected)
    assert(tostring(err):find("script.sloth:%d+: ") == 1 and err:find(expected, 1, true), name .. ": " .. tostring(err))
  end
end
"##;

#[test]
fn every_function_names_itself_and_what_is_wrong() {
    everywhere(CALLS, &[]);
}

#[test]
fn a_function_that_a_module_has_not_got_is_told_with_the_nearest() {
    everywhere(
        r#"
        for code, told in pairs({
          ["fs.raed('x')"] = "fs has no function 'raed', did you mean 'read'?",
          ["json.parse('{}')"] = "json has no function 'parse': there are decode, encode, null",
          ["log('x')"] = "log is a module, and no function: there are debug, error, info, print, table, warn",
        }) do
          local _, err = pcall(load("local x = 1\n" .. code, "=code"))
          assert(err == "code:2: " .. told, err)
        end
        assert(rawget(fs, "raed") == nil)
        fs.raed = fs.read -- a script's own
        assert(fs.raed == fs.read)
        fs.raed = nil
        "#,
        &[],
    );
}
