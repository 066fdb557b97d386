//! LFW's list of pairs (`pairs.txt`, View 2): a line with the number of folds and of pairs, then for each
//! fold as many matched pairs (`name i j`) and as many mismatched ones (`name i other j`).

use std::path::{Path, PathBuf};

/// Longest list read: the official one has 150 kB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Two pictures, and whether they show one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Path below the folder of images.
    pub one: PathBuf,
    /// Path below the folder of images.
    pub other: PathBuf,
    /// Whether both are one person.
    pub same: bool,
    /// The fold it belongs to, from 0.
    pub fold: usize,
}

/// The list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// It cannot be read.
    #[error("cannot read the pairs {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: std::io::Error,
    },
    /// A line is not of LFW's form.
    #[error("{}, line {line}: expected {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
}

/// Reads a list of pairs.
///
/// # Errors
/// [`PairsError`] with the line.
pub fn read(path: &Path) -> Result<Vec<Pair>, PairsError> {
    let unreadable = |source| PairsError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(unreadable(std::io::Error::other("larger than any list of pairs")));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text).map_err(|(line, expected)| PairsError::Malformed { path: path.to_owned(), line, expected })
}

fn parse(text: &str) -> Result<Vec<Pair>, (usize, &'static str)> {
    const HEAD: &str = "the number of folds and of pairs, such as \"10 300\"";
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split_whitespace().collect::<Vec<_>>()));
    let (_, head) = lines.next().ok_or((1, HEAD))?;
    let numbers: Vec<usize> = head.iter().filter_map(|number| number.parse().ok()).collect();
    // View 1's lists have one fold and name the number of pairs only.
    let per_kind = match numbers[..] {
        [pairs] | [_, pairs] if numbers.len() == head.len() && pairs > 0 => pairs,
        _ => return Err((1, HEAD)),
    };
    let mut pairs = Vec::new();
    for (line, words) in lines.filter(|(_, words)| !words.is_empty()) {
        let number = |word: &str| word.parse::<u32>().map_err(|_| (line, "a picture's number"));
        let (one, other, same) = match words[..] {
            [name, i, j] => (picture(name, number(i)?), picture(name, number(j)?), true),
            [name, i, other, j] => (picture(name, number(i)?), picture(other, number(j)?), false),
            _ => return Err((line, "\"name i j\" or \"name i other j\"")),
        };
        let (Some(one), Some(other)) = (one, other) else { return Err((line, "a name without path parts")) };
        pairs.push(Pair { one, other, same, fold: pairs.len() / (2 * per_kind) });
    }
    Ok(pairs)
}

fn picture(name: &str, number: u32) -> Option<PathBuf> {
    let plain = !name.contains(['/', '\\']) && !name.starts_with('.');
    plain.then(|| PathBuf::from(name).join(format!("{name}_{number:04}.jpg")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folds_follow_from_the_first_line() {
        let pairs = parse("2\t1\nAnn\t1\t2\nAnn\t1\tBob\t3\nCid\t1\t4\nDan\t2\tEve\t1\n").unwrap();
        let seen: Vec<_> = pairs.iter().map(|pair| (pair.same, pair.fold)).collect();
        assert_eq!(seen, [(true, 0), (false, 0), (true, 1), (false, 1)]);
        assert_eq!(pairs[1].other, PathBuf::from("Bob/Bob_0003.jpg"));
    }

    #[test]
    fn malformed_list_is_refused_with_its_line() {
        for (text, line) in
            [("", 1), ("x y\n", 1), ("1 1\nAnn 1\n", 2), ("1 1\nAnn one 2\n", 2), ("1 1\n../Ann 1 2\n", 2)]
        {
            assert_eq!(parse(text).unwrap_err().0, line, "{text:?}");
        }
    }
}
