//! [`analyse`] for Lua 5.2 and later, where globals are the fields of a captured variable, `_ENV`.
//!
//! What each captured variable of the main function is used for is collected first, from all functions of the dump;
//! which of the variables are `_ENV` is decided after that, because in a stripped dump the uses are all there is to go
//! by.

mod flow;
mod follow;
mod key;

use self::flow::Flow;
use self::follow::Use;
use super::instruction::{Action, Instruction};
use super::proto::{Proto, passes_on};
use super::variable::{Variable, sorted, text};
use super::{Analysis, Malformed};

/// What is known of one captured variable of the main function.
struct Facts<'a> {
    variable: Variable<'a>,
    /// It may turn out to be `_ENV`, so its fields matter.
    watched: bool,
    read: Vec<&'a [u8]>,
    written: Vec<&'a [u8]>,
    /// The functions in which it is used in a way that no name can be had from, ascending.
    escapes: Vec<usize>,
}

pub(super) fn analyse<I: Instruction>(protos: &[Proto<'_>]) -> Result<Analysis, Malformed> {
    let Some(main) = protos.first() else {
        return Err(Malformed::Truncated);
    };

    let stripped = main.upvalue_names.iter().all(Option::is_none);
    let mut variables: Vec<Facts<'_>> = Vec::new();
    for variable in Variable::all(main) {
        let watched = stripped || variable.name == Some(b"_ENV");
        let (read, written, escapes) = Default::default();
        variables.push(Facts { variable, watched, read, written, escapes });
    }
    for place in 0..protos.len() {
        scan::<I>(protos, place, &mut variables)?;
    }

    let only_env = variables.len() == 1 && main.line_defined == 0;
    let is_env = |facts: &Facts<'_>| match (facts.watched, stripped) {
        (false, _) => false,
        (true, false) => true,
        // A write to a captured variable must not get lost, so what is assigned is an ordinary one.
        (true, true) => only_env || (facts.has_fields() && facts.variable.assigned.is_none()),
    };
    let (env, captured) = numbered(&variables).partition::<Vec<_>, _>(|(_, facts)| is_env(facts));

    let escapes = env.iter().flat_map(|(_, facts)| facts.escapes.iter().copied()).collect::<Vec<_>>();
    let replaced = env.iter().any(|(_, facts)| facts.variable.assigned.is_some());
    let mut globals_read = env.iter().flat_map(|(_, facts)| facts.read.iter().copied()).collect::<Vec<_>>();
    let globals_written = env.iter().flat_map(|(_, facts)| facts.written.iter().copied()).collect();
    let env_escapes = replaced || !escapes.is_empty();
    globals_read.extend(strings_within(protos, escapes));

    Ok(Analysis {
        upvalue_count: u8::try_from(variables.len()).map_err(|_| Malformed::Invalid("too many upvalues"))?,
        upvalue_names: variables.iter().map(|facts| facts.variable.name.map(text)).collect(),
        env_upvalues: env.iter().map(|(upvalue, _)| *upvalue).collect(),
        globals_read: sorted(globals_read),
        globals_written: sorted(globals_written),
        env_escapes,
        captured_writes: captured
            .into_iter()
            .filter_map(|(upvalue, facts)| facts.variable.write(upvalue))
            .collect(),
        passes_on: passes_on(protos),
        source: main.source.map(text),
        line_defined: main.line_defined,
    })
}

/// Adds what one function does with the captured variables of the main function.
fn scan<'a, I: Instruction>(
    protos: &[Proto<'a>],
    place: usize,
    variables: &mut [Facts<'a>],
) -> Result<(), Malformed> {
    let Some(proto) = protos.get(place) else {
        return Ok(());
    };
    let mut flow = Flow::<I>::new(protos, proto);
    for pc in 0..proto.len() {
        let action = flow.instruction(pc)?.action();
        let (Action::GetUpvalue { upvalue, .. }
        | Action::SetUpvalue { upvalue, .. }
        | Action::GetUpvalueField { upvalue, .. }
        | Action::SetUpvalueField { upvalue, .. }) = action
        else {
            if let Action::Closure { child, .. } = action {
                proto.child(child)?;
            }
            continue;
        };
        let origin = proto.origin(upvalue)?;
        let Some(facts) = origin.and_then(|origin| variables.get_mut(usize::from(origin))) else {
            continue;
        };
        match action {
            Action::SetUpvalue { .. } => facts.variable.assign(proto.line(pc)),
            _ if !facts.watched => {}
            Action::GetUpvalueField { key, .. } => {
                facts.add(flow.name(key, pc)?.map_or(Use::Escapes, Use::Reads), place);
            }
            Action::SetUpvalueField { key, .. } => {
                facts.add(flow.name(key, pc)?.map_or(Use::Escapes, Use::Writes), place);
            }
            Action::GetUpvalue { to, .. } => flow.follow(pc, to, |found| facts.add(found, place))?,
            _ => {}
        }
    }
    Ok(())
}

impl<'a> Facts<'a> {
    fn add(&mut self, found: Use<'a>, place: usize) {
        match found {
            Use::Reads(name) => self.read.push(name),
            Use::Writes(name) => self.written.push(name),
            Use::Escapes => self.escapes.push(place),
            // Any function of the dump may have the variable: those within the main one.
            Use::Stored => self.escapes.push(0),
        }
    }

    fn has_fields(&self) -> bool {
        !self.read.is_empty() || !self.written.is_empty()
    }
}

/// The string constants of these functions and of all nested in them.
fn strings_within<'a>(protos: &[Proto<'a>], mut places: Vec<usize>) -> Vec<&'a [u8]> {
    places.sort_unstable();
    let mut strings = Vec::new();
    // A function comes before those nested in it, which end together or earlier: one pass covers all.
    let mut done = 0;
    for place in places {
        let end = protos.get(place).map_or(0, |proto| proto.end);
        let within = protos.get(place.max(done)..end).unwrap_or_default();
        strings.extend(within.iter().flat_map(Proto::strings));
        done = done.max(end);
    }
    strings
}

fn numbered<'v, 'a>(variables: &'v [Facts<'a>]) -> impl Iterator<Item = (u8, &'v Facts<'a>)> {
    (0..=u8::MAX).zip(variables)
}
