//! Takes students out of texts that leave the site. Pure.
//!
//! Which words are roll numbers is known from the roster and the rows; a number of five digits or more is taken for one, because
//! a webhook may name a student whom the device does not know.

use std::collections::HashSet;

use serde_json::Value;

use super::view::{Roster, View};

/// What stands where a student stood.
const LEFT_OUT: &str = "(left out)";
/// The shortest number that is taken for a roll number: years, ports and most counts are shorter.
const FEWEST_DIGITS: usize = 5;
/// How lines of the log begin that say who was seen or recorded, as [`crate::event::Event`] words them.
const WHO_WAS_SEEN: [&str; 5] = ["Recognised ", "IN ", "OUT ", "No row for ", "The row of "];

/// Knows whom to leave out.
pub(super) struct Anonymous(HashSet<String>);

impl Anonymous {
    /// Leaves out everybody who stands in these.
    pub(super) fn knowing(view: &View, roster: &Roster) -> Self {
        let refused = roster.refused.iter().chain(&view.roster.refused);
        // `<roll>/<file>`, or two of them.
        let folders =
            refused.flat_map(|photo| photo.photo.split(", ").filter_map(|path| path.split('/').next()));
        let students = roster.students.iter().map(|student| student.name.as_str());
        let rows = view.today.rows.iter().map(|row| row.name.as_str());
        let refused_rows = view.upload.needs_person.iter().map(|row| row.name.as_str());
        Self(folders.chain(students).chain(rows).chain(refused_rows).map(str::to_owned).collect())
    }

    /// `text` without roll numbers, and without the rest of a path that begins with one.
    pub(super) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(in_a_word) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !in_a_word(c)).unwrap_or(from.len()));
            out.push_str(before);
            rest = after;
            if !self.names(word) {
                out.push_str(word);
                continue;
            }
            out.push_str(LEFT_OUT);
            if after.starts_with('/') {
                // A file's name may hold the student's; where it ends is known by what follows only.
                rest = &after[after.find([':', ';', ',', '"', ')', '\n']).unwrap_or(after.len())..];
            }
        }
        out + rest
    }

    /// Every text of a JSON value without roll numbers.
    pub(super) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A line of the log without roll numbers; none when it says who was seen when.
    pub(super) fn log_line(&self, line: &str) -> Option<String> {
        let (_, said) = line.split_once(' ').unwrap_or(("", line));
        let said = ["ERROR: ", "WARN: ", "DEBUG: ", "TRACE: "]
            .iter()
            .find_map(|level| said.strip_prefix(level))
            .unwrap_or(said);
        (!WHO_WAS_SEEN.iter().any(|start| said.starts_with(start))).then(|| self.text(line))
    }

    /// Whether a word is somebody's number, perhaps as a file's name.
    fn names(&self, word: &str) -> bool {
        let stem = word.split('.').next().unwrap_or(word);
        self.0.contains(stem) || stem.len() >= FEWEST_DIGITS && stem.bytes().all(|b| b.is_ascii_digit())
    }
}

/// What roll numbers, files and versions are made of: `1.3.0+20261118` is one word, and no student.
fn in_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.+".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_go_and_all_else_stays() {
        let anonymous = Anonymous(HashSet::from(["7".to_owned(), "CS-17".to_owned()]));
        for (text, expected) in [
            ("Student not found: 2110002.", "Student not found: (left out)"),
            ("2110002.jpg and CS-17.png", "(left out) and (left out)"),
            ("https://b.example/media/CS-17/Asha Rao.jpg: 404", "https://b.example/media/(left out): 404"),
            ("\"7/a b.jpg\", 7", "\"(left out)\", (left out)"),
            ("at 2026-11-22T09:30:17Z from 10.0.7.9 port 8443, version 1.3.0+20261118.1610", ""),
            ("CS-170 and 17 é", ""),
            ("", ""),
        ] {
            assert_eq!(anonymous.text(text), if expected.is_empty() { text } else { expected });
        }
    }
}
