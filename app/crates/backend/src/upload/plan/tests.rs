//! Doors and webhooks, played in memory.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use base::identity::RollNumber;
use base::moment::SiteZone;
use journal::row::{Stamp, Status};
use journal::storage::{Certainty, Delivery, Row};

fn ledger(rows: u64) -> Ledger {
    let ledger = Ledger::new(SiteZone::named("UTC").unwrap());
    record(&ledger, 1..=rows);
    ledger
}

fn record(ledger: &Ledger, ids: RangeInclusive<u64>) {
    for id in ids {
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
}

fn write_down(ledger: &Ledger, fates: impl IntoIterator<Item = (u64, Fate)>) {
    for (id, fate) in fates {
        ledger.deliver(Delivery { id, utc: datetime!(2025-01-15 09:00:00 UTC), fate });
    }
}

fn trouble(kind: TroubleKind) -> Trouble {
    Trouble { kind, reason: "it fails".into(), wait: None }
}

/// When the webhook fails as a whole, in seconds, and how.
type Outage = (Range<u64>, TroubleKind);

/// What happens at a door.
struct Story<'a> {
    /// Rows that wait at the start.
    rows: u64,
    /// When further rows are recorded, in seconds, and how many.
    late: (u64, u64),
    batch: usize,
    /// Rows on which the webhook fails, and how.
    poison: &'a BTreeSet<u64>,
    kind: TroubleKind,
    outages: &'a [Outage],
    hours: u64,
}

impl Story<'_> {
    /// Plays it until nothing changes any more; a request takes a second. Gives the delivered rows, those
    /// with a person, and the number of requests.
    fn play(&self) -> (BTreeSet<u64>, BTreeSet<u64>, usize) {
        let ledger = ledger(self.rows);
        let mut plan = Plan::new(self.batch);
        let (mut delivered, mut with_person, mut requests) = (BTreeSet::new(), BTreeSet::new(), 0);
        let (mut now, mut late) = (0, Some(self.late));
        while now < self.hours * 3600 && (ledger.open_count() > 0 || late.is_some()) {
            if let Some((_, rows)) = late.take_if(|(at, _)| *at <= now) {
                record(&ledger, self.rows + 1..=self.rows + rows);
            }
            let since_boot = Duration::from_secs(now);
            let batch = plan.next(&ledger, since_boot);
            if batch.is_empty() {
                now += 30;
                continue;
            }
            requests += 1;
            let outage = self.outages.iter().find(|(when, _)| when.contains(&now));
            let poisoned = batch.iter().any(|row| self.poison.contains(&row.id));
            now += 1;
            if outage.is_some() || poisoned {
                let kind = outage.map_or(self.kind, |(_, kind)| *kind);
                let (next, fate) = plan.failed(&batch, &trouble(kind), &ledger, since_boot);
                if next == Next::Wait {
                    now += 30;
                }
                with_person.extend(fate.iter().map(|(id, _)| *id));
                write_down(&ledger, fate);
                continue;
            }
            let fates = plan.answered(&batch, &vec![RowAnswer::Created; batch.len()], since_boot);
            for (id, fate) in &fates {
                match fate {
                    Fate::Refused(_) => with_person.insert(*id),
                    _ => delivered.insert(*id),
                };
            }
            write_down(&ledger, fates);
        }
        (delivered, with_person, requests)
    }
}

#[test]
fn a_batch_is_halved_until_the_row_that_breaks_it_is_alone() {
    let poison = BTreeSet::from([333]);
    let story = Story {
        rows: 1000,
        late: (0, 0),
        batch: 500,
        poison: &poison,
        kind: TroubleKind::Batch,
        outages: &[],
        hours: 1,
    };
    let (delivered, with_person, requests) = story.play();
    assert_eq!((delivered.len(), &with_person), (999, &poison));
    assert!(requests < 60, "{requests} requests");
}

#[test]
fn a_webhook_that_refuses_everything_blames_nobody() {
    let everyone: BTreeSet<u64> = (1..=200).collect();
    for kind in [TroubleKind::Batch, TroubleKind::Server, TroubleKind::Unreachable] {
        let story =
            Story { rows: 200, late: (0, 0), batch: 50, poison: &everyone, kind, outages: &[], hours: 72 };
        let (delivered, with_person, _) = story.play();
        assert_eq!((delivered.len(), with_person.len()), (0, 0), "{kind:?}");
    }
}

#[test]
fn a_webhook_that_was_down_for_a_week_gets_everything() {
    let week = 7 * 24 * 3600;
    let story = Story {
        rows: 2000,
        late: (0, 0),
        batch: 500,
        poison: &BTreeSet::new(),
        kind: TroubleKind::Server,
        outages: &[(0..week, TroubleKind::Server)],
        hours: 24 * 8,
    };
    let (delivered, with_person, _) = story.play();
    assert_eq!((delivered.len(), with_person.len()), (2000, 0));
}

