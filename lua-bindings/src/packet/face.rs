//! [`Packet`]: packets as a program that embeds goroutines sees them.

use std::fmt;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua};

use super::wire::{from_wire, to_wire};
use super::{Roots, Trust, WireError, decode, encode};
use crate::api;
use crate::state::Role;

/// Copies of Lua values, on their way to another Lua state: within the process, or as bytes to another one.
///
/// What can travel is what can travel to a goroutine, in the same way: tables with cycles, shared references and
/// metatables; functions with the variables they captured and the globals they use; modules by name. Channels, handles
/// and other objects are shared by both sides of a packet, and only within the process: a packet with one has no bytes.
///
/// ```
/// use goroutine::{Goroutines, Packet, Trust};
/// use mlua::Table;
///
/// let goroutines = Goroutines::builder().isolates(1).build()?;
/// let here = goroutine::new_state();
/// goroutines.install(&here)?;
/// let job: Table = here.load("local t = { name = 'deploy', hosts = { 'a', 'b' } } t.self = t return t").eval()?;
/// let bytes = Packet::encode(&here, job)?.to_bytes()?;
///
/// // Perhaps elsewhere. Who sent the bytes may say what it likes, in data.
/// let there = goroutine::new_state();
/// goroutines.install(&there)?;
/// let job: Table = Packet::from_bytes(&bytes, Trust::Data)?.decode(&there)?;
/// assert_eq!(job.get::<Table>("hosts")?.len()?, 2);
/// assert_eq!(job.get::<Table>("self")?, job);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Bytes from outside
/// [`from_bytes`](Packet::from_bytes) takes any bytes. What is no packet is an error, found before anything is built
/// of it, with no more memory than the bytes have; and the sender is believed no further than [`Trust`] says. There
/// is no signature in a packet: where [`Trust::Code`] is given, something else has to have told who sent the bytes.
///
/// Genuine data takes more room in Lua than in a packet: at most about 50 bytes for each, where it is many small pairs
/// and Lua 5.1; lists of booleans take 16 in Lua 5.4. Bound the length of what you accept, and the state's memory
/// ([`Lua::set_memory_limit`]), where senders are strangers. A stranger can also choose keys for which Lua takes long to
/// find a place: seconds for some hundred KB.
pub struct Packet(super::Packet);

impl Packet {
    /// Copies values of a Lua state in which goroutines are installed. The isolates are started if they have not been:
    /// it is their globals that may travel by name.
    ///
    /// # Errors
    /// When something in them cannot travel, or goroutines are not installed in this state.
    pub fn encode(lua: &Lua, values: impl IntoLuaMulti) -> Result<Self, WireError> {
        let state = api::state(lua).ok_or(WireError::NotInstalled)?;
        if state.role == Role::Home {
            state.system.start().map_err(|error| WireError::Refused(error.to_string()))?;
        }
        let values =
            values.into_lua_multi(lua).map_err(|error| WireError::Refused(crate::fault::text(&error)))?;
        let packet = encode(lua, &state, values, Roots::Values(Roots::FOR_ANYBODY));
        packet.map(Self).map_err(|refusal| WireError::Refused(refusal.to_string()))
    }

    /// Makes the values anew, in a Lua state in which goroutines are installed. This may be done any number of times.
    ///
    /// Globals that functions use are set where the state has none of that name; modules that are named are loaded.
    ///
    /// # Errors
    /// When a module cannot be loaded, when code cannot, when memory runs out, or when the values are not of the types
    /// that are wanted.
    pub fn decode<R: FromLuaMulti>(&self, lua: &Lua) -> mlua::Result<R> {
        let state = api::state(lua).ok_or_else(|| mlua::Error::external(WireError::NotInstalled))?;
        R::from_lua_multi(decode(lua, &state, &self.0)?, lua)
    }

    /// The packet as bytes, for another process with the same Lua on the same kind of machine.
    ///
    /// # Errors
    /// When the packet shares something with this process (a channel, a handle, a wait group ...) or has one of the program's
    /// own types in it, and when it has more than 1000 values side by side.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        to_wire(&self.0)
    }

    /// The packet that [`to_bytes`](Packet::to_bytes) made these bytes of.
    ///
    /// # Errors
    /// When the bytes are no packet, were damaged, are of another Lua, another kind of machine or another version of the
    /// format, or hold more than `trust` allows. [`WireError`] says which.
    pub fn from_bytes(bytes: &[u8], trust: Trust) -> Result<Self, WireError> {
        from_wire(bytes, trust).map(Self)
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_may_be_made_on_one_thread_and_used_on_any() {
        fn any_thread<T: Send + Sync>() {}
        any_thread::<Packet>();
    }
}
