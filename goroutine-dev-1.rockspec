-- `luarocks make` in a checkout builds goroutine.so for the Lua that luarocks is for, and installs it. It needs cargo and a C
-- compiler; with the crates at hand (after `cargo fetch`, or a build before) it needs no network.
rockspec_format = "3.0"
package = "goroutine"
version = "dev-1"
source = { url = "git+file://." }
description = {
  summary = "Go's way of working for Lua: goroutines on all cores, channels, worker pools, async/await",
  license = "MIT OR Apache-2.0",
}
dependencies = { "lua >= 5.1, < 5.6" }
supported_platforms = { "linux", "macosx" }
build = {
  type = "command",
  build_command = "./build-module '$(LUA)' goroutine.so",
  install = {
    lib = { goroutine = "goroutine.so" },
  },
}