/// The rows are tried alone within the spell, and it ends between any two of them.
#[test]
fn a_short_spell_in_which_everything_is_refused_sends_nobody_to_a_person() {
    for seconds in 0..120 {
        let story = Story {
            rows: 20,
            late: (0, 0),
            batch: 10,
            poison: &BTreeSet::new(),
            kind: TroubleKind::Batch,
            outages: &[(0..seconds, TroubleKind::Batch)],
            hours: 2,
        };
        let (delivered, with_person, _) = story.play();
        assert_eq!((delivered.len(), with_person.len()), (20, 0), "a spell of {seconds} s");
    }
}

/// Row 1 breaks the webhook and is tried ever again; row 3 comes while the webhook is down, and nobody after
/// it.
#[test]
fn a_row_does_not_wait_for_another_one_to_be_recorded() {
    for kind in [TroubleKind::Batch, TroubleKind::Server, TroubleKind::Unreachable] {
        let story = Story {
            rows: 2,
            late: (36_000, 1),
            batch: 10,
            poison: &BTreeSet::from([1]),
            kind: TroubleKind::Server,
            outages: &[(36_000..43_200, kind)],
            hours: 24,
        };
        let (delivered, with_person, _) = story.play();
        assert_eq!((delivered, with_person), (BTreeSet::from([2, 3]), BTreeSet::new()), "{kind:?}");
    }
}

#[test]
fn an_unknown_error_goes_to_a_person_only_where_others_are_taken() {
    let ledger = ledger(2);
    let mut plan = Plan::new(10);
    let unknown = RowAnswer::Unknown("Database is locked".to_owned());
    let batch = plan.next(&ledger, Duration::ZERO);
    let fates = plan.answered(&batch, &[unknown, RowAnswer::Created], Duration::ZERO);
    assert_eq!(fates, [(2, Fate::Created)]);
    write_down(&ledger, fates);
    // Alone it is no better, and while nobody else is recorded nothing tells its fault from the webhook's.
    let mut hour = 1;
    for _ in 0..3 * MAX_STRIKES {
        let now = Duration::from_secs(hour * 3600);
        let batch = plan.next(&ledger, now);
        assert_eq!(batch.len(), 1);
        assert_eq!(plan.failed(&batch, &trouble(TroubleKind::Server), &ledger, now), (Next::Wait, None));
        hour += 1;
    }
    let mut strikes = 1;
    let given_up = loop {
        let (now, id) = (Duration::from_secs(hour * 3600), hour + 1000);
        record(&ledger, id..=id);
        let other = plan.next(&ledger, now);
        let fates = plan.answered(&other, &[RowAnswer::Created], now);
        write_down(&ledger, fates);
        let batch = plan.next(&ledger, now);
        let (next, fate) = plan.failed(&batch, &trouble(TroubleKind::Server), &ledger, now);
        assert_eq!(next, Next::GoOn);
        strikes += 1;
        hour += 1;
        if let Some(fate) = fate {
            break fate;
        }
    };
    assert!(matches!(given_up, (1, Fate::Refused(_))), "{given_up:?}");
    assert_eq!(strikes, MAX_STRIKES);
}

#[test]
fn a_row_that_the_webhook_does_not_name_is_sent_again_alone_and_holds_up_nobody() {
    let ledger = ledger(3);
    let mut plan = Plan::new(3);
    let batch = plan.next(&ledger, Duration::ZERO);
    let answers = [RowAnswer::Unnamed, RowAnswer::Created, RowAnswer::Created];
    let fates = plan.answered(&batch, &answers, Duration::ZERO);
    write_down(&ledger, fates);
    assert!(plan.next(&ledger, Duration::ZERO).is_empty());
    let again = plan.next(&ledger, FIRST_WAIT);
    assert_eq!(again.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_row_is_delivered_but_those_that_break_the_webhook(
        rows in 1u64..150,
        late in 0u64..40,
        batch in 1usize..60,
        poison in prop::collection::btree_set(1u64..190, 0..20),
        by_refusal: bool,
        first in 0u64..100_000,
        pause in 0u64..10_000,
        second in 0u64..10_000,
        second_kind in prop::sample::select(vec![
            TroubleKind::Batch,
            TroubleKind::Server,
            TroubleKind::Unreachable,
        ]),
    ) {
        let everyone = 1..=rows + late;
        let poison: BTreeSet<u64> = poison.into_iter().filter(|id| everyone.contains(id)).collect();
        let begins = first + pause;
        // The late rows come as the second outage begins, beside rows that were to blame already, and nobody
        // comes after them.
        let story = Story {
            rows,
            late: (begins, late),
            batch,
            poison: &poison,
            kind: if by_refusal { TroubleKind::Batch } else { TroubleKind::Server },
            outages: &[(0..first, TroubleKind::Server), (begins..begins + second, second_kind)],
            hours: 24 * 14,
        };
        let (delivered, with_person, _) = story.play();
        let healthy: BTreeSet<u64> = everyone.filter(|id| !poison.contains(id)).collect();
        prop_assert_eq!(delivered, healthy);
        prop_assert!(with_person.is_subset(&poison));
    }
}
