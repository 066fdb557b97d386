//! What people are called, by roll number: filled by whoever knows, read by the screen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::identity::RollNumber;

/// Names that are kept; a school has some thousand students.
const MOST: usize = 20_000;
/// Longest name kept, characters. What is longer is cut: the screen has no room for it.
const LONGEST: usize = 80;

/// Names by roll number, shared and cheap to clone. They are kept in memory only.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<Mutex<BTreeMap<RollNumber, String>>>);

impl Names {
    /// Takes a name over. An empty one is forgotten.
    pub fn learn(&self, roll: &RollNumber, name: &str) {
        let name: String = readable(name).chars().take(LONGEST).collect();
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if name.is_empty() {
            names.remove(roll);
        } else if names.len() < MOST || names.contains_key(roll) {
            names.insert(roll.clone(), name);
        }
    }

    /// The name of `roll`, where one is known.
    pub fn of(&self, roll: &RollNumber) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(roll).cloned()
    }
}

/// A name without what is not read: emoji, control characters, marks that change the direction of writing,
/// and more than one blank in a row.
fn readable(name: &str) -> String {
    let kept: String =
        name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(is_read).collect();
    kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_read(c: &char) -> bool {
    let joiner = matches!(*c, '\u{200c}' | '\u{200d}');
    let unseen =
        matches!(*c as u32, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfe00..=0xfe0f);
    let picture = matches!(*c as u32, 0x2190..=0x2bff | 0x1f000.. | 0xe000..=0xf8ff);
    joiner || (!c.is_control() && !unseen && !picture)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_cut_and_freed_of_what_nobody_reads() {
        let names = Names::default();
        let roll = RollNumber::parse("7").unwrap();
        names.learn(&roll, "  Asha 🎓\u{202e}\n Rao ");
        assert_eq!(names.of(&roll).as_deref(), Some("Asha Rao"));
        names.learn(&roll, &"x".repeat(500));
        assert_eq!(names.of(&roll).unwrap().chars().count(), LONGEST);
        names.learn(&roll, "क्‍ष");
        assert_eq!(names.of(&roll).as_deref(), Some("क्‍ष"), "a joiner is part of the writing");
        names.learn(&roll, "🎓🎓");
        assert_eq!(names.of(&roll), None);
    }
}
