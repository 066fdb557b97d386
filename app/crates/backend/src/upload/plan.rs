//! What to send next, and what to make of a row on which the webhook fails: pure.
//!
//! A batch that fails as a whole is halved until the row that breaks it is alone. Whether it is that row or
//! the webhook itself is told by the next rows: when one of them is taken, those that failed before it are to
//! blame; when all of them fail, nobody is, and the batch waits. A row that is to blame is set aside and
//! tried alone, ever more seldom; after some tries a person must look. So nothing holds up the rows behind
//! it, and a webhook that is down for a week blames nobody. An answer that has an error for every row is a
//! failure of the batch, too: it says no more about the rows than a status 500.

use std::collections::HashMap;
use std::time::Duration;

use super::answer::{RowAnswer, Trouble, TroubleKind};
use journal::storage::{Fate, Ledger, OpenRow};

/// Failures in a row after which the webhook's own faults are looked for in the rows.
const PATIENCE: u32 = 3;
/// Rows that are tried alone, one after the other, before the webhook itself is to blame.
const MAX_SUSPECTS: usize = 32;
/// Times a row may be to blame before a person must look: with the waits between them half a day.
const MAX_STRIKES: u32 = 12;
/// The same for a row that is refused alone. The first refusal may have been of a moment in which everything
/// was refused.
const MAX_REFUSALS: u32 = 2;
/// Wait after a row's first strike; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// Longest wait of a row.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The state of the delivery.
#[derive(Debug)]
pub struct Plan {
    most: usize,
    window: usize,
    failures: u32,
    /// Batches answered row by row.
    taken: u64,
    suspects: Vec<Suspect>,
    strikes: HashMap<u64, Strikes>,
}

#[derive(Debug)]
struct Suspect {
    id: u64,
    trouble: Trouble,
}

#[derive(Debug, Default)]
struct Strikes {
    count: u32,
    /// Those of them that were refusals of the row alone.
    refusals: u32,
    not_before: Duration,
    /// What was taken at the last strike: one more, and the webhook works again, so a further failure is the
    /// row's.
    taken: u64,
}

/// What follows from a batch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next batch can go at once.
    GoOn,
    /// Nothing before a delay.
    Wait,
}

