//! Where the log goes: to journald on the appliance, to the terminal at a desk, and the newest lines to the
//! page.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use time::OffsetDateTime;
use time::macros::format_description;

/// Lines kept for the page and the support bundle: some hours of an ordinary day.
const RECENT_LINES: usize = 1000;
/// Longest line kept, bytes.
const RECENT_LINE_BYTES: usize = 1000;
/// Longest record that goes to the journal, bytes: everything of ours fits, and nobody on the network fills
/// the disk with a few words of his own that an error repeats.
const RECORD_BYTES: usize = 4000;

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Sends the log of this program to journald when standard error is connected to it, to standard error
/// otherwise.
///
/// Libraries are heard from warnings upward only: at `debug` the HTTP client would log whole URLs, and a URL
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
    lines.iter().skip(lines.len().saturating_sub(most)).cloned().collect()
}

fn terminal() -> env_logger::Logger {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Trace)
        .format(|out, record| writeln!(out, "{} {}", out.timestamp_seconds(), line(record)))
        .build()
}

/// A record in one line; the level only where it is not the ordinary one.
fn line(record: &Record<'_>) -> String {
    if record.level() == log::Level::Info {
        record.args().to_string()
    } else {
        format!("{}: {}", record.level(), record.args())
    }
}

/// Passes our own records from `level`, everybody else's from warnings upward.
struct OwnFirst {
    sink: Box<dyn Log>,
    level: LevelFilter,
}

impl Log for OwnFirst {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let crate_name = metadata.target().split("::").next().unwrap_or_default();
        let own = matches!(crate_name, "attendance" | "models");
        metadata.level() <= if own { self.level } else { self.level.min(LevelFilter::Warn) }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = shortened(in_one_line(record.args().to_string()), RECORD_BYTES);
        let mut bounded = Record::builder();
        bounded
            .metadata(record.metadata().clone())
            .module_path(record.module_path())
            .file(record.file())
            .line(record.line());
        // In one expression: the arguments live no longer.
        self.pass(&bounded.args(format_args!("{text}")).build());
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

impl OwnFirst {
    fn pass(&self, record: &Record<'_>) {
        self.sink.log(record);
        remember(record);
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

fn remember(record: &Record<'_>) {
    let now = OffsetDateTime::now_utc()
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .unwrap_or_default();
    let text = shortened(format!("{now} {}", line(record)), RECENT_LINE_BYTES);
    let mut lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == RECENT_LINES {
        lines.pop_front();
    }
    lines.push_back(text);
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
    fn libraries_are_heard_from_warnings_upward_and_the_newest_lines_are_kept() {
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
        assert!(newest.ends_with(" a 2026-11-22T09:31:07Z IN 7\u{fffd}[2J\u{fffd}.jpg"), "{newest:?}");
    }
}
