//! What scripts print where the embedder takes it.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::Lua;

use crate::support::{Carrier, run, started};

crate::under_each_backend! {
    what_cannot_be_written_is_refused_in_the_standard_words
}

/// Calls of each kind that is wrong, and what they raise.
const CALLS: &str = r#"
    local file = io.tmpfile()
    file:close()
    local said = {}
    local function call(fn)
      local ok, err = pcall(fn)
      said[#said + 1] = tostring(ok) .. " " .. tostring(err):gsub("0x%x+", "")
    end
    call(function() io.write({}) end)
    call(function() io.write("", "", nil) end)
    call(function() io.stdout:write(true) end)
    call(function() io.stdout:write("", print) end)
    call(function() io.stderr.write(io.stderr, "", {}) end)
    call(function() io.stdout.write(5, "one") end)
    call(function() io.stdout.write() end)
    call(function() file:write("one") end)
    return table.concat(said, "\n")
"#;

fn what_cannot_be_written_is_refused_in_the_standard_words(backend: Carrier) {
    let (_goroutines, lua, _reports) = started(&backend, 1);
    let printed = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&printed);
    goroutine::print_to(&lua, move |printed| {
        kept.borrow_mut().extend_from_slice(printed.bytes);
        None
    })
    .unwrap();
    let said: String = run(&lua, CALLS);
    assert_eq!(*printed.borrow(), b"", "{said}");
    let standard: String = run(&Lua::new(), CALLS);
    assert_eq!(said, standard);
    run::<()>(&lua, r#"assert(io.write("a", 1, "\n") == io.stdout and io.stdout:write() == io.stdout)"#);
    assert_eq!(*printed.borrow(), b"a1\n");
}
