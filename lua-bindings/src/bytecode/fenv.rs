//! [`Uses`]: the uses of globals and of captured variables in Lua 5.1 and LuaJIT, where each has instructions of its own.
//!
//! Globals are the fields of an environment that a function has besides its captured variables. The bytecode can't
//! replace or pass it on; functions that can (`getfenv`, `setfenv`) are globals like others here.

use super::proto::Proto;
use super::variable::{Variable, sorted, text};
use super::{Analysis, Malformed};

/// What was found so far.
pub(super) struct Uses<'a> {
    variables: Vec<Variable<'a>>,
    read: Vec<&'a [u8]>,
    written: Vec<&'a [u8]>,
}

impl<'a> Uses<'a> {
    /// Of a dump with this main function.
    pub(super) fn new(main: &Proto<'a>) -> Self {
        Self { variables: Variable::all(main).collect(), read: Vec::new(), written: Vec::new() }
    }

    /// The global that this constant names is read.
    pub(super) fn read(&mut self, proto: &Proto<'a>, constant: usize) -> Result<(), Malformed> {
        self.read.push(proto.name(constant)?);
        Ok(())
    }

    /// The global that this constant names is assigned.
    pub(super) fn write(&mut self, proto: &Proto<'a>, constant: usize) -> Result<(), Malformed> {
        self.written.push(proto.name(constant)?);
        Ok(())
    }

    /// This upvalue is assigned by the instruction at `pc`.
    pub(super) fn assign(&mut self, proto: &Proto<'a>, upvalue: usize, pc: usize) -> Result<(), Malformed> {
        let origin = proto.origin(upvalue)?;
        if let Some(variable) = origin.and_then(|origin| self.variables.get_mut(usize::from(origin))) {
            variable.assign(proto.line(pc));
        }
        Ok(())
    }

    pub(super) fn analysis(self, main: &Proto<'a>, protos: &[Proto<'a>]) -> Result<Analysis, Malformed> {
        let variables = self.variables;
        Ok(Analysis {
            upvalue_count: u8::try_from(variables.len())
                .map_err(|_| Malformed::Invalid("too many upvalues"))?,
            upvalue_names: variables.iter().map(|variable| variable.name.map(text)).collect(),
            env_upvalues: Vec::new(),
            globals_read: sorted(self.read),
            globals_written: sorted(self.written),
            env_escapes: false,
            passes_on: super::proto::passes_on(protos),
            captured_writes: (0..=u8::MAX)
                .zip(&variables)
                .filter_map(|(index, variable)| variable.write(index))
                .collect(),
            source: main.source.map(text),
            line_defined: main.line_defined,
        })
    }
}
