//! Who was erased: a question that the rest of the program may ask, without a list of names.

use std::fmt;
use std::sync::Arc;

use crate::identity::RollNumber;

/// Stands in a text for a roll number that was in it.
const REMOVED: &str = "[erased]";

/// Answers whether a student was erased. Nobody by default. Cheap to clone.
#[derive(Clone, Default)]
pub struct Erased(Option<Arc<Answers>>);

/// Whether the student with this roll number was erased.
type Answers = dyn Fn(&RollNumber) -> bool + Send + Sync;

impl Erased {
    /// Asks `answer` each time.
    pub fn new(answer: impl Fn(&RollNumber) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(answer)))
    }

    /// Whether this student was erased.
    pub fn holds(&self, roll: &RollNumber) -> bool {
        self.0.as_ref().is_some_and(|answer| answer(roll))
    }

    /// Whether this text is the roll number of an erased student.
    pub fn is(&self, text: &str) -> bool {
        self.0.is_some() && RollNumber::parse(text).is_ok_and(|roll| self.holds(&roll))
    }

    /// Whether the folder at this depth of a path (0: the first) is an erased student's.
    pub fn in_path(&self, path: &str, depth: usize) -> bool {
        path.split('/').nth(depth).is_some_and(|name| self.is(name))
    }

    /// Whether a text names an erased student.
    pub fn in_text(&self, text: &str) -> bool {
        self.0.is_some() && text.split(|c| !is_part(c)).any(|word| self.is(word))
    }

    /// The text, with another word in the place of each roll number of an erased student.
    pub fn without(&self, text: &str) -> String {
        let mut left = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            left.push_str(if self.is(&rest[..word]) { REMOVED } else { &rest[..word] });
            rest = &rest[word..];
            let between = rest.find(is_part).unwrap_or(rest.len());
            left.push_str(&rest[..between]);
            rest = &rest[between..];
        }
        left
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Erased(..)" } else { "Erased(nobody)" })
    }
}

/// Whether a roll number may have this character.
fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_loses_the_roll_number_and_nothing_else() {
        let erased = Erased::new(|roll| roll.as_str() == "2110001");
        let text = "Student 2110001: not found; 21100011 is (é).";
        assert!(erased.in_text(text));
        assert_eq!(erased.without(text), "Student [erased]: not found; 21100011 is (é).");
        assert!(!erased.in_text("21100011 and 211000"));
        assert!(erased.in_path("9 B/2110001/a.jpg", 1) && !erased.in_path("9 B/2110001/a.jpg", 0));
    }

    #[test]
    fn by_default_nobody_is_erased() {
        assert!(!Erased::default().is("7") && !Erased::default().in_text("7"));
        assert_eq!(Erased::default().without("7, 8"), "7, 8");
    }
}
