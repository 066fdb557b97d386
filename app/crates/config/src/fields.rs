//! The table of all settings, made from the configuration's types: the page's form, and what an unknown key
//! is compared with. A field that is added to a type is in it.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::config::Config;
use super::document::{properties, resolve};

/// Settings that the page shows and does not change: with another folder the program would find none of its
/// rows, and a replay is for tests. A key of the card takes effect when the machine starts, which no trial of
/// two minutes shows.
pub const READ_ONLY: [&str; 6] =
    ["site.data_dir", "site.models_dir", "camera.replay", "card.key", "card.tang", "card.thumbprint"];

/// A section of the configuration.
#[derive(Debug)]
pub struct Section {
    /// `photos`.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its settings, in the order of their declaration.
    pub fields: Vec<Field>,
}

/// A setting.
#[derive(Debug)]
pub struct Field {
    /// Its key within the section.
    pub key: String,
    /// Its documentation.
    pub about: String,
    /// What may be written.
    pub kind: Kind,
    /// What holds when nothing is written, as it is written; empty: nothing.
    pub default: String,
}

/// What may be written for a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(Vec<String>),
    /// A number.
    Number,
    /// Any text.
    Text,
    /// A time span as `5m`.
    Duration,
    /// A text that is never shown again.
    Secret,
    /// A value in TOML, as a list.
    Toml,
}

/// A text that holds a credential in each way that a URL can.
const PROBE: &str = "https://user:s3cr3t@probe.example/?key=s3cr3t";

/// Every section, in the order of the types.
pub fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(all);
    &SECTIONS
}

/// The setting of this name, `section.key`.
pub fn field(name: &str) -> Option<&'static Field> {
    let (section, key) = name.split_once('.')?;
    let section = sections().iter().find(|one| one.name == section)?;
    section.fields.iter().find(|field| field.key == key)
}

fn all() -> Vec<Section> {
    let schema = Value::from(schemars::schema_for!(Config));
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut sections = Vec::new();
    for (name, described) in properties(&schema) {
        let fields = properties(resolve(&schema, described)).map(|(key, described)| Field {
            key: key.to_owned(),
            about: about(described),
            kind: kind(&schema, described, name, key),
            default: written(&defaults[name][key]),
        });
        let fields = fields.collect();
        sections.push(Section { name: name.to_owned(), about: about(described), fields });
    }
    sections
}

fn about(described: &Value) -> String {
    described["description"].as_str().unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value as a person writes it into a form: texts without quotes.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // Shown as the f32 it is: 0.3, not 0.30000001192092896.
        Value::Number(number) if number.is_f64() => {
            format!("{:?}", number.as_f64().unwrap_or_default() as f32)
        }
        other => other.to_string(),
    }
}

fn kind(root: &Value, described: &Value, section: &str, key: &str) -> Kind {
    let schema = resolve(root, described);
    // An optional one: the other alternative is null.
    if let Some(some) = schema["anyOf"].as_array().and_then(|ways| ways.iter().find(|way| !is_null(way))) {
        return kind(root, some, section, key);
    }
    let words = choices(schema);
    if !words.is_empty() {
        return Kind::Choice(words);
    }
    match base_type(schema) {
        "boolean" => Kind::Switch,
        "integer" | "number" => Kind::Number,
        "string" if is_hidden(section, key) => Kind::Secret,
        "string" if taken(section, key, "67m").is_some_and(|kept| kept == "1h 7m") => Kind::Duration,
        "string" => Kind::Text,
        _ => Kind::Toml,
    }
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

fn base_type(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).find(|one| *one != "null").unwrap_or("")
        }
        one => one.as_str().unwrap_or(""),
    }
}

/// The words of an enumeration; empty for any other field.
fn choices(schema: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(text).collect();
    }
    let ways = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    ways.iter().flat_map(|way| text(&way["const"]).map_or_else(|| choices(way), |word| vec![word])).collect()
}

/// The value that a text becomes in this setting; `None` when it is refused.
fn taken(section: &str, key: &str, text: &str) -> Option<Value> {
    let config: Config = serde_json::from_value(json!({ section: { key: text } })).ok()?;
    serde_json::to_value(&config).ok().map(|mut kept| kept[section][key].take())
}

/// Whether the type of this setting hides what is in it.
fn is_hidden(section: &str, key: &str) -> bool {
    taken(section, key, PROBE).is_some_and(|kept| !kept.to_string().contains("s3cr3t"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_field_of_the_types_is_in_the_table_with_words() {
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let mut names = Vec::new();
        for (section, fields) in defaults.as_object().unwrap() {
            names.extend(fields.as_object().unwrap().keys().map(|key| format!("{section}.{key}")));
        }
        for name in &names {
            let field = field(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert!(!field.about.is_empty(), "{name} has no description");
        }
        let count: usize = sections().iter().map(|section| section.fields.len()).sum();
        assert_eq!(count, names.len());
        for name in READ_ONLY {
            assert!(field(name).is_some(), "{name}");
        }
    }

    #[test]
    fn kinds_follow_the_types() {
        let kind = |name| field(name).unwrap().kind.clone();
        for secret in [
            "webhook.key",
            "webhook.url",
            "photos.url",
            "page.password_hash",
            "mqtt.site_key",
            "mqtt.password",
            "fleet.target_token",
        ] {
            assert_eq!(kind(secret), Kind::Secret, "{secret}");
        }
        assert_eq!(kind("webhook.interval"), Kind::Duration);
        assert_eq!(kind("attendance.departure_settles"), Kind::Duration);
        assert_eq!(kind("site.name"), Kind::Text);
        assert_eq!(kind("tls.allow_plain"), Kind::Switch);
        assert_eq!(kind("webhook.batch_rows"), Kind::Number);
        assert_eq!(kind("relay.pin"), Kind::Number);
        assert_eq!(kind("page.tokens"), Kind::Toml);
        assert!(
            matches!(kind("liveness.require"), Kind::Choice(words) if words.contains(&"passive".to_owned()))
        );
        assert_eq!(field("photos.removal_limit").unwrap().default, "0.3");
        assert_eq!(field("webhook.url").unwrap().default, "");
    }
}
