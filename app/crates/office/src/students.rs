//! The students' list: roll numbers, names and classes, read from the CSV file that a school has.

use std::collections::BTreeMap;

use base::failure::{Diagnosis, Fault};
use base::identity::RollNumber;
use serde::{Deserialize, Serialize};

/// Largest file taken, bytes.
pub const MOST_BYTES: usize = 2 << 20;
/// Most students on a list.
pub const MOST: usize = 20_000;
/// Lines that were left out and are told of; the others are counted.
const MOST_TOLD: usize = 50;
/// Longest name and class, characters; what is longer is cut.
const LONGEST_NAME: usize = 80;
const LONGEST_CLASS: usize = 40;

/// How headings are spelt, in small letters and without blanks and signs.
const ROLL: &[&str] = &[
    "roll",
    "rollno",
    "rollnumber",
    "rollnr",
    "rollnum",
    "enrollment",
    "enrolment",
    "enrollmentno",
    "enrolmentno",
    "enrollmentnumber",
    "enrolmentnumber",
    "enrollmentid",
    "enrolmentid",
    "admissionno",
    "admissionnumber",
    "registrationno",
    "registrationnumber",
    "regno",
    "studentid",
    "studentno",
    "studentnumber",
    "id",
];
const NAME: &[&str] = &["name", "studentname", "fullname", "student", "nameofstudent", "nameofthestudent"];
const FIRST: &[&str] = &["firstname", "givenname", "forename", "first"];
const LAST: &[&str] = &["lastname", "surname", "familyname", "last"];
const CLASS: &[&str] =
    &["class", "classname", "grade", "form", "group", "standard", "std", "year", "course", "branch"];
const SECTION: &[&str] = &["section", "sec", "division", "div"];

/// A student as the list has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Roll number.
    pub roll: RollNumber,
    /// Name; empty when the list has none.
    #[serde(default)]
    pub name: String,
    /// Class; empty when the list has none.
    #[serde(default)]
    pub class: String,
}

/// A list that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The students, by roll number.
    pub students: BTreeMap<RollNumber, Listed>,
    /// Lines that were left out, and why; at most the first fifty.
    pub left_out: Vec<String>,
    /// How many lines were left out in all.
    pub left_out_count: usize,
}

/// Why a file is no students' list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Too many bytes.
    #[error("{}", self.fault())]
    TooLarge,
    /// Too many students.
    #[error("{}", self.fault())]
    TooMany,
    /// No column of roll numbers.
    #[error("{}", self.fault())]
    NoRollNumbers {
        /// The first line, shortened.
        headings: String,
    },
    /// Not one line is a student.
    #[error("{}", self.fault())]
    Empty {
        /// Why the first line was left out.
        reason: String,
    },
}

impl Diagnosis for ListError {
    fn fault(&self) -> Fault {
        match self {
            Self::TooLarge => Fault::new(format!("the list is larger than {} MiB", MOST_BYTES >> 20))
                .advise("save only the columns roll, name and class as CSV"),
            Self::TooMany => Fault::new(format!("the list has more than {MOST} students"))
                .advise("keep only the students who pass this door"),
            Self::NoRollNumbers { headings } => Fault::new(format!(
                "no column of the list holds roll numbers; the first line is {headings:?}"
            ))
            .advise("save the list as CSV, with the first line \"roll,name,class\""),
            Self::Empty { reason } => Fault::new(format!("no line of the list is a student{reason}"))
                .advise("write one student a line, below the line \"roll,name,class\""),
        }
    }
}

/// Reads a list: UTF-8, UTF-16 with its mark, or else Windows-1252; separated by comma, semicolon or
/// tabulator; columns in any order, named by the first line.
///
/// A line without a roll number, or with one that another line has, is left out and told.
///
/// # Errors
/// [`ListError`].
pub fn parse(bytes: &[u8]) -> Result<List, ListError> {
    if bytes.len() > MOST_BYTES {
        return Err(ListError::TooLarge);
    }
    let decoded = decode(bytes);
    let Table { said, text, separator } = Table::of(&decoded);
    let first = first_line(text);
    let mut lines = lines(text, separator);
    let no_headings = || ListError::NoRollNumbers {
        headings: first.chars().take(80).filter(|c| !c.is_control()).collect(),
    };
    let headings =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.iter().any(|cell| !cell.is_empty())));
    let headings = headings.and_then(Result::ok).ok_or_else(no_headings)?;
    let columns = Columns::of(&headings).ok_or_else(no_headings)?;
    let mut list = List::default();
    for line in lines {
        let Ok(line) = line else { continue };
        if line.iter().all(str::is_empty) {
            continue;
        }
        let at = line.position().map_or(0, csv::Position::line) + u64::from(said.is_some());
        match columns.student(&line) {
            Ok(student) if list.students.contains_key(&student.roll) => {
                list.leave_out(at, &format!("{} stands on an earlier line", student.roll));
            }
            Ok(_) if list.students.len() >= MOST => return Err(ListError::TooMany),
            Ok(student) => {
                list.students.insert(student.roll.clone(), student);
            }
            Err(reason) => list.leave_out(at, &reason),
        }
    }
    if list.students.is_empty() {
        let reason = list.left_out.first().map_or_else(String::new, |first| format!(" ({first})"));
        return Err(ListError::Empty { reason });
    }
    Ok(list)
}

