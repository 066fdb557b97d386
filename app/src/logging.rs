//! Where the log goes: to journald on the appliance, to the terminal at a desk.

use std::io::Write as _;

use log::LevelFilter;

/// Sends the log of this program to journald when standard error is connected to it, to standard error otherwise.
///
/// Libraries are heard from warnings upward only: at `debug` the HTTP client would log whole URLs, and a URL may be a
/// credential.
pub fn start(level: LevelFilter) {
    if systemd_journal_logger::connected_to_journal()
        && let Ok(journal) = systemd_journal_logger::JournalLog::new()
        && log::set_boxed_logger(Box::new(OwnOnly { inner: journal, level })).is_ok()
    {
        log::set_max_level(level.max(LevelFilter::Warn));
        return;
    }
    // A second start (tests) keeps the first logger.
    let _ = env_logger::Builder::new()
        .filter_level(level.min(LevelFilter::Warn))
        .filter_module("attendance", level)
        .filter_module("models", level)
        .format(|out, record| {
            let now = out.timestamp_seconds();
            if record.level() == log::Level::Info {
                writeln!(out, "{now} {}", record.args())
            } else {
                writeln!(out, "{now} {}: {}", record.level(), record.args())
            }
        })
        .try_init();
}

/// Passes our own records from `level`, everybody else's from warnings upward.
struct OwnOnly<L> {
    inner: L,
    level: LevelFilter,
}

impl<L: log::Log> log::Log for OwnOnly<L> {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let own = ["attendance", "models"].iter().any(|ours| {
            metadata.target() == *ours
                || metadata.target().strip_prefix(ours).is_some_and(|rest| rest.starts_with("::"))
        });
        metadata.level() <= if own { self.level } else { self.level.min(LevelFilter::Warn) }
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.inner.log(record);
        }
    }

    fn flush(&self) {
        self.inner.flush();
    }
}
