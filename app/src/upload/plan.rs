//! What to send next, and what to make of a row on which the webhook fails: pure.
//!
//! A batch that fails as a whole is halved until the row that breaks it is alone. Whether it is that row or the webhook itself
//! is told by the next rows: when one of them is taken, those that failed before it are to blame; when all of them
//! fail, nobody is, and the batch waits. A row that is to blame is set aside and tried alone, ever more seldom; after some
//! tries a person must look. So nothing holds up the rows behind it, and a webhook that is down for a week blames nobody.

use std::collections::HashMap;
use std::time::Duration;

use super::answer::{RowAnswer, Trouble, TroubleKind};
use crate::journal::{Fate, Ledger, OpenRow};

/// Failures in a row after which the webhook's own faults are looked for in the rows.
const PATIENCE: u32 = 3;
/// Rows that are tried alone, one after the other, before the webhook itself is to blame.
const MAX_SUSPECTS: usize = 32;
/// Times a row may be to blame before a person must look: with the waits between them half a day.
const MAX_STRIKES: u32 = 12;
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
    not_before: Duration,
    /// What was taken at the last strike: one more, and the webhook works again, so a further failure is the row's.
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

    /// The rows to send now, time being `now` since boot; none when there is nothing to do.
    pub fn next(&mut self, ledger: &Ledger, now: Duration) -> Vec<OpenRow> {
        let limit = if self.suspects.is_empty() { self.window } else { 1 };
        let is_suspect = |id| self.suspects.iter().any(|suspect| suspect.id == id);
        let fresh = ledger.open_rows(limit, |id| !is_suspect(id) && !self.strikes.contains_key(&id));
        if !fresh.is_empty() {
            return fresh;
        }
        let due = |id| self.strikes.get(&id).is_some_and(|strikes| strikes.not_before <= now);
        ledger.open_rows(1, |id| !is_suspect(id) && due(id))
    }

    /// The webhook answered row by row. Gives what is to be written down.
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
                RowAnswer::Unknown(reason) => self
                    .strike(row.id, now)
                    .then(|| Fate::Refused(format!("{reason} (tried {MAX_STRIKES} times)"))),
                // Others of this batch were named, so the webhook works; asking alone will tell.
                RowAnswer::Unnamed => self.strike(row.id, now).then(|| {
                    Fate::Refused(format!(
                        "the webhook took it {MAX_STRIKES} times without saying what became of it"
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
            let others_pass = self.taken > strikes.taken && trouble.kind != TroubleKind::Unreachable;
            if others_pass {
                return (Next::GoOn, self.blame(row.id, trouble, now));
            }
            strikes.not_before = now + strikes.wait();
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

    /// A person asked to try the row again: it starts anew.
    pub fn forgive(&mut self, id: u64) {
        self.strikes.remove(&id);
    }

    /// Another row was taken where this one failed.
    fn blame(&mut self, id: u64, trouble: &Trouble, now: Duration) -> Option<(u64, Fate)> {
        // A refusal of this row alone is an answer; a server that fails may not fail the next time.
        let given_up = self.strike(id, now) || trouble.kind == TroubleKind::Batch;
        given_up.then(|| {
            self.strikes.remove(&id);
            (id, Fate::Refused(format!("{}; other rows are taken, this one never", trouble.reason)))
        })
    }

    /// Counts a failure of this row; whether it was the last one allowed.
    fn strike(&mut self, id: u64, now: Duration) -> bool {
        let strikes = self.strikes.entry(id).or_default();
        strikes.not_before = now + strikes.wait();
        strikes.count += 1;
        strikes.taken = self.taken;
        strikes.count >= MAX_STRIKES
    }
}

impl Strikes {
    fn wait(&self) -> Duration {
        FIRST_WAIT.saturating_mul(1 << self.count.min(16)).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::attendance::{Stamp, Status};
    use crate::identity::RollNumber;
    use crate::journal::{Certainty, Delivery, Row};
    use crate::moment::SiteZone;

    fn ledger(rows: u64) -> Ledger {
        let ledger = Ledger::new(SiteZone::named("UTC").unwrap());
        for id in 1..=rows {
            ledger.insert(Row {
                id,
                roll: RollNumber::parse(&id.to_string()).unwrap(),
                status: Status::In,
                at: Stamp {
                    utc: datetime!(2025-01-15 09:00:00 UTC),
                    since_boot: Duration::ZERO,
                    boot: "b".into(),
                },
                clock: Certainty::Known,
            });
        }
        ledger
    }

    fn trouble(kind: TroubleKind) -> Trouble {
        Trouble { kind, reason: "it fails".to_owned(), wait: None }
    }

    /// A webhook with rows on which it fails, played until nothing changes any more. Gives the delivered rows, those with a
    /// person, and the number of requests.
    fn play(
        rows: u64,
        batch: usize,
        poison: &BTreeSet<u64>,
        kind: TroubleKind,
        hours: u64,
        down_hours: u64,
    ) -> (BTreeSet<u64>, BTreeSet<u64>, usize) {
        let ledger = ledger(rows);
        let mut plan = Plan::new(batch);
        let (mut delivered, mut with_person, mut requests) = (BTreeSet::new(), BTreeSet::new(), 0);
        let (mut now, end) = (Duration::ZERO, Duration::from_secs(hours * 3600));
        while now < end && ledger.open_count() > 0 {
            let batch = plan.next(&ledger, now);
            if batch.is_empty() {
                now += Duration::from_secs(30);
                continue;
            }
            requests += 1;
            let down = now < Duration::from_secs(down_hours * 3600);
            if down || batch.iter().any(|row| poison.contains(&row.id)) {
                let kind = if down { TroubleKind::Server } else { kind };
                let (next, fate) = plan.failed(&batch, &trouble(kind), &ledger, now);
                if next == Next::Wait {
                    now += Duration::from_secs(30);
                }
                if let Some((id, fate)) = fate {
                    with_person.insert(id);
                    ledger.deliver(Delivery { id, utc: datetime!(2025-01-15 09:00:00 UTC), fate });
                }
                continue;
            }
            let answers = vec![RowAnswer::Created; batch.len()];
            for (id, fate) in plan.answered(&batch, &answers, now) {
                match &fate {
                    Fate::Refused(_) => with_person.insert(id),
                    _ => delivered.insert(id),
                };
                ledger.deliver(Delivery { id, utc: datetime!(2025-01-15 09:00:00 UTC), fate });
            }
        }
        (delivered, with_person, requests)
    }

    #[test]
    fn a_batch_is_halved_until_the_row_that_breaks_it_is_alone() {
        let poison = BTreeSet::from([333]);
        let (delivered, with_person, requests) = play(1000, 500, &poison, TroubleKind::Batch, 1, 0);
        assert_eq!((delivered.len(), with_person), (999, poison));
        assert!(requests < 60, "{requests} requests");
    }

    #[test]
    fn a_webhook_that_refuses_everything_blames_nobody() {
        let everyone: BTreeSet<u64> = (1..=200).collect();
        for kind in [TroubleKind::Batch, TroubleKind::Server, TroubleKind::Unreachable] {
            let (delivered, with_person, _) = play(200, 50, &everyone, kind, 72, 0);
            assert_eq!((delivered.len(), with_person.len()), (0, 0), "{kind:?}");
        }
    }

    #[test]
    fn a_webhook_that_was_down_for_a_week_gets_everything() {
        let (delivered, with_person, _) =
            play(2000, 500, &BTreeSet::new(), TroubleKind::Server, 24 * 8, 24 * 7);
        assert_eq!((delivered.len(), with_person.len()), (2000, 0));
    }

    #[test]
    fn an_unknown_error_goes_to_a_person_after_some_tries() {
        let ledger = ledger(1);
        let mut plan = Plan::new(10);
        let (mut now, mut tries) = (Duration::ZERO, 0);
        loop {
            let batch = plan.next(&ledger, now);
            if batch.is_empty() {
                now += Duration::from_secs(60);
                continue;
            }
            tries += 1;
            let fates = plan.answered(&batch, &[RowAnswer::Unknown("Database is locked".to_owned())], now);
            if let [(1, Fate::Refused(reason))] = &fates[..] {
                assert!(reason.contains("Database is locked"));
                break;
            }
        }
        assert_eq!(tries, MAX_STRIKES);
        assert!((Duration::from_secs(4 * 3600)..Duration::from_secs(24 * 3600)).contains(&now), "{now:?}");
    }

    #[test]
    fn a_row_that_the_webhook_does_not_name_is_sent_again_alone_and_holds_up_nobody() {
        let ledger = ledger(3);
        let mut plan = Plan::new(3);
        let batch = plan.next(&ledger, Duration::ZERO);
        let answers = [RowAnswer::Unnamed, RowAnswer::Created, RowAnswer::Created];
        for (id, fate) in plan.answered(&batch, &answers, Duration::ZERO) {
            ledger.deliver(Delivery { id, utc: datetime!(2025-01-15 09:00:00 UTC), fate });
        }
        assert!(plan.next(&ledger, Duration::ZERO).is_empty());
        let again = plan.next(&ledger, FIRST_WAIT);
        assert_eq!(again.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_row_is_delivered_but_those_that_break_the_webhook(
            rows in 1u64..150,
            batch in 1usize..60,
            poison in prop::collection::btree_set(1u64..150, 0..20),
            by_refusal: bool,
            down_hours in 0u64..30,
        ) {
            let poison: BTreeSet<u64> = poison.into_iter().filter(|id| *id <= rows).collect();
            let kind = if by_refusal { TroubleKind::Batch } else { TroubleKind::Server };
            let (delivered, with_person, _) = play(rows, batch, &poison, kind, 24 * 14, down_hours);
            let healthy: BTreeSet<u64> = (1..=rows).filter(|id| !poison.contains(id)).collect();
            prop_assert_eq!(delivered, healthy);
            prop_assert!(with_person.is_subset(&poison));
        }
    }
}
