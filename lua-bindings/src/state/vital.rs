//! Where shipping and scheduling find the Lua values they need: in a list that the state's registry keeps, so that they
//! are at hand on any stack of the state, without a reference of mlua's.

/// Modules and their functions to the name they travel by: `string`, `string\0format`, `_G\0print`. Also classes, to
/// their ids. Weak.
pub(crate) const NAMED: usize = 1;
/// The other way round.
pub(crate) const BY_NAME: usize = 2;
/// Collects `NAMED` anew.
pub(crate) const REFRESH_NAMES: usize = 3;
/// Finds what has a name, loading its module if need be: value, or nil and a message.
pub(crate) const RESOLVE: usize = 4;
pub(crate) const PACKAGE_LOADED: usize = 5;
/// The witnesses of [`Recent`](crate::code::Recent), weakly.
pub(crate) const CODES: usize = 6;
/// In `CODES`, behind those: the function that started a goroutine last.
pub(crate) const LAST_CALLER: usize = crate::code::RECENT + 1;
/// See [`Loaded`](crate::loaded::Loaded).
pub(crate) const LOADED: usize = 7;
/// Reference objects that are values of this state, weakly, by their key; handles also by their place
/// ([`Places`](crate::places::Places)).
pub(crate) const OBJECTS: usize = 8;
/// The goroutines' globals, by slot, for those that have some.
pub(crate) const ENVIRONMENTS: usize = 9;
/// Lua's own `xpcall`, which every goroutine's function is run by, and the error handler it gets. So `<close>`
/// variables are closed within the coroutine, where they may still block, and the traceback is taken where the
/// error is. Nil in Lua 5.1, whose `xpcall` cannot be yielded across.
pub(crate) const XPCALL: usize = 10;
pub(crate) const HANDLER: usize = 11;
/// A table by which one value is handed from raw code to mlua, or back: as its entry 1.
pub(crate) const TRANSFER: usize = 12;
/// The classes that each goroutine has, by id, weakly. By slot + 1, for those that have some; at 0 those that the state has
/// outside goroutines.
pub(crate) const CLASSES: usize = 13;
/// Classes to the numbers of their definitions, weakly.
pub(crate) const DEFINED: usize = 14;
/// At home: the functions that wait where an executor runs the script; see [`State::add_awaiting`](super::State::add_awaiting).
pub(crate) const AWAITING: usize = 15;
pub(crate) const BLOCKING: usize = 16;
/// What looks like a class and came as a copy, since the receiver's own was another by then: to the id it came under. Weak.
pub(crate) const ECHOES: usize = 17;
/// At home, once goroutines run there: makes what is finalized first when the state is closed.
pub(crate) const RENEW: usize = 18;
/// The metatables of reference objects, in the order of their classes: this one and all that follow.
pub(crate) const METATABLES: usize = 19;
