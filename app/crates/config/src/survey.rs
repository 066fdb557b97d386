//! Everything that is wrong with a configuration, at once: syntax, unknown names, values of the wrong kind,
//! and values that cannot work. What is right of it is still read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::config::Config;
use super::fields::{self, Kind, Section};
use super::problems::problems;

/// Least likeness of two names (Jaro-Winkler, 0 to 1) at which one is suggested for the other.
const ALIKE: f64 = 0.8;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Line and column of the file, from 1; none for a setting that is not written.
    pub place: Option<(usize, usize)>,
    /// The setting, `section.key`; none where it is not known.
    pub setting: Option<String>,
    /// What is wrong and what is allowed, without the value of a secret.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}")?;
            if let Some(setting) = self.setting.as_ref().filter(|setting| !self.what.starts_with(&***setting))
            {
                write!(f, " ({setting})")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)
    }
}

/// What a text says, as far as it can be read, and everything that is wrong with it, by its place.
pub(super) fn survey(text: &str) -> (Config, Vec<Wrong>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut survey = Survey { text, ..Survey::default() };
    for error in &errors {
        survey.syntax(error);
    }
    let mut good = DeTable::new();
    for (name, value) in table.into_inner() {
        let known = fields::sections().iter().find(|section| section.name == *name.get_ref());
        let Some(known) = known else {
            survey.unknown_section(&name);
            continue;
        };
        let place = name.span();
        match value.into_inner() {
            DeValue::Table(settings) => {
                let right = survey.settings(known, settings);
                good.insert(name, Spanned::new(place, DeValue::Table(right)));
            }
            _ => {
                survey.found(place, Some(known.name.clone()), format!("is a section; write [{}]", known.name))
            }
        }
    }
    let config = match Config::deserialize(Deserializer::from(Spanned::new(0..0, good))) {
        Ok(config) => config,
        Err(error) => {
            survey.found(error.span().unwrap_or(0..0), None, error.message().to_owned());
            Config::default()
        }
    };
    survey.values(&config);
    survey.wrong.sort_by_key(|wrong| wrong.place.unwrap_or((usize::MAX, 0)));
    (config, survey.wrong)
}

#[derive(Default)]
struct Survey<'t> {
    text: &'t str,
    wrong: Vec<Wrong>,
    /// Where each setting stands that could be read.
    places: BTreeMap<String, (usize, usize)>,
    /// Settings that could not be read.
    unread: BTreeSet<String>,
}

impl Survey<'_> {
    /// One for each line: errors that only follow from the first error of a line are left out.
    fn syntax(&mut self, error: &Error) {
        let span = error.span().unwrap_or(0..0);
        let (line, column) = self.place(span.start);
        if self.has_fault(line) {
            return;
        }
        let setting = key_of(self.text.lines().nth(line - 1).unwrap_or(""));
        self.wrong.push(Wrong { place: Some((line, column)), setting, what: error.message().to_owned() });
    }

    fn has_fault(&self, line: usize) -> bool {
        self.wrong.iter().any(|wrong| wrong.place.is_some_and(|(other, _)| other == line))
    }

    fn found(&mut self, span: std::ops::Range<usize>, setting: Option<String>, what: String) {
        let place = self.place(span.start);
        if !self.has_fault(place.0) {
            self.wrong.push(Wrong { place: Some(place), setting, what });
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    fn unknown_section(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>) {
        let (written, sections) = (name.get_ref(), fields::sections());
        let belongs =
            sections.iter().find(|section| section.fields.iter().any(|field| field.key == **written));
        let what = match (belongs, nearest(written, sections.iter().map(|section| &*section.name))) {
            (Some(section), _) => format!("stands outside its section; it belongs below [{}]", section.name),
            (None, Some(near)) => format!("unknown section; did you mean [{near}]?"),
            (None, None) => {
                let all: Vec<_> = sections.iter().map(|section| &*section.name).collect();
                format!("unknown section; there are {}", all.join(", "))
            }
        };
        let setting = is_name(written).then(|| written.to_string());
        self.found(name.span(), setting, what);
    }

    /// The settings of one section that can be read.
    fn settings<'i>(&mut self, section: &Section, settings: DeTable<'i>) -> DeTable<'i> {
        let mut right = DeTable::new();
        for (key, value) in settings {
            let Some(field) = section.fields.iter().find(|field| field.key == *key.get_ref()) else {
                let what = unknown(key.get_ref(), section);
                let written = is_name(key.get_ref()).then(|| format!("{}.{}", section.name, key.get_ref()));
                self.found(key.span(), written, what);
                continue;
            };
            let name = format!("{}.{}", section.name, field.key);
            let place = self.place(key.span().start);
            // Alone, so that its error hides no other.
            let alone = DeTable::from_iter([(key.clone(), value.clone())]);
            let section_name = std::borrow::Cow::Owned(section.name.clone());
            let whole = DeTable::from_iter([(
                Spanned::new(key.span(), section_name),
                Spanned::new(key.span(), DeValue::Table(alone)),
            )]);
            match Config::deserialize(Deserializer::from(Spanned::new(0..0, whole))) {
                Ok(_) => {
                    self.places.insert(name, place);
                    right.insert(key, value);
                }
                Err(error) => {
                    let example = match field.kind {
                        Kind::Duration => "; write a time as \"90s\", \"15m\" or \"1h 30m\"",
                        _ => "",
                    };
                    let what = format!("{}{example}", error.message());
                    // Not the part that failed, which may lie within a list: the line of the setting's name
                    // and, of a list, that of the entry.
                    let span = error.span().filter(|span| *span != (0..0)).unwrap_or(key.span());
                    self.found(span, Some(name.clone()), what);
                    self.unread.insert(name);
                }
            }
        }
        right
    }

    /// Values that are well-formed and cannot work. What is wrong only because another setting could not be
    /// read is left out.
    fn values(&mut self, config: &Config) {
        let incomplete = !self.wrong.is_empty();
        for problem in problems(config) {
            if problem.settings.iter().any(|name| self.unread.contains(*name)) {
                continue;
            }
            let (setting, what) = (problem.setting().map(str::to_owned), problem.to_string());
            let place = setting.as_ref().and_then(|name| self.places.get(name)).copied();
            // "is missing" may be wrong where a line could not be read.
            if place.is_some() || !incomplete {
                self.wrong.push(Wrong { place, setting, what });
            }
        }
    }
}

