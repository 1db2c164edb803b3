//! Durations as scripts write them: `300ms`, `30s`, `1h30m`, or a number of seconds.

use std::time::Duration;

use mlua::Value;

/// Longer ones are as good as for ever, and an instant so far ahead may not exist.
const LONGEST: f64 = 1e9;

/// The duration that a value stands for.
///
/// # Errors
/// A message that shows the value.
pub(crate) fn of_value(value: &Value) -> Result<Duration, String> {
    Ok(Duration::from_secs_f64(seconds(value)?.min(LONGEST)))
}

/// The seconds that a value stands for, however many; a number may be infinite.
///
/// # Errors
/// A message that shows the value.
pub(crate) fn seconds(value: &Value) -> Result<f64, String> {
    let seconds = match value {
        Value::Integer(seconds) => *seconds as f64,
        Value::Number(seconds) => *seconds,
        Value::String(text) => parse(&text.to_string_lossy())?,
        other => {
            return Err(format!(
                "a duration such as \"30s\" or a number of seconds expected, got {}",
                other.type_name()
            ));
        }
    };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(format!("a duration cannot be {seconds}"));
    }
    Ok(seconds)
}

/// The sum of numbers with units, the greater units first or not; `1h30m`. In seconds.
fn parse(text: &str) -> Result<f64, String> {
    let wrong = || format!("'{text}' is no duration: it should be like \"300ms\", \"30s\" or \"1h30m\"");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        seconds += match &rest[..end] {
            // Not by 0.001, which is a little more than that.
            "ms" => number / 1000.0,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            "d" => number * 86400.0,
            _ => return Err(wrong()),
        };
        rest = rest[end..].trim_start();
    }
    if seconds.is_finite() { Ok(seconds) } else { Err(format!("'{text}' is too long for a duration")) }
}

/// As people read it: `320 ms`, `4.2 s`, `3 m 20 s`, `2 h 5 m`.
pub(crate) fn show(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{ms:.0} ms"),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_write_is_understood() {
        for (text, ms) in [
            ("300ms", 300),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("1m 5s", 65_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(f64::from(ms) / 1000.0), "{text}");
        }
        assert!(
            parse(&format!("{}h", "9".repeat(400)))
                .is_err_and(|why| why.ends_with("too long for a duration"))
        );
        for wrong in ["", "5", "s", "5x", "-5s", "1..5s", "five seconds", "5 s5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(of_value(&Value::Number(f64::NAN)).is_err());
        assert!(of_value(&Value::Number(f64::INFINITY)).is_ok());
    }

    #[test]
    fn what_people_read_is_short() {
        let shown: Vec<_> = [12, 4200, 200_000, 7_500_000].map(|ms| show(Duration::from_millis(ms))).into();
        assert_eq!(shown, ["12 ms", "4.2 s", "3 m 20 s", "2 h 5 m"]);
    }
}
