//! What a synchronisation did, line by line, in the words that scripts of the original system look for.

use std::sync::{Mutex, PoisonError};

use super::report::Report;
use super::step::{PhotoChange, Step};
use base::failure::Fault;

/// Lines kept of one synchronisation. A first one brings thousands of photos; the counts tell of all.
const MAX_LINES: usize = 500;

/// Collects the lines of one synchronisation.
#[derive(Debug, Default)]
pub struct Account(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    kept: Vec<String>,
    left_out: usize,
}

impl Account {
    /// Takes a step into the account. Gives its line, for whoever prints it at once; steps without news have
    /// none.
    pub fn note(&self, step: Step<'_>) -> Option<String> {
        let line = line(step)?;
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.kept.len() < MAX_LINES {
            lines.kept.push(line.clone());
        } else {
            lines.left_out += 1;
        }
        Some(line)
    }

    /// All lines, those of the end included.
    pub fn text(&self, report: &Report) -> String {
        let ending = ending(report);
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = (lines.left_out > 0).then(|| format!("and {} lines more", lines.left_out));
        let lines = lines.kept.iter().chain(&left_out).chain(&ending).map(|line| format!("{line}\n"));
        lines.collect()
    }
}

/// What is said of a step.
fn line(step: Step<'_>) -> Option<String> {
    match step {
        Step::Listed { .. } => None,
        Step::Photos { total } => Some(format!("Found {total} image(s) from backend")),
        Step::Photo { path, outcome: PhotoChange::New } => Some(format!("Downloaded: {path}")),
        Step::Photo { path, outcome: PhotoChange::Updated } => Some(format!("Updated: {path}")),
        // Why it failed is said at the end.
        Step::Photo { outcome: PhotoChange::Unchanged | PhotoChange::Failed, .. } => None,
        Step::Removed { path } => Some(format!("Removed: {path}")),
    }
}

/// The last lines: what failed, and the counts.
pub fn ending(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = report
        .failed
        .iter()
        .take(MAX_LINES)
        .map(|failure| format!("Failed: {}: {}", failure.photo, failure.reason))
        .collect();
    if report.failed.len() > MAX_LINES {
        lines.push(format!("and {} failures more", report.failed.len() - MAX_LINES));
    }
    let left_out = report.left_out.iter().take(MAX_LINES);
    lines.extend(left_out.map(|left_out| format!("Left out: {}: {}", left_out.photo, left_out.reason)));
    lines.extend(report.alarm.as_ref().map(|alarm| format!("Nothing was removed: {}", alarm.event())));
    lines.push(match report.fault() {
        Some(fault) => failed(&fault),
        None => format!("Sync complete: {}", counts(report)),
    });
    lines
}

/// The last line of a synchronisation that did not do what it should.
pub fn failed(fault: &Fault) -> String {
    format!("Sync failed: {fault}")
}

/// `2 new, 1 updated, 43 unchanged, 1 removed, 0 failed`.
fn counts(report: &Report) -> String {
    format!(
        "{} new, {} updated, {} unchanged, {} removed, {} failed",
        report.new,
        report.updated,
        report.unchanged,
        report.removed,
        report.failed.len()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::step::Failure;
    use super::*;

    #[test]
    fn every_photo_that_changed_has_a_line_and_the_end_has_the_counts() {
        let account = Account::default();
        let steps = [
            Step::Listed { pages: 1, photos: 3 },
            Step::Photos { total: 3 },
            Step::Photo { path: "1/a.jpg", outcome: PhotoChange::New },
            Step::Photo { path: "1/b.jpg", outcome: PhotoChange::Unchanged },
            Step::Photo { path: "2/c.jpg", outcome: PhotoChange::Updated },
            Step::Removed { path: "3/d.jpg" },
        ];
        let said: Vec<_> = steps.into_iter().filter_map(|step| account.note(step)).collect();
        assert_eq!(
            said,
            ["Found 3 image(s) from backend", "Downloaded: 1/a.jpg", "Updated: 2/c.jpg", "Removed: 3/d.jpg"]
        );
        let report = Report { new: 1, updated: 1, unchanged: 1, removed: 1, ..Report::default() };
        let text = account.text(&report);
        assert!(text.starts_with("Found 3 image(s) from backend\nDownloaded: 1/a.jpg\n"), "{text}");
        assert!(
            text.ends_with("Sync complete: 1 new, 1 updated, 1 unchanged, 1 removed, 0 failed\n"),
            "{text}"
        );
        let failure = Failure { photo: "1/a.jpg".to_owned(), reason: "is not a picture".to_owned() };
        let failed = account.text(&Report { failed: vec![failure], ..Report::default() });
        assert!(failed.contains("Failed: 1/a.jpg: is not a picture\nSync failed: "), "{failed}");
        assert!(!failed.contains("complete"), "{failed}");
    }

    #[test]
    fn the_lines_are_bounded() {
        let account = Account::default();
        for _ in 0..MAX_LINES + 7 {
            account.note(Step::Removed { path: "1/a.jpg" });
        }
        let text = account.text(&Report { unchanged: 1, ..Report::default() });
        assert_eq!(text.lines().count(), MAX_LINES + 2);
        assert!(text.contains("and 7 lines more"), "{text}");
    }
}