fn unknown(key: &str, section: &Section) -> String {
    if let Some(near) = nearest(key, section.fields.iter().map(|field| &*field.key)) {
        return format!("unknown setting; did you mean {near}?");
    }
    let elsewhere = fields::sections().iter().find(|other| other.fields.iter().any(|field| field.key == key));
    if let Some(other) = elsewhere {
        return format!("unknown setting; there is one of this name below [{}]", other.name);
    }
    let all: Vec<_> = section.fields.iter().map(|field| &*field.key).collect();
    format!("unknown setting; [{}] has {}", section.name, all.join(", "))
}

/// The name that somebody may have meant.
fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&written.to_lowercase().replace('-', "_"), name);
    names
        .map(|name| (likeness(name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The key before the first `=` of a line. All of a line without a key may be a secret.
fn key_of(line: &str) -> Option<String> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && is_name(key)).then(|| key.to_owned())
}

/// Whether this is made of what keys are made of that need no quotes, and the dots between them.
fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        survey(text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_kinds_of_faults_are_told_at_once() {
        let text = "[site]\nname = \"gate\"\ntimezone = \"UTC\"\n[webhok]\nkey = \"s3cr3t\"\n[photos]\ninterval = \"5\"\n\
                    [webhook]\nbatch_rows = 0\nkey = s3cr3t\ntimeout = \"soon\"\n[camera]\nwidth = \"wide\"\nheight = 99999\n";
        let told = told(text);
        for (line, words) in [
            (3, "did you mean time_zone?"),
            (4, "did you mean [webhook]?"),
            (7, "\"15m\""),
            (9, "webhook.batch_rows: is 0; allowed is 1 to 1000"),
            (10, "key"),
            (11, "\"15m\""),
            (13, "camera.width"),
            (14, "camera.height: is 99999"),
        ] {
            let found =
                told.iter().filter(|one| one.starts_with(&format!("line {line}, "))).collect::<Vec<_>>();
            assert!(matches!(found[..], [one] if one.contains(words)), "line {line} {words:?}: {told:#?}");
        }
        assert_eq!(told.len(), 8, "{told:#?}");
        assert!(!told.join("\n").contains("s3cr3t"), "{told:#?}");
    }

    #[test]
    fn a_setting_in_the_wrong_place_is_told_where_it_belongs() {
        assert!(told("time_zone = \"UTC\"\n")[0].contains("below [site]"));
        assert!(told("[site]\nbatch_rows = 5\n")[0].contains("below [webhook]"));
        assert!(told("site = \"gate\"\n")[0].contains("write [site]"));
    }

    #[test]
    fn what_follows_from_another_fault_is_not_told() {
        let told = told("[webhook]\nurl = \"https://backend.example/hook\"\nkey = 5\n");
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].contains("webhook.key") && !told[0].contains("missing"), "{told:#?}");
    }

    #[test]
    fn what_is_right_is_read() {
        let (config, wrong) = survey("[site]\nname = \"gate\"\ntimezone = \"UTC\"\n[camera]\nwidth = 640\n");
        assert_eq!((config.site.name.as_str(), config.camera.width, wrong.len()), ("gate", 640, 1));
    }
}
