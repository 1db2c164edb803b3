//! Globals that functions use, and what travels by name.

use super::classes::INDEX;
use super::{Encoder, Origin, Roots};
use crate::bytecode::Analysis;
use crate::code::Code;
use crate::modules::{LIBRARIES, OURS};
use crate::packet::classes::class_id;
use crate::packet::tag;
use crate::raw::{Kind, Stack};
use crate::state::{Role, vital};
use rustc_hash::FxHashSet;

/// Modules that every Lua has, and that load nothing.
const STANDARD: [&[u8]; 12] = [
    b"_G",
    b"string",
    b"table",
    b"math",
    b"io",
    b"os",
    b"coroutine",
    b"utf8",
    b"debug",
    b"bit32",
    b"bit",
    b"goroutine",
];

/// Whether the value of this name, or using it, may load a module.
fn loads_modules(name: &[u8]) -> bool {
    let module = name.split(|byte| *byte == 0).next().unwrap_or(name);
    !(STANDARD.contains(&module) || module.starts_with(b"goroutine:"))
        || matches!(name, b"_G\0require" | b"_G\0dofile" | b"_G\0loadfile")
}

/// What a state knows of one of its values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    No,
    /// It has a name, which was written.
    Written,
    /// It is a class, with this id.
    Class(u64),
    /// The same for what only looks like one.
    Looks(u64),
}

