//! What a sender may send who is trusted with data only, and what nobody can send.

use super::{CODE, DATA, Home, Trust, WireError};
use crate::packet::face::Packet;

/// What is said of the packet of what this script returns, from a sender that is trusted with data.
fn refused(home: &Home, source: &str) -> WireError {
    let bytes = home.bytes(source);
    assert!(Packet::from_bytes(&bytes, Trust::Code).is_ok(), "{source}");
    Packet::from_bytes(&bytes, Trust::Data).expect_err(source)
}

#[test]
fn data_needs_no_trust() {
    let home = Home::new();
    for source in DATA {
        let packet = Packet::from_bytes(&home.bytes(source), Trust::Data).expect(source);
        packet.decode::<()>(&home.lua).expect(source);
    }
}

#[test]
fn code_is_refused_unless_it_is_trusted() {
    let home = Home::new();
    for source in ["return function() end", "local n = 1 return {{function() return n end}}"] {
        assert_eq!(refused(&home, source), WireError::Code);
    }
    assert_eq!(
        WireError::Code.to_string(),
        "a packet with code, from a sender that is trusted with data only"
    );
    for source in CODE {
        assert!(Packet::from_bytes(&home.bytes(source), Trust::Data).is_err(), "{source}");
    }
}

#[test]
fn names_are_refused_unless_code_is_trusted() {
    let home = Home::new();
    for (source, name) in [
        ("return string", "string"),
        ("return {on_done = os.execute}", "os.execute"),
        ("return setmetatable({}, {__gc = os.exit})", "os.exit"),
        ("return setmetatable({}, math)", "math"),
        ("return {[print] = 1}", "_G.print"),
        ("return io.stdout", "io.stdout"),
    ] {
        let said = refused(&home, source);
        assert_eq!(said, WireError::Name(name.into()));
        let text = format!("a packet that names '{name}', from a sender that is trusted with data only");
        assert_eq!(said.to_string(), text);
    }
}

#[test]
fn globals_are_refused_unless_code_is_trusted() {
    let said = refused(&Home::new(), "return {_G}");
    assert_eq!(said, WireError::Globals);
    assert_eq!(
        said.to_string(),
        "a packet that reaches for global variables, from a sender that is trusted with data only"
    );
}

#[test]
fn what_both_sides_would_share_can_not_leave_the_process() {
    let home = Home::new();
    home.eval::<()>("goroutine = require('goroutine')");
    for (source, kind) in [
        ("return {goroutine.channel()}", "channel"),
        ("return 1, goroutine.wait_group()", "wait group"),
        ("return goroutine.atomic_int()", "atomic int"),
        ("local h = goroutine.async(function() end) h:await() return {[h] = 1}", "handle"),
        ("local c = goroutine.channel() return function() return c end", "channel"),
    ] {
        let packet = home.packet(source);
        packet.decode::<()>(&home.lua).expect(source);
        let said = packet.to_bytes().unwrap_err();
        assert_eq!(said, WireError::Shared(kind));
        let text = format!(
            "a packet with a {kind} in it cannot leave the process: only copies can, and it is shared"
        );
        assert_eq!(said.to_string(), text);
    }
}

#[derive(Clone)]
struct Connection;

impl mlua::UserData for Connection {}

#[test]
fn the_programs_own_types_can_not_leave_the_process() {
    let goroutines = crate::Goroutines::builder().isolates(1).shareable::<Connection>().build().unwrap();
    let lua = crate::new_state();
    goroutines.install(&lua).unwrap();
    let packet = Packet::encode(&lua, lua.create_userdata(Connection).unwrap()).unwrap();
    assert!(packet.decode::<mlua::AnyUserData>(&lua).unwrap().is::<Connection>());
    assert_eq!(packet.to_bytes().unwrap_err(), WireError::Foreign);
}

#[test]
fn what_can_not_travel_is_refused_before() {
    let home = Home::new();
    let refused = |source: &str| {
        let values: mlua::MultiValue = home.eval(source);
        Packet::encode(&home.lua, values).unwrap_err().to_string()
    };
    let said = refused("return {job = {thread = coroutine.create(function() end)}}");
    assert_eq!(said, "cannot send the value.job.thread (coroutine) to a goroutine: create it inside");
    assert!(refused("return 1, io.tmpfile()").starts_with("cannot send value 2 (userdata"));
}

#[test]
fn a_state_without_goroutines_has_no_packets() {
    let lua = mlua::Lua::new();
    assert_eq!(Packet::encode(&lua, 1).unwrap_err(), WireError::NotInstalled);
    let packet = Home::new().packet("return 1");
    let said = packet.decode::<i64>(&lua).unwrap_err().to_string();
    assert!(said.contains("goroutines are not installed in this Lua state"), "{said}");
}

#[test]
fn very_many_values_side_by_side_stay_here() {
    let home = Home::new();
    let unpack = "local t = {} for i = 1, 1001 do t[i] = i end return (table.unpack or unpack)(t, 1, ";
    let most = Packet::from_bytes(&home.bytes(&format!("{unpack} 1000)")), Trust::Data).unwrap();
    assert_eq!(most.decode::<mlua::MultiValue>(&home.lua).unwrap().len(), 1000);
    assert_eq!(home.packet(&format!("{unpack} 1001)")).to_bytes().unwrap_err(), WireError::Roots(1001));
}
