//! Graphs at random: whatever the values are to each other when they leave, their copies are when they arrive, in another
//! goroutine and, as bytes, in another process's state.
//!
//! A graph is a list of steps, and both sides build it from them. A failure is made smaller and kept in
//! `graphs.regressions` beside this file, to be tried first from then on. `PROPTEST_CASES` asks for more than 256.
#![cfg(test)]
#![cfg(any(feature = "backend-smol", feature = "backend-threads", feature = "backend-tokio"))]

use goroutine::{Goroutines, Packet, Trust};
use mlua::{Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// A value of a graph.
#[derive(Clone, Debug)]
enum Item {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// A node that there is already, counted around.
    Node(u8),
    /// Something that every state has.
    Standard(u8),
}

/// One step in building a graph. Nodes are tables and functions, in the order in which they are made; a number beyond the
/// last is counted around.
#[derive(Clone, Debug)]
enum Step {
    Table,
    /// Two functions that share a variable.
    Closures(Item),
    /// So many objects, one in another: by fields, metatables, keys or captured variables.
    Chain(u8, u8),
    Set(u8, Item, Item),
    Metatable(u8, u8),
    Assign(u8, Item),
    Join(u8, u8),
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        1 => Just(Item::Nil),
        1 => any::<bool>().prop_map(Item::Boolean),
        2 => prop_oneof![-100..300i64, any::<i64>()].prop_map(Item::Integer),
        2 => prop_oneof![any::<f64>(), Just(-0.0), Just(f64::NAN), Just(9007199254740992.0)].prop_map(Item::Float),
        2 => prop_oneof!["[a-z\\PC]{0,12}", "[a-z]{100,200}"].prop_map(Item::Text),
        // No `__gc`: a finalizer would change what is compared.
        1 => prop::sample::select(vec!["__index", "__newindex", "__mode", "__metatable", "__eq", "__len", "__name", "k"])
            .prop_map(|name| Item::Text(name.into())),
        6 => any::<u8>().prop_map(Item::Node),
        1 => any::<u8>().prop_map(Item::Standard),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Table),
        3 => item().prop_map(Step::Closures),
        1 => (1..120u8, 1..=4u8).prop_map(|(length, by)| Step::Chain(length, by)),
        8 => (any::<u8>(), item(), item()).prop_map(|(node, key, value)| Step::Set(node, key, value)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(node, metatable)| Step::Metatable(node, metatable)),
        2 => (any::<u8>(), item()).prop_map(|(node, value)| Step::Assign(node, value)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(node, other)| Step::Join(node, other)),
    ]
}

impl IntoLua for Item {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        let (kind, value) = match self {
            Self::Nil => ("plain", Value::Nil),
            Self::Boolean(value) => ("plain", Value::Boolean(value)),
            Self::Integer(value) => ("plain", value.into_lua(lua)?),
            Self::Float(value) => ("plain", Value::Number(value)),
            Self::Text(value) => ("plain", value.into_lua(lua)?),
            Self::Node(number) => ("node", number.into_lua(lua)?),
            Self::Standard(number) => ("standard", number.into_lua(lua)?),
        };
        lua.create_sequence_from([kind.into_lua(lua)?, value]).map(Value::Table)
    }
}

impl IntoLua for Step {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        let step: MultiValue = match self {
            Self::Table => "table".into_lua_multi(lua),
            Self::Closures(value) => ("closures", value).into_lua_multi(lua),
            Self::Chain(length, by) => ("chain", length, by).into_lua_multi(lua),
            Self::Set(node, key, value) => ("set", node, key, value).into_lua_multi(lua),
            Self::Metatable(node, metatable) => ("metatable", node, metatable).into_lua_multi(lua),
            Self::Assign(node, value) => ("assign", node, value).into_lua_multi(lua),
            Self::Join(node, other) => ("join", node, other).into_lua_multi(lua),
        }?;
        lua.create_sequence_from(step).map(Value::Table)
    }
}

