//! Takes students out of texts that leave the site. Pure.
//!
//! The program's own log says itself what names a person ([`base::redaction`]), and comes here without it.
//! This is for words from outside, such as a server's, and for the state: nobody marked students in them.
//!
//! Which words are roll numbers is known from the roster and the rows; a number of five digits or more is
//! taken for one, because a webhook may name a student whom the device does not know. Folders and files may
//! be called after students: their names are known from the roster, too, and what follows a roll number and a
//! slash is taken for one.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use base::redaction::LEFT_OUT;
use view::{Roster, View};

/// The shortest number that is taken for a roll number: years, ports and most counts are shorter.
const FEWEST_DIGITS: usize = 5;
/// How names of photos end.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "gif", "bmp", "webp"];
/// Knows whom to leave out.
pub(super) struct Anonymous {
    words: HashSet<String>,
    /// Names and paths that are not left out as words: with blanks, or with letters that no roll number has.
    /// The longest first.
    phrases: Vec<String>,
}

impl Anonymous {
    /// Leaves out everybody who stands in these.
    pub(super) fn knowing(view: &View, roster: &Roster) -> Self {
        let refused = roster.refused.iter().chain(&view.roster.refused).map(|photo| photo.photo.as_str());
        let enrolled = roster.students.iter().flat_map(|student| &student.photos).map(String::as_str);
        let students = roster.students.iter().map(|student| student.name.as_str());
        let today = view.today.rows.iter().chain(&view.today.corrected);
        let rows = today.map(|row| row.name.as_str());
        let refused_rows = view.upload.needs_person.iter().map(|row| row.name.as_str());
        Self::of(&refused.chain(enrolled).collect::<Vec<_>>(), students.chain(rows).chain(refused_rows))
    }

    /// Leaves out these paths, `<roll>/<file>` or two of them, and these names.
    fn of<'a>(paths: &[&'a str], names: impl Iterator<Item = &'a str>) -> Self {
        let folders =
            paths.iter().flat_map(|path| path.split(", ")).filter_map(|path| path.split('/').next());
        let words = folders.chain(names).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let mut known = Self { words, phrases: Vec::new() };
        let mut phrases = BTreeSet::new();
        for name in paths.iter().flat_map(|path| [Some(*path), path.split('/').next()]).flatten() {
            if !name.is_empty() && known.without_words(name) != LEFT_OUT {
                let quoted = format!("{name:?}");
                phrases.insert(quoted[1..quoted.len() - 1].to_owned());
                phrases.insert(name.to_owned());
            }
        }
        known.phrases = phrases.into_iter().collect();
        known.phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
        known
    }

    /// `text` without roll numbers, and without the names of folders and files that are known or begin with
    /// one.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for phrase in &self.phrases {
            if text.contains(phrase.as_str()) {
                text = without(&text, phrase);
            }
        }
        self.without_words(&text)
    }

    fn without_words(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(in_a_word) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !in_a_word(c)).unwrap_or(from.len()));
            out.push_str(before);
            let left_out = self.names(word);
            out.push_str(if left_out { LEFT_OUT } else { word });
            rest = if left_out { after_path(after) } else { after };
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

    /// Whether a word is somebody's number, perhaps as a file's name.
    fn names(&self, word: &str) -> bool {
        let stem = word.split('.').next().unwrap_or(word);
        self.words.contains(stem) || stem.len() >= FEWEST_DIGITS && stem.bytes().all(|b| b.is_ascii_digit())
    }
}

/// What roll numbers, files and versions are made of: `1.3.0+20261118` is one word, and no student.
fn in_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.+".contains(c)
}

/// `text` without `phrase`, where it is a word of its own, and without the path that begins with it.
fn without(text: &str, phrase: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(phrase) {
        let in_another = before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if in_another { phrase } else { LEFT_OUT });
        rest = if in_another { after } else { after_path(after) };
    }
    out + rest
}

/// What follows a name that is left out, and the path that may begin with it. A file's name may hold the
/// student's, with blanks and commas: a photo's extension ends it. Without an extension, only the text that
/// follows shows where it ends.
fn after_path(after: &str) -> &str {
    if !after.starts_with('/') {
        return after;
    }
    let line = after.split('\n').next().unwrap_or(after);
    // After a colon and a blank comes the reason.
    let path = line.split(": ").next().unwrap_or(line).to_ascii_lowercase();
    let photo = EXTENSIONS
        .iter()
        .filter_map(|extension| Some(path.rfind(&format!(".{extension}"))? + 1 + extension.len()))
        .max();
    let end = photo.or_else(|| line.find([':', ';', ',', '"', ')']));
    &after[end.unwrap_or(line.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_go_and_all_else_stays() {
        let paths = ["Asha Rao", "Özil", "a", "2110004/Rao: \"Asha\".jpg", ""];
        let anonymous = Anonymous::of(&paths, ["7", "CS-17"].into_iter());
        for (text, expected) in [
            ("Student not found: 2110002.", "Student not found: (left out)"),
            ("2110002.jpg and CS-17.png", "(left out) and (left out)"),
            ("https://b.example/media/CS-17/Asha Rao.jpg: 404", "https://b.example/media/(left out): 404"),
            ("\"7/a b.jpg\", 7", "\"(left out)\", (left out)"),
            ("2110005/Rao, Asha (1).JPG is not enrolled: no face", "(left out) is not enrolled: no face"),
            ("https://b.example/2110005/Rao,%20Asha.jpg: 404", "https://b.example/(left out): 404"),
            ("2110004/Rao: \"Asha\".jpg is damaged", "(left out) is damaged"),
            ("\"2110004/Rao: \\\"Asha\\\".jpg\" is damaged", "\"(left out)\" is damaged"),
            (
                "\"Asha Rao\" and Asha Rao/Ravi.jpg, and Özil.",
                "\"(left out)\" and (left out), and (left out).",
            ),
            ("XAsha Rao and Asha Raoul wait", ""),
            ("at 2026-11-22T09:30:17Z from 10.0.7.9 port 8443, version 1.3.0+20261118.1610", ""),
            ("CS-170 and 17 é", ""),
            ("", ""),
        ] {
            assert_eq!(anonymous.text(text), if expected.is_empty() { text } else { expected });
        }
    }
}
