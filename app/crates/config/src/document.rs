//! The configuration's documentation, made from the doc comments of its types.

use std::fmt::Write as _;

use serde_json::Value;

use super::config::Config;

/// Widest comment line, so that the file reads well on a narrow terminal.
const WIDTH: usize = 100;

/// A TOML file of every field with its documentation and its default value, all commented out: what a site
/// does not change, it need not write.
pub fn commented_defaults() -> String {
    let schema = Value::from(schemars::schema_for!(Config));
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut text = String::from(
        "# Configuration of the attendance appliance. Every field with its default; remove the leading '#' to change one.\n",
    );
    for (section, described) in properties(&schema) {
        let target = resolve(&schema, described);
        let _ = write!(text, "\n{}[{section}]\n", comment(described));
        for (field, described) in properties(target) {
            let default = &defaults[section][field];
            let value = match default {
                Value::Null => "...".to_owned(),
                // Shown as the f32 it is: 0.3, not 0.30000001192092896.
                Value::Number(number) if number.is_f64() => {
                    format!("{:?}", number.as_f64().unwrap_or_default() as f32)
                }
                other => other.to_string(),
            };
            let _ = writeln!(text, "{}#{field} = {value}", comment(described));
        }
    }
    text
}

/// The properties of an object's schema, in the order of their declaration.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

/// A description as comment lines of at most [`WIDTH`] characters.
fn comment(schema: &Value) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in schema["description"].as_str().unwrap_or("").split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_field_is_documented_and_the_defaults_parse() {
        let text = commented_defaults();
        for part in [
            "[site]",
            "#time_zone = \"UTC\"",
            "IANA",
            "#interval = \"5m\"",
            "#url = ...",
            "#require = \"passive+prompt\"",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        let uncommented = text
            .lines()
            .filter(|line| !line.ends_with(" = ..."))
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => rest,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        crate::parse(&uncommented).unwrap();
    }
}
