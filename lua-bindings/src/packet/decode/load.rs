//! Functions from the code that packets refer to.

use super::{Decoder, Malformed, VITALS};
use crate::code::Code;
use crate::packet::Reference;
use crate::raw::Stack;

/// How the function of a piece of code is come by.
enum Use {
    /// One without captured variables, which is the same for everybody, and so loaded once.
    Shared,
    /// The one that a goroutine before has done with; it has so many captured variables, which are set anew.
    Lent(u8),
    /// Loaded for this packet.
    Own,
}

impl Decoder<'_> {
    /// Pushes the function whose code comes next, which appears with these flags.
    pub(super) fn load(&mut self, stack: &mut Stack<'_>, flags: u8) -> Result<(), Malformed> {
        let number = self.varint()?;
        let code = match usize::try_from(number).ok().and_then(|number| self.references.get(number)) {
            Some(Reference::Code(code)) => code,
            _ => return Err(Malformed::NoReference(number)),
        };
        if !stack.reserve(8) {
            return Err(Malformed::of_stack(stack.top(), self.state));
        }
        let keep = match self.use_of(code, flags) {
            Use::Own => false,
            using => {
                if self.state.loaded().push(stack, VITALS, code.id) {
                    self.lend(code, using);
                    return Ok(());
                }
                self.lend(code, using);
                true
            }
        };
        stack.load(&code.bytes)?;
        #[cfg(any(feature = "lua51", feature = "luajit"))]
        {
            self.push_globals(stack)?;
            stack.set_environment(-2);
        }
        if keep {
            self.state.loaded().keep(stack, VITALS, code);
        }
        Ok(())
    }

    fn use_of(&self, code: &Code, flags: u8) -> Use {
        let Some(analysis) =
            code.analysis.as_ref().filter(|_| cfg!(not(any(feature = "lua51", feature = "luajit"))))
        else {
            // The functions of Lua 5.1 have an environment each.
            return Use::Own;
        };
        if analysis.upvalue_count == 0 {
            return Use::Shared;
        }
        // Of the function that is started nobody else has the captured variables: not another value of the packet, not a
        // function nested in it.
        let started = self.starts && self.objects == 0 && flags == 0 && self.frames.is_empty();
        if started && !analysis.passes_on && !self.state.loaded().is_lent(code.id) {
            return Use::Lent(analysis.upvalue_count);
        }
        Use::Own
    }

    fn lend(&mut self, code: &Code, using: Use) {
        if let Use::Lent(upvalues) = using {
            self.lent = Some(self.state.loaded().lend(code.id, upvalues, true));
        }
    }
}