impl Plan {
    /// A plan that sends at most `most` rows at once.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, window: most, failures: 0, taken: 0, suspects: Vec::new(), strikes: HashMap::new() }
    }

    /// The rows to send at `now`, a time since boot; none when there is nothing to do.
    pub fn next(&mut self, ledger: &Ledger, now: Duration) -> Vec<OpenRow> {
        let limit = if self.suspects.is_empty() { self.window } else { 1 };
        let is_suspect = |id| self.suspects.iter().any(|suspect| suspect.id == id);
        let fresh = ledger.open_rows(limit, |id| !is_suspect(id) && !self.strikes.contains_key(&id));
        if !fresh.is_empty() {
            return fresh;
        }
        let due = |id: u64| self.strikes.get(&id).map(|strikes| strikes.not_before).filter(|due| *due <= now);
        let struck = ledger.open_rows(usize::MAX, |id| !is_suspect(id) && due(id).is_some());
        // The one that is due longest: rows that fail at every turn must not keep another from its own.
        struck.into_iter().min_by_key(|row| due(row.id)).into_iter().collect()
    }

    /// The webhook answered row by row, and clearly of one row at least: see [`super::answer::read`]. Gives
    /// what is to be written down.
    pub fn answered(&mut self, batch: &[OpenRow], answers: &[RowAnswer], now: Duration) -> Vec<(u64, Fate)> {
        let mut fates = Vec::new();
        if answers.iter().any(RowAnswer::is_clear) {
            self.failures = 0;
            self.taken += 1;
            self.window = (self.window * 2).min(self.most);
            for suspect in std::mem::take(&mut self.suspects) {
                fates.extend(self.blame(suspect.id, &suspect.trouble, now));
            }
        }
        for (row, answer) in batch.iter().zip(answers) {
            let fate = match answer {
                RowAnswer::Created => Some(Fate::Created),
                RowAnswer::Duplicate => Some(Fate::Duplicate),
                RowAnswer::Refused(reason) => Some(Fate::Refused(reason.clone())),
                // Others of this batch had a clear answer, so the webhook works; asking alone will tell.
                RowAnswer::Unknown(reason) => self
                    .strike(row.id, now)
                    .are_enough()
                    .then(|| Fate::Refused(format!("{reason} (tried {MAX_STRIKES} times)"))),
                RowAnswer::Unnamed => self.strike(row.id, now).are_enough().then(|| {
                    Fate::Refused(format!(
                        "the webhook took it {MAX_STRIKES} times without saying whether it was stored"
                    ))
                }),
            };
            if let Some(fate) = fate {
                self.strikes.remove(&row.id);
                fates.push((row.id, fate));
            }
        }
        fates
    }

    /// The batch failed as a whole. Gives what follows, and what is to be written down.
    pub fn failed(
        &mut self,
        batch: &[OpenRow],
        trouble: &Trouble,
        ledger: &Ledger,
        now: Duration,
    ) -> (Next, Option<(u64, Fate)>) {
        self.failures = self.failures.saturating_add(1);
        let look_at_rows = match trouble.kind {
            TroubleKind::Person | TroubleKind::Unreachable => false,
            TroubleKind::Batch => true,
            TroubleKind::Server => self.failures >= PATIENCE,
        };
        let [row] = batch else {
            if look_at_rows {
                self.window = (batch.len() / 2).max(1);
            }
            return (if trouble.kind == TroubleKind::Batch { Next::GoOn } else { Next::Wait }, None);
        };
        if let Some(strikes) = self.strikes.get_mut(&row.id) {
            // Where there are suspects all other rows failed just now, whatever was taken before.
            let others_pass = self.suspects.is_empty()
                && self.taken > strikes.taken
                && trouble.kind != TroubleKind::Unreachable;
            if others_pass {
                return (Next::GoOn, self.blame(row.id, trouble, now));
            }
            strikes.not_before = now + strikes.wait();
            // Nobody passes: it is the webhook. Left suspects, they would wait for somebody else to be
            // recorded.
            self.suspects.clear();
            return (Next::Wait, None);
        }
        if !look_at_rows {
            return (Next::Wait, None);
        }
        self.suspects.push(Suspect { id: row.id, trouble: trouble.clone() });
        if self.suspects.len() >= MAX_SUSPECTS || self.next(ledger, now).is_empty() {
            // Nobody passes: it is the webhook.
            self.suspects.clear();
            return (Next::Wait, None);
        }
        (if trouble.kind == TroubleKind::Batch { Next::GoOn } else { Next::Wait }, None)
    }

    /// A person asked to try the row again: it starts again.
    pub fn forgive(&mut self, id: u64) {
        self.strikes.remove(&id);
    }

    /// Another row was taken where this one failed.
    fn blame(&mut self, id: u64, trouble: &Trouble, now: Duration) -> Option<(u64, Fate)> {
        let strikes = self.strike(id, now);
        // A refusal of this row alone is an answer, once it is repeated; a server that fails may not fail the
        // next time.
        strikes.refusals += u32::from(trouble.kind == TroubleKind::Batch);
        strikes.are_enough().then(|| {
            self.strikes.remove(&id);
            (id, Fate::Refused(format!("{}; other rows are taken, this one never", trouble.reason)))
        })
    }

    /// Counts a failure of this row.
    fn strike(&mut self, id: u64, now: Duration) -> &mut Strikes {
        let strikes = self.strikes.entry(id).or_default();
        strikes.not_before = now + strikes.wait();
        strikes.count += 1;
        strikes.taken = self.taken;
        strikes
    }
}

impl Strikes {
    /// Whether a person must look.
    fn are_enough(&self) -> bool {
        self.count >= MAX_STRIKES || self.refusals >= MAX_REFUSALS
    }

    fn wait(&self) -> Duration {
        FIRST_WAIT.saturating_mul(1 << self.count.min(16)).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests;
