//! Starts that need no packet: a function whose captured variables and arguments have no contents, which is what most
//! starts in a tight loop are. What such a function captured goes as it is, without bytes in between.
//!
//! Anything else, and whatever is to be refused, is the encoder's.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Plain;
use super::decode::Malformed;
use crate::code::Code;
use crate::loaded::Lent;
use crate::modules::OURS;
use crate::object::Object;
use crate::raw::{Coroutine, Kind, Stack};
use crate::state::{State, vital};

/// The values that the function captured, then its arguments. Room for more than one would be in every goroutine that waits for its
/// start, and most have none: what is written there has to be fetched again once it starts.
pub(crate) type Quick = SmallVec<[Carried; 1]>;

/// A value on its way.
pub(crate) enum Carried {
    Plain(Plain),
    Bytes(Box<[u8]>),
    Object(Object),
    /// The module itself, which most functions have captured.
    Ours,
}

impl Carried {
    fn of(stack: &Stack<'_>, state: &State, index: i32) -> Option<Self> {
        match stack.kind(index) {
            Kind::Number => Some(Self::Plain(stack.number(index).into())),
            Kind::String => Some(Self::Bytes(stack.string(index).into())),
            Kind::Userdata => stack.object(index).cloned().map(Self::Object),
            Kind::Table => (stack.address(index) == state.our_module.get()).then_some(Self::Ours),
            _ => Plain::at(stack, index).map(Self::Plain),
        }
    }

    /// Whether this is what lies on top.
    fn is_on_top(&self, stack: &mut Stack<'_>, state: &State) -> bool {
        match (self, stack.kind(-1)) {
            // Here 1 and 1.0 differ, which Lua takes for the same.
            (Self::Plain(value), _) => Plain::on_top(stack).is_some_and(|there| there.is(*value)),
            (Self::Bytes(bytes), Kind::String) => stack.string(-1) == &**bytes,
            (Self::Object(_), Kind::Userdata) | (Self::Ours, Kind::Table) => {
                self.push(stack, state);
                let same = stack.same(-1, -2);
                stack.pop(1);
                same
            }
            _ => false,
        }
    }

    /// How many bytes of a packet it would take, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            _ => size_of::<u64>(),
        }
    }

    fn push(&self, stack: &mut Stack<'_>, state: &State) {
        match self {
            Self::Plain(value) => value.push(stack),
            Self::Bytes(bytes) => stack.push_bytes(bytes),
            Self::Object(object) => object.push(stack, state),
            Self::Ours => {
                let at = stack.top() + 1;
                state.push_vitals(stack);
                stack.raw_get_index(at, vital::BY_NAME);
                stack.push_bytes(OURS);
                stack.raw_get(at + 1);
                if stack.kind(-1) == Kind::Nil {
                    // The first that comes here.
                    stack.raw_get_index(at, vital::RESOLVE);
                    stack.push_bytes(OURS);
                    stack.call(1, 1);
                    stack.replace(at + 2);
                }
                stack.replace(at);
                stack.pop(1);
            }
        }
    }
}

/// Whether the function on top has captured just these values.
fn has_captured(stack: &mut Stack<'_>, state: &State, captured: &[Carried]) -> bool {
    let function = stack.top();
    (1..).zip(captured).all(|(n, value)| {
        let same = stack.push_upvalue(function, n) && value.is_on_top(stack, state);
        stack.truncate(function);
        same
    })
}

/// What a start of the function at the bottom of the stack, with the values up to `top` as its arguments, carries; `None` if
/// that takes a packet. The witnesses of code are in the table at `witnesses`.
pub(crate) fn ship(
    stack: &mut Stack<'_>,
    state: &State,
    top: i32,
    witnesses: i32,
) -> Option<(Arc<Code>, Quick)> {
    let code =
        state.recent_codes.find(stack, witnesses, 1, |code| code.is_quick().then(|| Arc::clone(code)))??;
    if state.may_be_named(stack.address(1)) {
        return None;
    }
    let captured = code.analysis.as_ref().map_or(0, |analysis| usize::from(analysis.upvalue_count));
    let mut values = Quick::with_capacity(captured + usize::try_from(top - 1).unwrap_or(0));
    let mut upvalue = 1;
    while stack.push_upvalue(1, upvalue) {
        let value = Carried::of(stack, state, -1);
        stack.pop(1);
        values.push(value?);
        upvalue += 1;
    }
    for index in 2..=top {
        values.push(Carried::of(stack, state, index)?);
    }
    for value in &values {
        if let Carried::Object(object) = value {
            state.share(object);
        }
    }
    state.meter.add(values.iter().map(Carried::size).sum());
    Some((code, values))
}

/// Makes the function and its arguments on the stack of a coroutine, as [`decode_onto`](super::decode_onto) does.
///
/// # Errors
/// When memory or the Lua stack runs out.
pub(crate) fn arrive(
    stack: &mut Stack<'_>,
    state: &State,
    code: &Code,
    values: &Quick,
    coroutine: Coroutine,
) -> Result<(i32, Option<Lent>), Malformed> {
    let Some(analysis) = &code.analysis else {
        return Err(Malformed::NoFunction);
    };
    let captured = usize::from(analysis.upvalue_count).min(values.len());
    let (captured, arguments) = values.split_at(captured);
    let count = i32::try_from(arguments.len()).map_err(|_| Malformed::TooMany)?;
    if !stack.reserve(count.saturating_add(16)) {
        return Err(Malformed::of_stack(count, state));
    }
    const VITALS: i32 = 1;
    state.push_vitals(stack);
    let wrapped = stack.raw_get_index(VITALS, vital::XPCALL) == Kind::Function;
    if !wrapped {
        stack.pop(1);
    }
    let loaded = state.loaded();
    // Numbers and the like need not be let go.
    let clear = captured.iter().any(|value| !matches!(value, Carried::Plain(_)));
    let (mut lent, mut shared) = (None, false);
    match analysis.upvalue_count {
        0 => {}
        _ if analysis.passes_on => {}
        upvalues if !loaded.is_lent(code.id) => lent = Some(loaded.lend(code.id, upvalues, clear)),
        upvalues if loaded.push(stack, VITALS, code.id) => {
            shared = has_captured(stack, state, captured);
            if shared {
                lent = loaded.share(code.id, upvalues, clear);
            } else {
                stack.pop(1);
            }
        }
        _ => {}
    }
    let keep = lent.is_some() || analysis.upvalue_count == 0;
    if !shared && (!keep || !loaded.push(stack, VITALS, code.id)) {
        if let Err(why) = stack.load(&code.bytes) {
            stack.truncate(0);
            lent.into_iter().for_each(|lent| loaded.forget(stack, state, lent));
            return Err(why.into());
        }
        if keep {
            loaded.keep(stack, VITALS, code);
        }
    }
    let function = stack.top();
    for (n, value) in (1..).zip(if shared { &[] } else { captured }) {
        value.push(stack, state);
        stack.set_upvalue(function, n);
    }
    if wrapped {
        stack.raw_get_index(VITALS, vital::HANDLER);
    }
    for value in arguments {
        value.push(stack, state);
    }
    let count = stack.top() - VITALS;
    let moved = stack.move_to(coroutine, count);
    stack.truncate(0);
    if !moved {
        lent.into_iter().for_each(|lent| loaded.forget(stack, state, lent));
        return Err(Malformed::of_stack(count, state));
    }
    Ok((count - 1, lent))
}
