//! `pipeline`, `fan_out`, `fan_in`: goroutines between channels.
//!
//! **If one of these goroutines is gone.** What they give values to is closed when the last of a stage has ended, in whatever way, also
//! cancelled or never begun: its place in a [`Scope`] sees to it. So no reader waits for what never comes. What they get
//! values from is closed then as well, so that no sender does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::{Function, IntoLuaMulti, MultiValue, Table, Value};
use runtime_core::{Channel, TrySendError, fan_in, fan_out};

use super::args::type_name;
use super::channel::Direction;
use super::options::unknown;
use super::start::{Report, prepare};
use super::{Args, ChannelObject, Context, Outcome, Primitives, caller, ship};
use crate::fault::Fault;
use crate::goroutine::{Reply, Start};
use crate::object::Object;
use crate::packet::{Packet, Roots};
use crate::scope::Scope;

/// How many errors of a pipeline are kept.
const KEPT: usize = 1024;

/// How many values wait between two stages unless said otherwise.
const CAPACITY: usize = 10;

/// More workers of a stage than this, or more channels, are taken for a mistake.
const MOST: i64 = 1_000_000;

type Ends = Vec<Channel<Packet>>;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let methods: Table = prim.table.raw_get("methods")?;
    // What the goroutines run is written in Lua, and made after this.
    let body = move |name: &str| -> Result<Value, Fault> {
        Ok(methods.raw_get::<Table>("flow")?.raw_get::<Value>(name)?)
    };
    let of_pipeline = body.clone();
    prim.function("pipeline", move |context, args| pipeline(context, &args, of_pipeline("work")?))?;
    let of_fan_out = body.clone();
    prim.function("fan_out", move |context, args| {
        let input = input(&args)?;
        let count = args.count_between(2, 1, MOST)?;
        let outputs: Ends = (0..count).map(|_| Channel::new(input.channel.capacity())).collect();
        let list = context.lua.create_table_with_capacity(count, 0)?;
        let mut values = vec![of_fan_out("split")?, context.object(Object::Channel(input.clone()))?];
        for (index, output) in outputs.iter().enumerate() {
            let output = both(context, output)?;
            list.raw_set(index + 1, &output)?;
            values.push(output);
        }
        let ends = [vec![input.channel], outputs].concat();
        Prepared::new(context, &values, 1, move || close(&ends))?.start(context)?;
        context.values(list)
    })?;
    prim.function("fan_in", move |context, args| {
        let inputs = args.list_of::<ChannelObject>(1)?;
        inputs.iter().try_for_each(ChannelObject::can_receive)?;
        let output = Channel::new(0);
        let mut values = vec![body("join")?, both(context, &output)?];
        for input in &inputs {
            values.push(context.object(Object::Channel(input.clone()))?);
        }
        let mut ends: Ends = inputs.into_iter().map(|input| input.channel).collect();
        ends.push(output.clone());
        Prepared::new(context, &values, 1, move || close(&ends))?.start(context)?;
        context.values(both(context, &output)?)
    })?;
    // Below are the functions of those goroutines.
    prim.add("flow_split", "fan_out", false, |context, args| {
        let (first, others) = channels(&args)?;
        context.wait(None, fan_out(first, others), |()| Reply::Nothing)
    })?;
    prim.add("flow_join", "fan_in", false, |context, args| {
        let (first, others) = channels(&args)?;
        context.wait(None, fan_in(others, first), |()| Reply::Nothing)
    })?;
    prim.raw("flow_is_cancelled", |_, state, ()| {
        Ok(state.current().is_some_and(|running| running.is_cancelled()))
    })?;
    prim.add("flow_keep_error", "pipeline", false, keep_error)
}

fn input(args: &Args) -> Result<ChannelObject, Fault> {
    let input = args.object::<ChannelObject>(1)?;
    input.can_receive()?;
    Ok(input)
}

fn both(context: &Context<'_>, channel: &Channel<Packet>) -> Result<Value, Fault> {
    context.object(Object::Channel(ChannelObject { channel: channel.clone(), direction: Direction::Both }))
}

fn close(ends: &[Channel<Packet>]) {
    for end in ends {
        end.close();
    }
}

/// The first of the channels that are the arguments, and the others.
fn channels(args: &Args) -> Result<(Channel<Packet>, Ends), Fault> {
    let first = args.object::<ChannelObject>(1)?.channel;
    let mut others = Vec::new();
    for n in 2.. {
        if args.get(n).is_none() {
            break;
        }
        others.push(args.object::<ChannelObject>(n)?.channel);
    }
    Ok((first, others))
}

/// Goroutines that are ready to be started, and the scope whose end is theirs.
struct Prepared {
    starts: Vec<Start>,
    scope: Arc<Scope>,
}

