//! YAML: 1.2, as most programs read it, with the merges of 1.1.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Tag};
use serde_json::Value as Json;
use serde_norway::Value as Yaml;

use crate::convert;

/// One document of YAML.
///
/// # Errors
/// A message with line and column, or the path to what Lua or JSON has nothing for.
pub(crate) fn parse(text: &str) -> Result<serde_json::Value, String> {
    // A mark of the byte order is none of the text: what reads YAML takes it for a column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(serde_json::Value::Null);
    }
    let (marked, mark) = mark_quoted(text);
    let said = |error: serde_norway::Error| {
        let why = unmarked(convert::deep(&error.to_string()), mark);
        // It knows where the mapping begins, at most.
        if why.contains("duplicate entry with") { twice(text).unwrap_or(why) } else { why }
    };
    let value: Yaml = serde_norway::from_str(&marked).map_err(said)?;
    check_tags(text)?;
    let at = |(path, why): Wrong| {
        if path.is_empty() { why } else { format!("{why} (at {})", convert::short(&path)) }
    };
    let mut value = named(value, mark, 0).map_err(|wrong| {
        let why = at(wrong);
        if why.contains(AS_STRINGS) { twice(text).unwrap_or(why) } else { why }
    })?;
    value.apply_merge().map_err(said)?;
    plain(value, mark).map_err(at)
}

/// What is said of keys that become the same.
const AS_STRINGS: &str = "stands twice, once as a string and once as something else";

/// The path to what is wrong, and a message.
type Wrong = (String, String);

fn wrong<T>(why: String) -> Result<T, Wrong> {
    Err((String::new(), why))
}

fn within(name: &str) -> impl FnOnce(Wrong) -> Wrong {
    move |(path, why)| (convert::join(name, path), why)
}

/// Says of the first key that stands twice in its mapping where it does, if one does by its text.
fn twice(text: &str) -> Option<String> {
    // Of each list and mapping that is open: the lines of its keys, and whether the next value is one.
    let mut open: Vec<Option<(HashMap<String, usize>, bool)>> = Vec::new();
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        match &event {
            Event::MappingStart(..) => {
                open.push(Some((HashMap::new(), true)));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(None);
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => drop(open.pop()),
            Event::Scalar(..) | Event::Alias(_) => {}
            _ => continue,
        }
        let Some(Some((keys, is_key))) = open.last_mut() else { continue };
        if let (true, Event::Scalar(key, ..)) = (*is_key, &event)
            && let Some(before) = keys.insert(key.to_string(), span.start.line())
        {
            let line = span.start.line();
            let places =
                if before == line { format!("line {line}") } else { format!("lines {before} and {line}") };
            return Some(format!("the key '{key}' stands twice, at {places}"));
        }
        *is_key = !*is_key;
    }
    None
}

