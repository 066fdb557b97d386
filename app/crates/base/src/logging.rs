//! Where the log goes: to journald on the appliance, to the terminal at a desk, and the newest lines to the
//! page.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::redaction::{PERSONAL, SIGHTING, without};

/// Lines kept for the page and the support bundle: some hours of an ordinary day.
const RECENT_LINES: usize = 1000;
/// Longest line kept, bytes.
const RECENT_LINE_BYTES: usize = 1000;
/// Longest record that goes to the journal, bytes: everything of ours fits, and an attacker on the network
/// cannot fill the disk with words that an error message repeats.
const RECORD_BYTES: usize = 4000;

static RECENT: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());

/// The crates of this program: all their records are logged.
const OWN: [&str; 23] = [
    "access",
    "archive",
    "attendance",
    "backend",
    "base",
    "camera",
    "config",
    "door",
    "evaluate",
    "faces",
    "journal",
    "liveness",
    "model_files",
    "models",
    "office",
    "provision",
    "recognition",
    "settings",
    "site",
    "status",
    "update",
    "view",
    "vision",
];

/// A line that is remembered.
struct Line {
    text: String,
    /// The same without the people that it names; none where it says who was seen when.
    redacted: Option<String>,
}

/// Sends the log of this program to journald when standard error is connected to it, to standard error
/// otherwise.
///
/// Libraries are logged from warnings upward only: at `debug` the HTTP client would log whole URLs, and a URL
/// may be a credential.
pub fn start(level: LevelFilter) {
    let journal = systemd_journal_logger::connected_to_journal()
        .then(systemd_journal_logger::JournalLog::new)
        .and_then(Result::ok);
    let sink: Box<dyn Log> = match journal {
        Some(journal) => Box::new(journal),
        None => Box::new(terminal()),
    };
    // A second start (tests) keeps the first logger.
    if log::set_boxed_logger(Box::new(OwnFirst { sink, level })).is_ok() {
        log::set_max_level(level.max(LevelFilter::Warn));
    }
}

/// The newest lines, oldest first, at most `most`.
pub fn recent(most: usize) -> Vec<String> {
    let lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().skip(lines.len().saturating_sub(most)).map(|line| line.text.clone()).collect()
}

/// The same without what names a person, and without the lines that say who was seen when: what may leave the
/// site.
pub fn recent_redacted(most: usize) -> Vec<String> {
    let lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = lines.iter().skip(lines.len().saturating_sub(most));
    newest.filter_map(|line| line.redacted.clone()).collect()
}

fn terminal() -> env_logger::Logger {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Trace)
        .format(|out, record| {
            writeln!(out, "{} {}", out.timestamp_seconds(), line(record.level(), record.args()))
        })
        .build()
}

/// A record in one line; the level only where it is not the ordinary one.
fn line(level: log::Level, text: &dyn std::fmt::Display) -> String {
    if level == log::Level::Info { text.to_string() } else { format!("{level}: {text}") }
}

/// Passes our own records from `level`, everybody else's from warnings upward.
struct OwnFirst {
    sink: Box<dyn Log>,
    level: LevelFilter,
}

impl Log for OwnFirst {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let crate_name = metadata.target().split("::").next().unwrap_or_default();
        let own = OWN.contains(&crate_name);
        metadata.level() <= if own { self.level } else { self.level.min(LevelFilter::Warn) }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut marks = Marks::default();
        if let Err(error) = record.key_values().visit(&mut marks) {
            // Not all fields were read, so the record may name a student: it is treated as if it did.
            marks.sighting = true;
            debug_assert!(false, "the fields of a record cannot be read: {error}");
        }
        let whole = in_one_line(record.args().to_string());
        let redacted = (!marks.sighting).then(|| without(&whole, marks.personal.iter().map(String::as_str)));
        let text = shortened(whole, RECORD_BYTES);
        let mut bounded = Record::builder();
        bounded
            .metadata(record.metadata().clone())
            .module_path(record.module_path())
            .file(record.file())
            .line(record.line());
        // In one expression: the arguments live no longer.
        self.sink.log(&bounded.args(format_args!("{text}")).build());
        remember(record.level(), &text, redacted.as_deref());
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

/// What the fields of a record say about its text.
#[derive(Default)]
struct Marks {
    personal: Vec<String>,
    sighting: bool,
}

impl<'kvs> VisitSource<'kvs> for Marks {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        if key.as_str().starts_with(PERSONAL) {
            self.personal.push(in_one_line(value.to_string()));
        }
        self.sighting |= key.as_str() == SIGHTING;
        Ok(())
    }
}

