//! The embedder's own types, captured, sent and received.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Lua, UserData, UserDataMethods};

use crate::support::{Carrier, builder, home, run};

crate::under_each_backend! {
    a_shareable_value_is_the_same_for_all
    a_shareable_value_is_one_userdata_in_each_state
    a_shareable_value_is_released_when_nobody_has_it
    a_converted_value_is_a_copy
    a_converted_value_is_one_within_a_packet
    an_error_of_pack_refuses_with_the_path
    an_error_of_unpack_is_the_receivers
    a_type_that_was_not_registered_is_refused
    a_value_that_is_borrowed_is_refused
}

#[derive(Clone)]
struct Counter(Arc<AtomicU64>);

impl UserData for Counter {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("add", |_, this, n: u64| Ok(this.0.fetch_add(n, Ordering::SeqCst) + n));
    }
}

struct Cursor(Cell<u32>);

impl UserData for Cursor {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("next", |_, this, ()| Ok(this.0.replace(this.0.get() + 1)));
        methods.add_method_mut("busy", |_, _this, body: mlua::Function| body.call::<()>(()));
    }
}

fn set_counter(lua: &Lua) -> Counter {
    let counter = Counter(Arc::default());
    lua.globals().set("counter", counter.clone()).unwrap();
    counter
}

fn a_shareable_value_is_the_same_for_all(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 2);
    let goroutines = builder.shareable::<Counter>().build().unwrap();
    let lua = home(&goroutines);
    let counter = set_counter(&lua);
    run::<()>(
        &lua,
        r#"
        local captured, channel = counter, goroutine.channel(1)
        for _ = 1, 100 do goroutine.spawn(function(argument) captured:add(1) argument:add(1) counter:add(1) end, counter) end
        goroutine.wait_all()
        goroutine.spawn(function() channel:receive():add(1000) end)
        channel:send(counter)
        goroutine.wait_all()
        "#,
    );
    assert_eq!(counter.0.load(Ordering::SeqCst), 1300);
}

fn a_shareable_value_is_one_userdata_in_each_state(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.shareable::<Counter>().build().unwrap();
    let lua = home(&goroutines);
    set_counter(&lua);
    let (there, back, twice): (bool, bool, bool) = run(
        &lua,
        r#"
        local c = counter
        local _, there, back = goroutine.async(function(a, t)
            return a == c and t[1] == c and t[2] == c, a
        end, c, { c, c }):await()
        local _, again = goroutine.async(function(a) return { a, a } end, back):await()
        return there, back == c, again[1] == c and again[2] == c
        "#,
    );
    assert!(there && back && twice, "there: {there}, back: {back}, twice: {twice}");
}

fn a_shareable_value_is_released_when_nobody_has_it(backend: Carrier) {
    let (builder, _reports) = builder(&backend, 1);
    let goroutines = builder.shareable::<Counter>().build().unwrap();
    let lua = home(&goroutines);
    let counter = set_counter(&lua);
    run::<()>(
        &lua,
        r#"
        goroutine.async(function(c) c:add(1) end, counter):await()
        counter = nil
        goroutine.async(function() for _ = 1, 4 do collectgarbage() end end):await()
        for _ = 1, 4 do collectgarbage() end
        "#,
    );
    assert_eq!(Arc::strong_count(&counter.0), 1);
}

fn with_cursor(backend: &Carrier) -> (goroutine::Goroutines, Lua, crate::support::Reports) {
    let (builder, reports) = builder(backend, 1);
    let goroutines = builder
        .convert(
            |_, cursor: &Cursor| match cursor.0.get() {
                13 => Err(mlua::Error::runtime("13 does not travel")),
                at => Ok(at),
            },
            |lua, at: &u32| match at {
                14 => Err(mlua::Error::runtime("14 does not arrive")),
                at => lua.create_userdata(Cursor(Cell::new(*at))),
            },
        )
        .build()
        .unwrap();
    let lua = home(&goroutines);
    let make = lua.create_function(|lua, at: u32| lua.create_userdata(Cursor(Cell::new(at)))).unwrap();
    lua.globals().set("cursor", make).unwrap();
    (goroutines, lua, reports)
}

fn a_converted_value_is_a_copy(backend: Carrier) {
    let (_goroutines, lua, _reports) = with_cursor(&backend);
    let (first, second, here): (u32, u32, u32) = run(
        &lua,
        r#"
        local c = cursor(5)
        local function work() c:next() return c:next(), c end
        local _, first, back = goroutine.async(work):await()
        return first, back:next(), c:next()
        "#,
    );
    assert_eq!((first, second, here), (6, 7, 5));
}

fn a_converted_value_is_one_within_a_packet(backend: Carrier) {
    let (_goroutines, lua, _reports) = with_cursor(&backend);
    let same: bool = run(
        &lua,
        r#"
        local c = cursor(5)
        local _, same = goroutine.async(function(a, b, t) return a == b and t.c == a and c == a end, c, c, { c = c }):await()
        return same
        "#,
    );
    assert!(same);
}

fn an_error_of_pack_refuses_with_the_path(backend: Carrier) {
    let (_goroutines, lua, _reports) = with_cursor(&backend);
    let message: String = run(
        &lua,
        r#"
        local state = { at = cursor(13) }
        local ok, message = pcall(goroutine.spawn, function() return state end)
        assert(not ok)
        return message
        "#,
    );
    assert!(message.contains("upvalue 'state'.at"), "{message}");
    assert!(message.contains("13 does not travel"), "{message}");
}

fn an_error_of_unpack_is_the_receivers(backend: Carrier) {
    let (_goroutines, lua, _reports) = with_cursor(&backend);
    let (ok, message): (bool, String) = run(
        &lua,
        r#"local ok, message = goroutine.async(function(c) end, cursor(14)):await() return ok, message"#,
    );
    assert!(!ok && message.contains("14 does not arrive"), "{message}");
}

fn a_type_that_was_not_registered_is_refused(backend: Carrier) {
    let (_goroutines, lua, _reports) = with_cursor(&backend);
    set_counter(&lua);
    let message: String =
        run(&lua, r#"local _, message = pcall(goroutine.spawn, function(c) end, counter) return message"#);
    assert!(message.contains("argument 1 (userdata"), "{message}");
}

fn a_value_that_is_borrowed_is_refused(backend: Carrier) {
    let (_goroutines, lua, _reports) = with_cursor(&backend);
    let message: String = run(
        &lua,
        r#"
        local c, message = cursor(1), nil
        c:busy(function()
            local _, said = pcall(goroutine.spawn, function(c) end, c)
            message = said
        end)
        return message
        "#,
    );
    assert!(message.contains("argument 1"), "{message}");
}