/// The list without the lines of some students, as UTF-8; none where it has no such line. In a table without
/// a column of roll numbers, every line with such a roll number in any cell is removed.
pub fn without(bytes: &[u8], is_erased: impl Fn(&RollNumber) -> bool) -> Option<Vec<u8>> {
    let decoded = decode(bytes);
    let Table { text, separator, .. } = Table::of(&decoded);
    let begins = decoded.len() - text.len();
    let erased =
        |cell: &str| RollNumber::parse(cell.trim_start_matches('\'')).is_ok_and(|roll| is_erased(&roll));
    let headings = lines(text, separator).flatten().find(|line| line.iter().any(|cell| !cell.is_empty()));
    let roll = headings.as_ref().and_then(Columns::of).map(|columns| columns.roll);
    let mut gone = Vec::new();
    let mut going = false;
    for line in lines(text, separator).flatten() {
        let at = line.position().map_or(0, |position| begins + position.byte() as usize);
        let goes = match roll {
            Some(column) => line.get(column).is_some_and(erased),
            None => line.iter().any(erased),
        };
        if goes != going {
            gone.push(at);
            going = goes;
        }
    }
    if gone.is_empty() {
        return None;
    }
    if going {
        gone.push(decoded.len());
    }
    let mut left = String::with_capacity(decoded.len());
    let mut from = 0;
    for span in gone.chunks_exact(2) {
        left.push_str(decoded.get(from..span[0]).unwrap_or_default());
        from = span[1];
    }
    left.push_str(decoded.get(from..).unwrap_or_default());
    Some(left.into_bytes())
}

/// A list as text, and how its columns are separated.
struct Table<'t> {
    /// The separator that Excel's own first line names.
    said: Option<char>,
    /// The rest.
    text: &'t str,
    separator: u8,
}

impl<'t> Table<'t> {
    fn of(text: &'t str) -> Self {
        // Excel's own first line, which names the separator.
        let (said, text) = match text.split_once('\n') {
            Some((first, rest)) if first.to_ascii_lowercase().starts_with("sep=") => {
                (first.chars().nth(4), rest)
            }
            _ => (None, text),
        };
        let told = said.filter(|c| [',', ';', '\t'].contains(c));
        Self { said, text, separator: told.map_or_else(|| separator(first_line(text)), |c| c as u8) }
    }
}

/// The first line that is not empty.
fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

fn lines(text: &str, separator: u8) -> impl Iterator<Item = csv::Result<csv::StringRecord>> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
        .into_records()
}

impl List {
    fn leave_out(&mut self, line: u64, reason: &str) {
        self.left_out_count += 1;
        if self.left_out.len() < MOST_TOLD {
            self.left_out.push(format!("line {line}: {reason}"));
        }
    }

    /// The name of a student; empty where there is none.
    pub fn name(&self, roll: &RollNumber) -> &str {
        self.students.get(roll).map_or("", |student| student.name.as_str())
    }
}

/// Which columns hold what.
struct Columns {
    roll: usize,
    name: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    class: Option<usize>,
    section: Option<usize>,
}

impl Columns {
    fn of(headings: &csv::StringRecord) -> Option<Self> {
        let spelt: Vec<String> = headings.iter().map(folded).collect();
        // The better spelling comes first: "id" is a roll number only where nothing else is.
        let find = |words: &[&str]| words.iter().find_map(|word| spelt.iter().position(|cell| cell == word));
        Some(Self {
            roll: find(ROLL)?,
            name: find(NAME),
            first: find(FIRST),
            last: find(LAST),
            class: find(CLASS),
            section: find(SECTION),
        })
    }

    fn student(&self, line: &csv::StringRecord) -> Result<Listed, String> {
        let cell = |column: Option<usize>| column.and_then(|column| line.get(column)).unwrap_or_default();
        // What a spreadsheet puts before a number that it is to leave alone.
        let roll = cell(Some(self.roll)).trim_start_matches('\'');
        if roll.is_empty() {
            return Err("it has no roll number".to_owned());
        }
        let roll = RollNumber::parse(roll).map_err(|error| error.to_string())?;
        let name = match self.name {
            Some(_) => readable(cell(self.name), LONGEST_NAME),
            None => readable(&format!("{} {}", cell(self.first), cell(self.last)), LONGEST_NAME),
        };
        let class = readable(&format!("{} {}", cell(self.class), cell(self.section)), LONGEST_CLASS);
        Ok(Listed { roll, name, class })
    }
}

/// A heading in small letters, without blanks and signs.
fn folded(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The separator of a line: whichever of the three it has most of.
fn separator(line: &str) -> u8 {
    let count = |separator: &u8| line.bytes().filter(|byte| byte == separator).count();
    // The last of equals wins: the comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// A text without control characters and marks that change the direction of writing, with single blanks.
fn readable(text: &str, longest: usize) -> String {
    let hidden = |c: &char| {
        matches!(*c as u32, 0x200b | 0x200e..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff)
            || (c.is_control() && !c.is_whitespace())
    };
    let kept: String = text.chars().filter(|c| !hidden(c)).collect();
    let words = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(longest).collect::<String>().trim_end().to_owned()
}

fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => decode(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
        },
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Windows-1252: Latin-1, but for 32 places.
fn windows_1252(byte: u8) -> char {
    const OWN: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => OWN[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
#[path = "students_tests.rs"]
mod tests;