/// `text` without what ends a line or commands a terminal: names of files, the words of a server and much
/// else come from outside.
fn in_one_line(text: String) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    if text.contains(char::is_control) { text.chars().map(plain).collect() } else { text }
}

/// `text` of at most `longest` bytes, with a mark where it was cut.
fn shortened(mut text: String, longest: usize) -> String {
    const CUT: &str = " …";
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest - CUT.len()));
        text.push_str(CUT);
    }
    text
}

fn remember(level: log::Level, text: &str, redacted: Option<&str>) {
    let now = OffsetDateTime::now_utc()
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .unwrap_or_default();
    let stamped = |text: &str| shortened(format!("{now} {}", line(level, &text)), RECENT_LINE_BYTES);
    let kept = Line { text: stamped(text), redacted: redacted.map(stamped) };
    let mut lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == RECENT_LINES {
        lines.pop_front();
    }
    lines.push_back(kept);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Keeps nothing but the length of the longest record.
    struct Measure(&'static AtomicUsize);

    impl Log for Measure {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &Record<'_>) {
            self.0.fetch_max(record.args().to_string().len(), Ordering::Relaxed);
        }
        fn flush(&self) {}
    }

    #[test]
    fn records_of_every_crate_of_ours_are_kept() {
        let crates =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).expect("the folder of crates");
        let names: Vec<_> = crates.flatten().map(|entry| entry.file_name()).collect();
        assert!(names.len() > 1);
        for name in &names {
            // `skipped` only helps tests.
            assert!(name == "skipped" || OWN.iter().any(|own| name == *own), "{name:?} is not in OWN");
        }
    }

    #[test]
    fn recent_lines_and_library_warnings_are_kept() {
        static LONGEST: AtomicUsize = AtomicUsize::new(0);
        let logger = OwnFirst { sink: Box::new(Measure(&LONGEST)), level: LevelFilter::Debug };
        let say = |target: &str, level, text: &str| {
            logger.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
        };
        say("hyper::client", log::Level::Debug, "GET /?key=s3cr3t");
        say("attendance::sync", log::Level::Debug, "first line");
        for number in 0..RECENT_LINES + 10 {
            say("attendance", log::Level::Info, &format!("line {number}"));
        }
        say("rustls", log::Level::Warn, &"é".repeat(30_000));
        assert_eq!(LONGEST.load(Ordering::Relaxed), RECORD_BYTES);
        let lines = recent(usize::MAX);
        assert_eq!(lines.len(), RECENT_LINES);
        assert!(lines.iter().all(|line| line.len() <= RECENT_LINE_BYTES && !line.contains("s3cr3t")));
        assert!(recent(2)[0].ends_with(&format!("line {}", RECENT_LINES + 9)));
        say("attendance", log::Level::Info, "a\n2026-11-22T09:31:07Z IN 7\u{1b}[2J\u{85}.jpg");
        let newest = recent(1).remove(0);
        say("journal::storage", log::Level::Info, "every crate of ours is heard");
        assert!(recent(1)[0].ends_with("every crate of ours is heard"));
        assert!(newest.ends_with(" a 2026-11-22T09:31:07Z IN 7\u{fffd}[2J\u{fffd}.jpg"), "{newest:?}");
    }
}
