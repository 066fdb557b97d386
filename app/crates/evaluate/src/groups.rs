//! Errors by groups of people, from a file of labels: an average hides whom a threshold serves badly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vision::embedding::Embedding;

use super::pictures::EvaluateError;
use super::statistics::Rate;

/// Longest file of labels.
const MAX_BYTES: u64 = 64 << 20;

/// The groups of each person.
pub type Labels = BTreeMap<String, Vec<String>>;

/// Errors of single comparisons within one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The label.
    pub name: String,
    /// People of the group with a picture that counts.
    pub people: usize,
    /// Pairs of different people of this group at or above the threshold.
    pub fmr: Rate,
    /// Pairs of one person below it.
    pub fnmr: Rate,
}

/// Reads labels: a line for each person, the folder's name and their groups, separated by commas. Empty lines
/// and lines with `#` are left out.
///
/// # Errors
/// [`EvaluateError`] when the file cannot be read, or a line has no group.
pub fn read(path: &Path) -> Result<Labels, EvaluateError> {
    let unreadable = |source| EvaluateError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(unreadable(std::io::Error::other("larger than any file of labels")));
    }
    parse(&std::fs::read_to_string(path).map_err(unreadable)?).map_err(|line| {
        EvaluateError::TooLittle(format!(
            "{}, line {line}: expected a folder's name, a comma and a group",
            path.display()
        ))
    })
}

fn parse(text: &str) -> Result<Labels, usize> {
    let mut labels = Labels::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split(',').map(|field| field.trim().to_owned());
        let person = fields.next().filter(|name| !name.is_empty()).ok_or(index + 1)?;
        let groups: Vec<_> = fields.filter(|group| !group.is_empty()).collect();
        if groups.is_empty() {
            return Err(index + 1);
        }
        labels.entry(person).or_default().extend(groups);
    }
    Ok(labels)
}

/// The errors of every group at a threshold. Pure.
pub fn errors(
    people: &BTreeMap<String, Vec<PathBuf>>,
    embedded: &BTreeMap<PathBuf, Option<Embedding>>,
    labels: &Labels,
    threshold: f32,
) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<Vec<&Embedding>>> = BTreeMap::new();
    for (person, paths) in people {
        let faces: Vec<_> = paths.iter().filter_map(|path| embedded.get(path)?.as_ref()).collect();
        for group in labels.get(person).into_iter().flatten().filter(|_| !faces.is_empty()) {
            groups.entry(group).or_default().push(faces.clone());
        }
    }
    let group = |(name, people): (&str, Vec<Vec<&Embedding>>)| {
        let ((mut matched, mut different), (mut missed, mut same)) = ((0, 0), (0, 0));
        for (index, faces) in people.iter().enumerate() {
            for (at, face) in faces.iter().enumerate() {
                for other in &faces[at + 1..] {
                    same += 1;
                    missed += usize::from(face.similarity(other) < threshold);
                }
                for other in people[index + 1..].iter().flatten() {
                    different += 1;
                    matched += usize::from(face.similarity(other) >= threshold);
                }
            }
        }
        let (fmr, fnmr) = (Rate::of(matched, different), Rate::of(missed, same));
        Group { name: name.to_owned(), people: people.len(), fmr, fnmr }
    };
    groups.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vision::embedding::DIMENSIONS;

    #[test]
    fn group_of_people_who_look_alike_has_the_higher_rate() {
        let labels = parse("# made up\n\na,x\nb, x, old\nc,y\nd,y\n").unwrap();
        assert_eq!(labels["b"], ["x", "old"]);
        assert_eq!(parse("a\n"), Err(1));
        let face = |angle: f32| {
            let mut raw = [0.0; DIMENSIONS];
            (raw[0], raw[1]) = (angle.cos(), angle.sin());
            Some(Embedding::normalised(&raw).unwrap())
        };
        let (mut people, mut embedded) = (BTreeMap::new(), BTreeMap::new());
        for (name, angles) in [("a", [0.0, 0.1]), ("b", [0.2, 0.3]), ("c", [0.0, 1.5]), ("d", [3.0, 3.1])] {
            for (number, angle) in angles.into_iter().enumerate() {
                let path = PathBuf::from(format!("{name}/{number}.jpg"));
                embedded.insert(path.clone(), face(angle));
                people.entry(name.to_owned()).or_insert_with(Vec::new).push(path);
            }
        }
        let [old, x, y] = &errors(&people, &embedded, &labels, 0.5)[..] else { unreachable!("three groups") };
        assert_eq!((old.people, old.fmr.trials), (1, 0));
        assert_eq!((x.fmr.events, x.fmr.trials, x.fnmr.events), (4, 4, 0));
        assert_eq!((y.fmr.events, y.fnmr.events, y.fnmr.trials), (0, 1, 2));
    }
}