/// A home state that can build graphs, ship and compare them.
fn home(goroutines: &Goroutines) -> Lua {
    let lua = goroutine::new_state();
    goroutines.install(&lua).unwrap();
    lua.load(include_str!("graphs/graph.lua")).set_name("@graph.lua").exec().unwrap();
    lua
}

fn run(strategy: impl Strategy<Value = Vec<Step>>, test: impl Fn(&[Step]) -> mlua::Result<Option<String>>) {
    let mut runner = TestRunner::new(Config {
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    });
    let outcome = runner.run(&strategy, |steps| match test(&steps) {
        Ok(None) => Ok(()),
        Ok(Some(lost)) => Err(TestCaseError::fail(lost)),
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn a_graph_has_the_same_shape_in_another_goroutine_and_back() {
    let goroutines = Goroutines::builder().isolates(2).build().unwrap();
    let lua = home(&goroutines);
    let ship: Function = lua.globals().get("ship").unwrap();
    let module: Table = lua.load("return require('goroutine')").eval().unwrap();
    run(prop::collection::vec(step(), 1..60), |steps| ship.call((&module, steps.to_vec())));
}

#[test]
fn a_graph_has_the_same_shape_as_bytes_in_another_state() {
    let goroutines = Goroutines::builder().isolates(1).build().unwrap();
    let (here, there) = (home(&goroutines), home(&goroutines));
    let build: Function = here.globals().get("build").unwrap();
    let build_there: Function = there.globals().get("build").unwrap();
    let difference: Function = there.globals().get("difference").unwrap();
    run(prop::collection::vec(step(), 1..60), |steps| {
        let nodes: Table = build.call(steps.to_vec())?;
        let bytes =
            Packet::encode(&here, (nodes.get::<Value>(1)?, nodes)).and_then(|packet| packet.to_bytes());
        let packet = bytes.and_then(|bytes| Packet::from_bytes(&bytes, Trust::Code));
        let (_, nodes): (Value, Table) = packet.map_err(mlua::Error::external)?.decode(&there)?;
        difference.call((build_there.call::<Table>(steps.to_vec())?, nodes))
    });
}

#[test]
fn what_is_lost_is_noticed() {
    let goroutines = Goroutines::builder().isolates(1).build().unwrap();
    let lua = home(&goroutines);
    let differ = |a: &[Step], b: &[Step]| -> bool {
        let build: Function = lua.globals().get("build").unwrap();
        let difference: Function = lua.globals().get("difference").unwrap();
        let built = |steps: &[Step]| build.call::<Table>(steps.to_vec()).unwrap();
        difference.call::<Option<String>>((built(a), built(b))).unwrap().is_some()
    };
    let set = |node, key, value| Step::Set(node, key, value);
    let (one, two) = (Item::Integer(1), Item::Integer(2));
    let tables = [Step::Table, Step::Table, set(0, one.clone(), Item::Node(1))];
    assert!(!differ(&tables, &tables));
    assert!(differ(&tables, &tables[..2]));
    assert!(differ(&tables, &[Step::Table, Step::Table, set(0, one.clone(), Item::Node(0))]));
    assert!(differ(&tables, &[Step::Table, Step::Table, set(0, Item::Node(1), one.clone())]));
    assert!(differ(&tables, &[&tables[..], &[set(0, two.clone(), one.clone())]].concat()));
    assert!(differ(&tables, &[&tables[..], &[Step::Metatable(0, 1)]].concat()));
    let zero = |zero| [Step::Table, set(0, one.clone(), Item::Float(zero))];
    assert!(differ(&zero(0.0), &zero(-0.0)));
    let functions = [Step::Closures(one.clone()), Step::Closures(one.clone())];
    assert!(!differ(&functions, &functions));
    assert!(differ(&functions, &[Step::Closures(one.clone()), Step::Closures(two)]));
    if cfg!(not(feature = "lua51")) {
        assert!(differ(&functions, &[&functions[..], &[Step::Join(0, 2)]].concat()));
    }
    if cfg!(any(feature = "lua53", feature = "lua54", feature = "lua55")) {
        assert!(differ(&zero(1.0), &[Step::Table, set(0, one.clone(), one)]));
    }
}
