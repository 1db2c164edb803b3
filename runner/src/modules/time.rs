//! The module `time`. Times are seconds since 1970, with fractions; zones are UTC unless said.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use mlua::{Lua, MultiValue, Value};

use super::{Module, failed};
use crate::duration;
use crate::shared::Shared;

/// RFC 3339.
const STANDARD: &str = "%Y-%m-%dT%H:%M:%S%:z";

pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<()> {
    let module = Module::new(lua, shared)?;
    module.now("time.now", |_, _, _| Ok(now()))?;
    module.now("time.unix_ms", |_, _, _| Ok((now() * 1000.0).floor() as i64))?;
    module.waiting(
        "time.sleep",
        |_, shared, args| {
            let duration = args.duration(1)?;
            shared.io.start(async move {
                tokio::time::sleep(duration).await;
                Ok(())
            })
        },
        |_, ()| Ok(()),
    )?;
    module.now("time.format", |lua, _, args| {
        let seconds = args.optional_number(1)?.unwrap_or_else(now);
        let format = args.optional_text(2)?.unwrap_or_else(|| STANDARD.into());
        let zone = match zone(args.optional_text(3)?) {
            Ok(zone) => zone,
            Err(why) => return failed(lua, &why),
        };
        let text =
            instant(seconds).map(|time| time.to_zoned_datetime(zone)).and_then(|time| write(&format, &time));
        values(lua, text.map(|text| lua.create_string(text).map(Value::String)))
    })?;
    module.now("time.parse", |lua, _, args| {
        // It comes from elsewhere, and may be anything.
        let text = String::from_utf8_lossy(&args.bytes(1)?).into_owned();
        let format = args.optional_text(2)?;
        let zone = match zone(args.optional_text(3)?) {
            Ok(zone) => zone,
            Err(why) => return failed(lua, &why),
        };
        let parsed =
            parse(&text, format.as_deref(), zone).map_err(|why| format!("'{text}' is no such time: {why}"));
        values(lua, parsed.map(|seconds| Ok(Value::Number(seconds))))
    })?;
    module.now("time.duration", |lua, _, args| {
        values(lua, duration::seconds(&args.value(1)).map(|seconds| Ok(Value::Number(seconds))))
    })?;
    module.finish("time")
}

fn values(lua: &Lua, outcome: Result<mlua::Result<Value>, String>) -> mlua::Result<MultiValue> {
    match outcome {
        Ok(value) => Ok([value?].into_iter().collect()),
        Err(why) => failed(lua, &why),
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// To the microsecond: for times of today, a float holds no more.
fn instant(seconds: f64) -> Result<Timestamp, String> {
    // Out of range it saturates, and so is refused.
    let time = Timestamp::from_microsecond((seconds * 1_000_000.0).round() as i64);
    time.ok().filter(|_| seconds.is_finite()).ok_or_else(|| {
        let shown = if seconds.abs() < 1e15 { seconds.to_string() } else { format!("{seconds:e}") };
        format!(
            "{shown} is no time between {} and {}",
            Timestamp::MIN.strftime("%F"),
            Timestamp::MAX.strftime("%F")
        )
    })
}

fn zone(name: Option<String>) -> Result<TimeZone, String> {
    match name.as_deref() {
        None | Some("UTC") => Ok(TimeZone::UTC),
        Some("local") => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name).map_err(|error| error.to_string()),
    }
}

fn write(format: &str, time: &ZonedDateTime) -> Result<String, String> {
    strtime::format(expanded(format), time).map_err(|error| error.to_string())
}

/// The format with what depends on the language as C has it, as in `os.date`.
fn expanded(format: &str) -> String {
    let mut expanded = String::with_capacity(format.len());
    let mut rest = format.chars();
    while let Some(next) = rest.next() {
        if next != '%' {
            expanded.push(next);
            continue;
        }
        match rest.next() {
            Some('c') => expanded += "%a %b %e %H:%M:%S %Y",
            Some('x') => expanded += "%m/%d/%y",
            Some('X') => expanded += "%H:%M:%S",
            Some('r') => expanded += "%I:%M:%S %p",
            directive => {
                expanded.push('%');
                expanded.extend(directive);
            }
        }
    }
    expanded
}

/// What says no offset is a time in `zone`.
fn parse(text: &str, format: Option<&str>, zone: TimeZone) -> Result<f64, String> {
    let seconds = |time: Timestamp| time.as_microsecond() as f64 / 1_000_000.0;
    let in_zone =
        |time: jiff::civil::DateTime| zone.to_timestamp(time).map(seconds).map_err(|error| error.to_string());
    let Some(format) = format else {
        return match text.parse::<Timestamp>() {
            Ok(time) => Ok(seconds(time)),
            Err(error) => match text.parse::<jiff::civil::DateTime>() {
                Ok(time) => in_zone(time),
                Err(_) => Err(error.to_string()),
            },
        };
    };
    let parsed = strtime::parse(expanded(format), text).map_err(|error| error.to_string())?;
    if let Ok(time) = parsed.to_timestamp() {
        return Ok(seconds(time));
    }
    match parsed.to_datetime() {
        Ok(time) => in_zone(time),
        Err(_) => in_zone(parsed.to_date().map_err(|error| error.to_string())?.at(0, 0, 0, 0)),
    }
}