/// The same value with strings for keys: before anything is merged, so that what stands there goes before what is merged.
fn named(value: Yaml, mark: Option<char>, depth: usize) -> Result<Yaml, Wrong> {
    if depth == convert::DEEPEST && matches!(value, Yaml::Sequence(_) | Yaml::Mapping(_)) {
        return wrong(convert::TOO_DEEP.into());
    }
    Ok(match value {
        Yaml::Sequence(values) => {
            let values = values.into_iter().enumerate();
            let values = values.map(|(index, value)| {
                named(value, mark, depth + 1).map_err(within(&(index + 1).to_string()))
            });
            Yaml::Sequence(values.collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(fields) => {
            let mut strings = serde_norway::Mapping::with_capacity(fields.len());
            for (key, value) in fields {
                let name = match key {
                    Yaml::String(name) => name,
                    Yaml::Bool(key) => key.to_string(),
                    Yaml::Number(key) => key.to_string(),
                    Yaml::Null => "null".into(),
                    _ => return wrong("a list or a table as a key cannot be read".into()),
                };
                let value = named(value, mark, depth + 1).map_err(within(&unmarked(name.clone(), mark)))?;
                if strings.contains_key(name.as_str()) {
                    return wrong(format!("the key '{name}' {AS_STRINGS}"));
                }
                strings.insert(name.into(), value);
            }
            Yaml::Mapping(strings)
        }
        Yaml::Tagged(tagged) => return wrong(format!("the tag {} cannot be read", tagged.tag)),
        value => value,
    })
}

/// The same value as JSON.
fn plain(value: Yaml, mark: Option<char>) -> Result<serde_json::Value, Wrong> {
    Ok(match value {
        Yaml::Null => serde_json::Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::String(text) => unmarked(text, mark).into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => integer.into(),
            (_, Some(integer), _) => integer.into(),
            (_, _, Some(number)) if number.is_finite() => number.into(),
            _ => return wrong(format!("the number {number} cannot be read")),
        },
        Yaml::Sequence(values) => {
            let values = values.into_iter().enumerate();
            let values =
                values.map(|(index, value)| plain(value, mark).map_err(within(&(index + 1).to_string())));
            serde_json::Value::Array(values.collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(fields) => {
            let mut object = serde_json::Map::new();
            for (key, value) in fields {
                // All are strings by now.
                let Yaml::String(name) = key else { continue };
                let name = unmarked(name, mark);
                let value = plain(value, mark).map_err(within(&name))?;
                object.insert(name, value);
            }
            serde_json::Value::Object(object)
        }
        Yaml::Tagged(tagged) => return wrong(format!("the tag {} cannot be read", tagged.tag)),
    })
}

/// What reads YAML does not say whether a string was in quotes, and `<<` merges only without: in quotes it gets a mark, a character that
/// the text has not got. Wherever that comes to lie, it is taken out again with the rest of the text.
fn mark_quoted(text: &str) -> (Cow<'_, str>, Option<char>) {
    if !["'<<'", "\"<<\""].iter().any(|quoted| text.contains(quoted)) {
        return (text.into(), None);
    }
    let Some(mark) = unused(text) else { return (text.into(), None) };
    (
        text.replace("'<<'", &format!("'<<{mark}'")).replace("\"<<\"", &format!("\"<<{mark}\"")).into(),
        Some(mark),
    )
}

fn unmarked(text: String, mark: Option<char>) -> String {
    match mark {
        Some(mark) if text.contains(mark) => text.replace(mark, ""),
        _ => text,
    }
}

/// A character that nobody uses, and this text does not.
fn unused(text: &str) -> Option<char> {
    ('\u{e000}'..='\u{f8ff}').find(|mark| !text.contains(*mark))
}

/// Looks at the tags, which what reads YAML passes over: `!!str` and the others of the core schema are what they say, and checked there;
/// what nothing here stands for is refused.
///
/// # Errors
/// The tag, and where it stands.
fn check_tags(text: &str) -> Result<(), String> {
    if !text.contains('!') {
        return Ok(());
    }
    // What cannot be parsed was refused before.
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let (tag, known, what): (_, &[&str], _) = match &event {
            Event::Scalar(_, _, _, Some(tag)) => {
                (tag, &["str", "int", "float", "bool", "null"], "a single value")
            }
            Event::SequenceStart(_, Some(tag)) => (tag, &["seq"], "a list"),
            Event::MappingStart(_, Some(tag)) => (tag, &["map"], "a mapping"),
            _ => continue,
        };
        let Tag { handle, suffix } = &**tag;
        let full = format!("{handle}{suffix}");
        let Some(suffix) = full.strip_prefix("tag:yaml.org,2002:") else {
            return Err(format!("the tag {full} cannot be read at line {}", span.start.line()));
        };
        if !known.contains(&suffix) {
            let (line, fits) = (span.start.line(), known.join(", !!"));
            return Err(format!(
                "the tag !!{suffix} cannot be read at line {line}: for {what} there is !!{fits}"
            ));
        }
    }
    Ok(())
}

/// Writes YAML. What programs that go by YAML 1.1 take for something else than a string is in quotes, too.
///
/// # Errors
/// A message.
pub(crate) fn write(value: &Json) -> Result<String, String> {
    let write = |value: &Json| serde_norway::to_string(value).map_err(|error| error.to_string());
    let plain = write(value)?;
    // What begins with a space is written in quotes.
    let Some(mark) = unused(&plain).filter(|_| is_ambiguous_within(value)) else { return Ok(plain) };
    Ok(write(&quoted(value, mark))?.replace(&format!(" {mark}"), ""))
}

fn is_ambiguous_within(value: &Json) -> bool {
    match value {
        Json::String(text) => is_ambiguous(text),
        Json::Array(values) => values.iter().any(is_ambiguous_within),
        Json::Object(fields) => {
            fields.iter().any(|(name, value)| is_ambiguous(name) || is_ambiguous_within(value))
        }
        _ => false,
    }
}

fn quoted(value: &Json, mark: char) -> Json {
    let marked = |text: &str| if is_ambiguous(text) { format!(" {mark}{text}") } else { text.to_owned() };
    match value {
        Json::String(text) => marked(text).into(),
        Json::Array(values) => values.iter().map(|value| quoted(value, mark)).collect(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| (marked(name), quoted(value, mark))).collect()
        }
        other => other.clone(),
    }
}

/// Whether this is a string in YAML 1.2, and a merge, a truth value, a number or a time in YAML 1.1.
fn is_ambiguous(text: &str) -> bool {
    // Nobody takes `y` and `n` for more than letters, though YAML 1.1 says so.
    const WORDS: [&str; 6] = ["<<", "=", "yes", "no", "on", "off"];
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_numeric = rest.starts_with(|first: char| first.is_ascii_digit())
        && rest.chars().all(|next| {
            next.is_ascii_digit() || matches!(next, '_' | ':' | '.' | '-' | '+' | 'T' | 't' | 'Z' | ' ')
        });
    let is_date = rest.as_bytes().get(4) == Some(&b'-');
    is_word || is_numeric && (is_date || rest.contains(['_', ':']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        let value = json!({
            "<<": {"a": 1}, "=": "=", "yes": "no", "on": ["off", "y", "NO"], "date": "2020-01-01", "time": "12:30:45",
            "number": "1_000", "mark": "\u{e000}", "text": "a\nb", "spaces": " x ", "merge": "<<", "version": "1.2.3",
        });
        let text = write(&value).unwrap();
        assert_eq!(parse(&text), Ok(value), "{text}");
        for line in
            ["'<<':", "'=': '='", "'yes': 'no'", "date: '2020-01-01'", "version: 1.2.3", "- 'NO'", "- y"]
        {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_merge_is_one_without_quotes() {
        let merged =
            json!({"base": {"k": 1, "l": 1}, "d": {"k": 2, "l": 1, "text": "\"<<\": x"}, "q": {"<<": 1}});
        let text = "base: &b {k: 1, l: 1}\nd: {<<: *b, k: 2, text: '\"<<\": x'}\nq: {\"<<\": 1}";
        assert_eq!(parse(text), Ok(merged));
    }

    #[test]
    fn tags_of_the_core_schema_are_what_they_say_and_others_are_refused() {
        let text = "[!!str 1, !!int '3', !!float 1, !!bool 'true', !!null null, !!seq [1], !!map {a: 1}, !<tag:yaml.org,2002:str> 1, 'x !!y']";
        assert_eq!(parse(text), Ok(json!(["1", 3, 1.0, true, null, [1], {"a": 1}, "1", "x !!y"])));
        for (text, wrong) in [
            (
                "a: 1\nb: !!binary aGk=",
                "the tag !!binary cannot be read at line 2: for a single value there is !!str,",
            ),
            ("!!set {x}", "the tag !!set cannot be read at line 1: for a mapping there is !!map"),
            ("a: !!str [1]", "the tag !!str cannot be read at line 1: for a list there is !!seq"),
            ("a: !mine 1", "the tag !mine cannot be read at line 1"),
            ("a: ! 12", "the tag ! cannot be read at line 1"),
            ("!!python/object:os.system {}", "the tag !!python/object:os.system cannot be read"),
            ("%TAG ! tag:x,2000:\n---\na: !foo 1", "the tag tag:x,2000:foo cannot be read"),
            ("a: !!int x", "expected an integer"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