impl Prepared {
    /// So many goroutines that run a function with arguments; when all have ended, `at_end` is done.
    fn new(
        context: &Context<'_>,
        values: &[Value],
        count: usize,
        at_end: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Fault> {
        let scope = Arc::new(Scope::ending_with(context.flavour, at_end));
        let prepare_one = |_| {
            let values = MultiValue::from_iter(values.iter().cloned());
            Ok(prepare(context, values, Report::AtOnce, Some(Arc::clone(&scope)))?.0)
        };
        match (0..count).map(prepare_one).collect() {
            Ok(starts) => Ok(Self { starts, scope }),
            Err(fault) => {
                scope.disarm();
                Err(fault)
            }
        }
    }

    /// Nothing is to be started after all: the channels stay as they are.
    fn give_up(self) {
        self.scope.disarm();
    }

    fn start(self, context: &Context<'_>) -> Result<(), Fault> {
        let mut started = self.starts.into_iter().map(|start| context.state.system.submit(start));
        let refused = started.find_map(Result::err);
        self.scope.close();
        refused.map_or(Ok(()), |error| Err(Fault::Wrong(error.to_string())))
    }
}

/// A stage as it was asked for.
struct Stage {
    workers: usize,
    function: Function,
    capacity: usize,
}

fn stages(context: &Context<'_>, args: &Args) -> Result<Vec<Stage>, Fault> {
    let (list, count) = args.list(2, "stage")?;
    if count == 0 {
        return Err(args.bad(2, "list of at least one stage expected, got an empty one"));
    }
    let bad = |index: usize, why: &str| args.bad(2, &format!("stage {index}: {why}"));
    let mut stages = Vec::with_capacity(count);
    for index in 1..=count {
        let table = match list.raw_get(index)? {
            Value::Table(table) => table,
            other => {
                let got = type_name(context.lua, &other);
                return Err(bad(index, &format!("table expected, got {got}")));
            }
        };
        let (mut workers, mut function, mut capacity) = (1, None, CAPACITY);
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            let key = match key {
                Value::String(key) => key.to_string_lossy(),
                other => {
                    let got = type_name(context.lua, &other);
                    return Err(bad(index, &format!("names of options expected, got a {got} as one")));
                }
            };
            let number = |least: i64| match &value {
                Value::Integer(count) if (least..=MOST).contains(count) => Ok(*count as usize),
                Value::Number(count)
                    if count.fract() == 0.0 && (least as f64..=MOST as f64).contains(count) =>
                {
                    Ok(*count as usize)
                }
                Value::Integer(_) | Value::Number(_) => {
                    let got = value.to_string().unwrap_or_default();
                    Err(bad(
                        index,
                        &format!("'{key}': whole number from {least} to {MOST} expected, got {got}"),
                    ))
                }
                other => {
                    let got = type_name(context.lua, other);
                    Err(bad(index, &format!("'{key}': number expected, got {got}")))
                }
            };
            match key.as_str() {
                "workers" => workers = number(1)?,
                "capacity" => capacity = number(0)?,
                "fn" => match value {
                    Value::Function(value) => function = Some(value),
                    other => {
                        let got = type_name(context.lua, &other);
                        return Err(bad(index, &format!("'fn': function expected, got {got}")));
                    }
                },
                _ => return Err(bad(index, &unknown(&key, &["workers", "fn", "capacity"]))),
            }
        }
        let function = function.ok_or_else(|| bad(index, "'fn': function expected, got nil"))?;
        stages.push(Stage { workers, function, capacity });
    }
    Ok(stages)
}

fn pipeline(context: &Context<'_>, args: &Args, work: Value) -> Outcome {
    let input = input(args)?;
    let stages = stages(context, args)?;
    let report = Arc::clone(&context.state.system.report);
    let made_at = caller(context);
    let errors = Channel::with_leftover(KEPT, move |left: Vec<Packet>| {
        for error in left {
            report(&format!("a stage of a pipeline (made at {made_at}) failed: {}", error.shown()));
        }
    });
    // The workers know it by a number: what they held in their states would be held until garbage is collected there.
    let (system, id) = (Arc::clone(&context.state.system), runtime_core::next_id());
    system.pipelines.insert(id, errors.clone());
    // The errors end with the last stage to end, whichever that is.
    let left = Arc::new(AtomicUsize::new(stages.len()));
    let mut from = context.object(Object::Channel(input.clone()))?;
    let mut source = input.channel;
    let mut prepared: Vec<Prepared> = Vec::with_capacity(stages.len());
    for Stage { workers, function, capacity } in stages {
        let output = Channel::new(capacity);
        let to = both(context, &output)?;
        let values = [work.clone(), from, to.clone(), Value::Integer(id as i64), Value::Function(function)];
        let (ends, system, left) = (vec![source, output.clone()], Arc::clone(&system), Arc::clone(&left));
        let stage = Prepared::new(context, &values, workers, move || {
            close(&ends);
            if left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some((_, errors)) = system.pipelines.remove(&id)
            {
                errors.close();
            }
        });
        match stage {
            Ok(stage) => prepared.push(stage),
            Err(fault) => {
                prepared.into_iter().for_each(Prepared::give_up);
                context.state.system.pipelines.remove(&id);
                return Err(fault);
            }
        }
        (from, source) = (to, output);
    }
    prepared.into_iter().try_for_each(|stage| stage.start(context))?;
    context.values((from, both(context, &errors)?).into_lua_multi(context.lua)?)
}

/// Keeps an error of a stage: `id, err`, where the pipeline is known by the id. The oldest makes room for it.
fn keep_error(context: &Context<'_>, args: Args) -> Outcome {
    let id = u64::try_from(args.integer(1)?).unwrap_or(0);
    let Some(errors) = context.state.system.pipelines.get(&id).map(|errors| errors.clone()) else {
        return context.values(());
    };
    let error = MultiValue::from_iter([args.get(2).cloned().unwrap_or(Value::Nil)]);
    let mut packet = ship(context, error, Roots::Values("error"))
        .unwrap_or_else(|refusal| Packet::text(&refusal.to_string()));
    loop {
        match errors.try_send(packet) {
            Err(TrySendError::Full(back)) => packet = back,
            Ok(()) | Err(TrySendError::Closed(_)) => return context.values(()),
        }
        drop(errors.try_receive());
    }
}
