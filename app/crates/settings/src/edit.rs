//! A form's values as another text of the configuration file, comments kept. Pure.

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use config::fields::{self, Field, Kind, READ_ONLY};
use config::{Config, Wrong, examine};
use view::settings::Change;

/// Added to a secret's name in the form: the box that removes it.
pub const REMOVE: &str = "!remove";

/// Shown in a list of changes in place of a secret.
const HIDDEN: &str = "(not shown)";

/// The values that the text has, by name, as they stand in the form. Of a text that cannot be read: none.
pub fn written(text: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let Ok(document) = text.parse::<DocumentMut>() else { return values };
    for (section, settings) in document.iter() {
        for (key, item) in settings.as_table_like().into_iter().flat_map(TableLike::iter) {
            values.insert(format!("{section}.{key}"), shown(item));
        }
    }
    values
}

fn shown(item: &Item) -> String {
    match item.as_value() {
        Some(Value::String(text)) => text.value().clone(),
        Some(value) => {
            let mut bare = value.clone();
            bare.decor_mut().clear();
            bare.to_string()
        }
        // [[page.tokens]]
        None => match item.clone().into_value() {
            Ok(value) => value.to_string().trim().to_owned(),
            Err(_) => String::new(),
        },
    }
}

/// The text with the form's values in it, and what it says.
///
/// # Errors
/// Everything that is wrong with it, each with its setting where that is known.
pub fn edited(text: &str, form: &[(String, String)]) -> Result<(String, Config), Vec<Wrong>> {
    let mut document: DocumentMut = text.parse().map_err(|_| examine(text).1)?;
    let before = written(text);
    let mut wrong = Vec::new();
    for section in fields::sections() {
        for field in &section.fields {
            let name = format!("{}.{}", section.name, field.key);
            if READ_ONLY.contains(&&*name) {
                continue;
            }
            match wish(&name, field, form, before.get(&name)) {
                Wish::Keep => {}
                Wish::Remove => remove(&mut document, &section.name, &field.key),
                Wish::Set(text) => match value(field, &text) {
                    Ok(value) => set(&mut document, &section.name, &field.key, value),
                    Err(what) => wrong.push(Wrong { place: None, setting: Some(name), what }),
                },
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let after = document.to_string();
    judged(text, &after).map(|config| (after, config))
}

/// What a whole text says that takes the place of `before`.
///
/// # Errors
/// Everything that is wrong with it, and with the files that it names. A file that could not be used before
/// is not a reason against another change.
pub fn judged(before: &str, text: &str) -> Result<Config, Vec<Wrong>> {
    let (config, mut wrong) = examine(text);
    if !wrong.is_empty() {
        let known = examine(before).1;
        // Places move with an edit; what is wrong stays the same.
        wrong.retain(|one| !known.iter().any(|old| old.setting == one.setting && old.what == one.what));
    }
    if wrong.is_empty() { Ok(config) } else { Err(wrong) }
}

/// The read-only settings that `after` has otherwise than `before`.
pub fn forbidden(before: &str, after: &str) -> Vec<Wrong> {
    let (before, after) = (written(before), written(after));
    let differs = |name: &&&str| before.get(**name) != after.get(**name);
    let what = "can be changed in the file on the card only, not from the page";
    let wrong = |name: &&str| Wrong {
        place: None,
        setting: Some((*name).to_owned()),
        what: format!("{name}: {what}"),
    };
    READ_ONLY.iter().filter(differs).map(wrong).collect()
}

/// What differs between two texts, without the values of secrets.
pub fn changes(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (written(before), written(after));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let told = |name: &String, value: Option<&String>| match (value, fields::field(name)) {
        (None, Some(field)) if field.default.is_empty() => "not set".to_owned(),
        (None, Some(field)) => format!("{} (default)", field.default),
        (None, None) => "not set".to_owned(),
        // What no type knows may be a secret of another version.
        (Some(_), None) => HIDDEN.to_owned(),
        (Some(_), Some(field)) if field.kind == Kind::Secret => HIDDEN.to_owned(),
        (Some(value), Some(_)) => value.clone(),
    };
    let change = |name: &String| Change {
        name: name.clone(),
        before: told(name, before.get(name)),
        after: told(name, after.get(name)),
    };
    names.into_iter().filter(differs).map(change).collect()
}

/// Whether a change of these can lock everybody out of the page, or leave the device without its servers.
pub fn needs_confirmation(changes: &[Change]) -> bool {
    let matters =
        |change: &Change| ["page.", "network."].iter().any(|section| change.name.starts_with(section));
    changes.iter().any(matters)
}

enum Wish {
    Keep,
    Remove,
    Set(String),
}

fn wish(name: &str, field: &Field, form: &[(String, String)], before: Option<&String>) -> Wish {
    let given = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
    if field.kind == Kind::Secret && given(&format!("{name}{REMOVE}")).is_some() {
        return if before.is_some() { Wish::Remove } else { Wish::Keep };
    }
    match (given(name), before) {
        (None, _) | (Some(""), None) => Wish::Keep,
        // Write-only: an empty field says nothing.
        (Some(""), Some(_)) if field.kind == Kind::Secret => Wish::Keep,
        // An empty text may be what the site wants ("no discovery").
        (Some(""), Some(before)) if before.is_empty() => Wish::Keep,
        (Some(""), Some(_)) => Wish::Remove,
        // Browsers send line ends as CR LF.
        (Some(given), Some(before)) if given.replace("\r\n", "\n") == before.trim() => Wish::Keep,
        (Some(given), _) => Wish::Set(given.replace("\r\n", "\n")),
    }
}

fn value(field: &Field, text: &str) -> Result<Value, String> {
    match field.kind {
        Kind::Switch => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err("must be true or false".to_owned()),
        },
        Kind::Number => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .map_err(|_| "must be a number".to_owned()),
        Kind::Toml => text
            .parse()
            .map_err(|_| "must be a list as in the file, for example [\"one\", \"two\"]".to_owned()),
        Kind::Choice(_) | Kind::Text | Kind::Duration | Kind::Secret => Ok(text.into()),
    }
}

fn set(document: &mut DocumentMut, section: &str, key: &str, mut value: Value) {
    let settings = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let Some(settings) = settings.as_table_like_mut() else { return };
    match settings.get_mut(key) {
        Some(Item::Value(old)) => {
            // The comment behind it stays.
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            settings.insert(key, Item::Value(value));
        }
    }
}

/// Removes a setting. The comments above it and behind it go to what follows it.
fn remove(document: &mut DocumentMut, section: &str, key: &str) {
    let Some(settings) = document.get_mut(section).and_then(Item::as_table_like_mut) else { return };
    let keys: Vec<String> = settings.iter().map(|(key, _)| key.to_owned()).collect();
    let next = keys.iter().skip_while(|one| *one != key).nth(1).cloned();
    let raw =
        |text: Option<&toml_edit::RawString>| text.and_then(toml_edit::RawString::as_str).map(str::to_owned);
    let mut comment = settings.key(key).and_then(|key| raw(key.leaf_decor().prefix())).unwrap_or_default();
    if let Some(behind) =
        settings.get(key).and_then(Item::as_value).and_then(|value| raw(value.decor().suffix()))
        && !behind.trim().is_empty()
    {
        comment = format!("{comment}{}\n", behind.trim());
    }
    settings.remove(key);
    if comment.trim().is_empty() {
        return;
    }
    if let Some(mut next) = next.as_ref().and_then(|next| settings.key_mut(next)) {
        let own = raw(next.leaf_decor().prefix()).unwrap_or_default();
        next.leaf_decor_mut().set_prefix(format!("{comment}{own}"));
        return;
    }
    let sections: Vec<String> = document.iter().map(|(name, _)| name.to_owned()).collect();
    let after = sections.iter().skip_while(|one| *one != section).nth(1).cloned();
    match after.as_ref().and_then(|after| document.get_mut(after)).and_then(Item::as_table_mut) {
        Some(table) => {
            let own = raw(table.decor().prefix()).unwrap_or_default();
            table.decor_mut().set_prefix(format!("{comment}{own}"));
        }
        None => {
            let own = raw(Some(document.trailing())).unwrap_or_default();
            document.set_trailing(format!("{comment}{own}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FILE: &str = "# The north gate.\n\n[site]\n# Shown on the page.\nname = \"North gate\" # short\ntime_zone = \"Asia/Kolkata\"\n\n\
        # Ask Anna before changing this.\n[webhook]\nurl = \"https://backend.example/hook\"\n# From the office, 3 March.\nkey = \"0ld-s3cr3t\"\n\n\
        [photos]\ninterval = \"5m\"   # not faster\n";

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn edit(pairs: &[(&str, &str)]) -> String {
        edited(FILE, &form(pairs)).unwrap().0
    }

    #[test]
    fn comments_and_order_survive_a_change() {
        let text = edit(&[("site.name", "South gate"), ("webhook.key", "n3w"), ("webhook.batch_rows", "50")]);
        assert_eq!(
            text,
            FILE.replace("North gate\"", "South gate\"")
                .replace("0ld-s3cr3t\"\n", "n3w\"\nbatch_rows = 50\n")
        );
        let text = edit(&[("liveness.require", "passive"), ("camera.mirror", "true")]);
        assert!(text.starts_with(FILE), "{text}");
        assert!(
            text.contains("[liveness]\nrequire = \"passive\"") && text.contains("[camera]\nmirror = true")
        );
    }

    #[test]
    fn a_removed_setting_leaves_its_comments() {
        let text = edit(&[
            ("site.name", ""),
            ("webhook.url!remove", "on"),
            ("webhook.key!remove", "on"),
            ("photos.interval", ""),
        ]);
        for comment in [
            "# The north gate.",
            "# Shown on the page.",
            "# short",
            "# Ask Anna",
            "# From the office",
            "# not faster",
        ] {
            assert!(text.contains(comment), "{comment}: {text}");
        }
        assert!(!text.contains("North") && !text.contains("s3cr3t") && !text.contains("interval"), "{text}");
    }

    #[test]
    fn an_unchanged_form_changes_nothing() {
        let mut pairs: Vec<_> = written(FILE).into_iter().collect();
        pairs
            .iter_mut()
            .filter(|(name, _)| name == "webhook.key" || name == "webhook.url")
            .for_each(|(_, value)| value.clear());
        pairs.push(("camera.width".to_owned(), String::new()));
        assert_eq!(edited(FILE, &pairs).unwrap().0, FILE);
    }

    #[test]
    fn all_wrong_values_are_told_with_their_settings() {
        let wrong =
            edited(FILE, &form(&[("webhook.batch_rows", "many"), ("page.tokens", "[{")])).unwrap_err();
        let names: Vec<_> = wrong.iter().filter_map(|one| one.setting.as_deref()).collect();
        assert_eq!(names, ["webhook.batch_rows", "page.tokens"]);
        let wrong = edited(FILE, &form(&[("webhook.batch_rows", "0"), ("camera.width", "9")])).unwrap_err();
        let names: Vec<_> = wrong.iter().filter_map(|one| one.setting.as_deref()).collect();
        assert_eq!(names.len(), 2, "{wrong:?}");
    }

    #[test]
    fn changes_hide_secrets() {
        let after = edit(&[("webhook.key", "n3w"), ("site.name", "South gate"), ("photos.interval", "")]);
        let changes = changes(FILE, &after);
        let told = format!("{changes:?}");
        assert!(!told.contains("s3cr3t") && !told.contains("n3w"), "{told}");
        let one = |name: &str| changes.iter().find(|change| change.name == name).unwrap().clone();
        assert_eq!(one("site.name").after, "South gate");
        assert_eq!(
            (one("photos.interval").before, one("photos.interval").after),
            ("5m".into(), "5m (default)".into())
        );
        assert!(!needs_confirmation(&changes));
        for (name, value) in [
            ("page.session_idle", "5m"),
            ("network.addresses", "[\"192.0.2.10/24\"]"),
            ("network.proxy", "http://proxy.example:3128"),
        ] {
            let changes = super::changes(FILE, &edit(&[(name, value)]));
            assert!(needs_confirmation(&changes) && changes.len() == 1, "{name}: {changes:?}");
        }
    }

    #[test]
    fn read_only_settings_cannot_be_changed() {
        assert_eq!(edit(&[("site.data_dir", "/elsewhere")]), FILE);
        let elsewhere = FILE.replace("[site]\n", "[site]\ndata_dir = \"/elsewhere\"\n");
        assert_eq!(forbidden(FILE, &elsewhere).len(), 1);
        assert!(forbidden(FILE, FILE).is_empty());
    }
}
