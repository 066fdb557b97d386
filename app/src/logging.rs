//! Where the log goes: to journald on the appliance, to the terminal at a desk, and the newest lines to the page.

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

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Sends the log of this program to journald when standard error is connected to it, to standard error otherwise.
///
/// Libraries are heard from warnings upward only: at `debug` the HTTP client would log whole URLs, and a URL may be a
/// credential.
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
        if self.enabled(record.metadata()) {
            self.sink.log(record);
            remember(record);
        }
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

fn remember(record: &Record<'_>) {
    let now = OffsetDateTime::now_utc()
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .unwrap_or_default();
    let mut text = format!("{now} {}", line(record));
    if text.len() > RECENT_LINE_BYTES {
        text.truncate(text.floor_char_boundary(RECENT_LINE_BYTES));
    }
    let mut lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == RECENT_LINES {
        lines.pop_front();
    }
    lines.push_back(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Log for Nowhere {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn log(&self, _: &Record<'_>) {}
        fn flush(&self) {}
    }

    #[test]
    fn libraries_are_heard_from_warnings_upward_and_the_newest_lines_are_kept() {
        let logger = OwnFirst { sink: Box::new(Nowhere), level: LevelFilter::Debug };
        let say = |target: &str, level, text: &str| {
            logger.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
        };
        say("hyper::client", log::Level::Debug, "GET /?key=s3cr3t");
        say("attendance::sync", log::Level::Debug, "first line");
        for number in 0..RECENT_LINES + 10 {
            say("attendance", log::Level::Info, &format!("line {number}"));
        }
        say("attendance", log::Level::Warn, &"é".repeat(RECENT_LINE_BYTES));
        let lines = recent(usize::MAX);
        assert_eq!(lines.len(), RECENT_LINES);
        assert!(lines.iter().all(|line| line.len() <= RECENT_LINE_BYTES && !line.contains("s3cr3t")));
        assert!(recent(2)[0].ends_with(&format!("line {}", RECENT_LINES + 9)));
    }
}