impl Encoder<'_> {
    /// Writes one global, or why it cannot travel: that is an error only where it is touched.
    pub(super) fn global(&mut self, stack: &mut Stack<'_>, index: usize) {
        self.origin = Origin::Global(index);
        self.within_deferred = false;
        stack.push_bytes(&self.scratch.global_names[index]);
        stack.raw_get(self.globals());
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            if !self.inherited_global(stack, index) {
                return;
            }
        }
        if self.is_standard(stack, index) {
            let name = std::mem::take(&mut self.scratch.global_names[index]);
            self.names_library(&name);
            self.scratch.global_names[index] = name;
            stack.pop(1);
            return;
        }
        let (top, written, references, objects) =
            (stack.top() - 1, self.out.len(), self.references.len(), self.scratch.order.len());
        let (later, codes) = (self.scratch.later.len(), self.scratch.codes.len());
        let strings = self.scratch.strings.count();
        self.out.push(tag::GLOBAL);
        self.string_of_global(index);
        let attempt =
            self.whole(stack).and_then(|()| self.deferred(stack)).and_then(|()| self.definitions(stack));
        let Err(refusal) = attempt else { return };
        // Take everything back that belongs to this global.
        let over = stack.top() - top;
        stack.pop(over);
        self.out.truncate(written);
        self.references.truncate(references);
        self.scratch.strings.forget_from(strings);
        self.scratch.foreign.retain(|_, number| (*number as usize) < references);
        if self.scratch.codes.len() > codes {
            self.scratch.codes.retain(|_, number| (*number as usize) < references);
        }
        for address in self.scratch.order.drain(objects..) {
            self.scratch.seen.remove(&address);
        }
        let seen = &self.scratch.seen;
        self.scratch.cells.retain(|_, (function, _)| seen.contains_key(function));
        self.scratch.marks.take_back(objects);
        self.classes.global_failed();
        self.scratch.later.truncate(later);
        self.later_done = self.later_done.min(later);
        self.scratch.frames.clear();
        self.replaced_from = None;
        self.out.push(tag::POISON);
        self.string_of_global(index);
        let message = refusal.to_string();
        self.varint(message.len() as u64);
        self.out.extend_from_slice(message.as_bytes());
    }

    /// Pushes a global that the table of globals has not got itself, but through its metatable.
    fn inherited_global(&mut self, stack: &mut Stack<'_>, index: usize) -> bool {
        let at = stack.top() + 1;
        stack.push_copy(self.globals());
        let mut links = 0;
        while self.next_globals(stack, &mut links) {
            stack.push_bytes(&self.scratch.global_names[index]);
            stack.raw_get(at);
            if stack.kind(-1) != Kind::Nil {
                stack.replace(at);
                return true;
            }
            stack.pop(1);
        }
        stack.pop(1);
        false
    }

    /// Puts into the place of the table on top the one in which Lua looks for what that lacks, if it is a table. What every
    /// isolate has is not looked for; a function is not called.
    fn next_globals(&mut self, stack: &mut Stack<'_>, links: &mut u32) -> bool {
        let at = stack.top();
        // Lua stops at 2,000, which is how it stops in a circle.
        *links += 1;
        if *links > 2000 || !stack.reserve(8) || !stack.push_metatable(at) {
            return false;
        }
        self.push_field(stack, at + 1, INDEX);
        let found = stack.kind(-1) == Kind::Table && !stack.same(-1, self.base_globals());
        if found {
            stack.replace(at);
            stack.pop(1);
        } else {
            stack.pop(2);
        }
        found
    }

    pub(super) fn string_of_global(&mut self, index: usize) {
        let name = std::mem::take(&mut self.scratch.global_names[index]);
        self.varint(name.len() as u64);
        self.out.extend_from_slice(&name);
        self.scratch.global_names[index] = name;
    }

    /// Whether the global on top is the one that every state has under this name.
    pub(super) fn is_standard(&mut self, stack: &mut Stack<'_>, index: usize) -> bool {
        if stack.same(-1, self.globals()) || stack.same(-1, self.base_globals()) {
            return true;
        }
        let name = &self.scratch.global_names[index];
        stack.push_copy(-1);
        stack.raw_get(self.named());
        let known = stack.bytes(-1);
        let standard =
            known == &name[..] || known.strip_prefix(b"_G\0").is_some_and(|rest| rest == &name[..]);
        stack.pop(1);
        standard && self.isolates_have(&self.scratch.global_names[index])
    }

    /// Whether every isolate has a global of this name. What they run first cannot wait until they are there to tell: it is
    /// taken for granted, and missed where it is used.
    fn isolates_have(&self, name: &[u8]) -> bool {
        self.runs_first() || self.state.system.has_global(name)
    }

    /// Whether this is what the isolates run before they are ready: it must not start them.
    pub(super) fn runs_first(&self) -> bool {
        self.roots == Roots::Values(Roots::ON_START)
    }

    /// A module or a function of one: written by name, if it is known.
    pub(super) fn by_name(&mut self, stack: &mut Stack<'_>) -> bool {
        self.known(stack) == Known::Written
    }

    /// What is known of the value on top. A module or a function of one is written, by its name.
    pub(super) fn known(&mut self, stack: &mut Stack<'_>) -> Known {
        if !self.state.has_named() {
            self.collect_named(stack);
        }
        if !self.state.may_be_named(stack.address(-1)) {
            return Known::No;
        }
        let address = stack.address(-1);
        stack.push_copy(-1);
        stack.raw_get(self.named());
        if let Some((id, looks)) = class_id(stack) {
            stack.pop(1);
            return if looks { Known::Looks(id) } else { Known::Class(id) };
        }
        let name = stack.bytes(-1);
        // A function that is a global of this state only has no name elsewhere.
        let known = stack.kind(-1) == Kind::String
            && name.strip_prefix(b"_G\0").is_none_or(|global| self.isolates_have(global));
        if known {
            if name == OURS && self.roots == Roots::Start {
                self.state.our_module.set(address);
            }
            if STANDARD.contains(&name) {
                self.names_library(name);
            } else if loads_modules(name) {
                self.needs_modules = true;
                // Home's first start that has this module.
                if self.roots == Roots::Start
                    && self.state.role == Role::Home
                    && !name.contains(&0)
                    && !self.state.modules_noted.borrow().contains(name)
                {
                    self.new_modules.push(name.into());
                }
            }
            self.out.push(tag::NAMED);
            self.varint(name.len() as u64);
            self.out.extend_from_slice(stack.bytes(-1));
        }
        stack.pop(1);
        if known { Known::Written } else { Known::No }
    }

    /// Whether this is a goroutine that the home state starts.
    pub(super) fn starts_from_home(&self) -> bool {
        self.roots == Roots::Start && self.state.role == Role::Home
    }

    /// Notes that the packet names a standard library, if it is the first that does.
    fn names_library(&mut self, name: &[u8]) {
        if self.starts_from_home()
            && let Some(library) = LIBRARIES.into_iter().find(|library| *library == name)
            && !self.state.modules_noted.borrow().contains(name)
        {
            self.new_libraries.push(library);
        }
    }

    /// Most of what is looked for has no name; the addresses tell that faster than Lua does.
    pub(super) fn collect_named(&mut self, stack: &mut Stack<'_>) {
        let mut named = FxHashSet::default();
        stack.push_nil();
        while stack.next(self.named()) {
            stack.pop(1);
            named.insert(stack.address(-1));
        }
        self.state.set_named(named);
    }

    /// Looks for modules that were loaded since the names were collected. True if it looked.
    pub(super) fn refresh_names(&mut self, stack: &mut Stack<'_>) -> bool {
        if std::mem::replace(&mut self.refreshed, true) {
            return false;
        }
        stack.raw_get_index(self.vitals(), vital::REFRESH_NAMES);
        stack.call(0, 0);
        self.state.forget_named();
        true
    }

    /// Whether modules were loaded since the names were collected; if so, collects them again. Looks once a packet.
    pub(super) fn modules_changed(&mut self, stack: &mut Stack<'_>) -> bool {
        if std::mem::replace(&mut self.counted, true) || !stack.reserve(8) {
            return false;
        }
        stack.raw_get_index(self.vitals(), vital::PACKAGE_LOADED);
        let at = stack.top();
        let mut count = 0;
        stack.push_nil();
        while stack.next(at) {
            stack.pop(1);
            count += 1;
        }
        stack.pop(1);
        self.state.modules_seen.replace(count) != count && self.refresh_names(stack)
    }

    /// Notes the globals that the function on top uses, to be sent after the roots.
    pub(super) fn wanted_globals(&mut self, stack: &mut Stack<'_>, code: &Code) {
        if self.starts_from_home() && self.state.calls_own_method(code) {
            self.names_library(b"string");
        }
        let mut by_mention = true;
        if let Some(analysis) = &code.analysis {
            for name in &analysis.globals_read {
                self.want_global(name);
            }
            // It looks at the table of globals itself, and may find in it whatever name it has at hand.
            by_mention = analysis.env_escapes
                || analysis.globals_read.iter().any(|name| reaches_all(name))
                || self.captures_globals(stack, analysis);
            self.whole_globals |= by_mention;
        } else {
            // "load" stands in the names of its relatives, too.
            let names: [&[u8]; 5] = [b"_G", b"load", b"dofile", b"getfenv", b"setfenv"];
            self.whole_globals = self.whole_globals || names.iter().any(|name| code.mentions(name));
        }
        if by_mention {
            self.mentioned_globals(stack, code);
        }
    }

    /// Whether the function on top has the table of globals in a captured variable other than `_ENV`.
    fn captures_globals(&self, stack: &mut Stack<'_>, analysis: &Analysis) -> bool {
        let function = stack.top();
        (0..analysis.upvalue_count).filter(|upvalue| !analysis.env_upvalues.contains(upvalue)).any(
            |upvalue| {
                let captured = stack.push_upvalue(function, i32::from(upvalue) + 1);
                let globals = captured && self.globals_at.contains(&stack.address(-1));
                stack.pop(i32::from(captured));
                globals
            },
        )
    }

    /// Notes every global whose name stands in the bytecode.
    pub(super) fn mentioned_globals(&mut self, stack: &mut Stack<'_>, code: &Code) {
        let at = stack.top() + 1;
        let mut links = 0;
        stack.push_copy(self.globals());
        loop {
            stack.push_nil();
            while stack.next(at) {
                stack.pop(1);
                if stack.kind(-1) == Kind::String && code.mentions(stack.bytes(-1)) {
                    self.want_global(stack.bytes(-1));
                }
            }
            if !self.next_globals(stack, &mut links) {
                break;
            }
        }
        stack.pop(1);
    }

    pub(super) fn want_global(&mut self, name: &[u8]) {
        self.needs_modules |= matches!(name, b"require" | b"package" | b"dofile" | b"loadfile" | b"load");
        if !self.scratch.global_known.contains(name) {
            self.scratch.global_known.insert(name.into());
            self.scratch.global_names.push(name.into());
        }
    }
}

/// Whether this global gives access to all of them.
fn reaches_all(name: &[u8]) -> bool {
    matches!(name, b"_G" | b"load" | b"loadstring" | b"loadfile" | b"dofile" | b"getfenv" | b"setfenv")
}
