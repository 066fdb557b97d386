//! Oracles that saw everything: any sequence of sightings, restarts, midnights, clock corrections, merges and
//! corrections by hand, at one door and at two.

use super::*;
use crate::{Correction, Status};

const GAP: time::Duration = time::Duration::seconds(120);

/// What happens before the camera of one student, and to the device.
#[derive(Debug, Clone)]
enum Turn {
    Seen,
    Wait(u64),
    Stop,
    Reboot(u64),
    Jump(i64),
    SetRight,
    ByHand(Wish),
}

/// What a person wants of today's rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    /// A row so many seconds ago.
    Add(Status, i64),
    /// The IN gets a time so many seconds later.
    ChangeIn(i64),
    VoidIn,
    /// One that a person added.
    VoidOut,
}

pub(super) fn wishes() -> impl Strategy<Value = Wish> {
    let status = prop_oneof![Just(Status::In), Just(Status::Out)];
    prop_oneof![
        (status, 1i64..20_000).prop_map(|(status, ago)| Wish::Add(status, ago)),
        (-20_000i64..20_000).prop_map(Wish::ChangeIn),
        Just(Wish::VoidIn),
        Just(Wish::VoidOut),
    ]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        8 => Just(Turn::Seen),
        8 => prop_oneof![1u64..200, 1u64..30_000].prop_map(Turn::Wait),
        2 => Just(Turn::Stop),
        1 => (60u64..50_000).prop_map(Turn::Reboot),
        1 => prop_oneof![-80_000i64..-10, 10i64..80_000].prop_map(Turn::Jump),
        2 => Just(Turn::SetRight),
        2 => wishes().prop_map(Turn::ByHand),
    ];
    prop::collection::vec(turn, 0..50)
}

/// A visit, and at which door.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stay {
    door: usize,
    first: OffsetDateTime,
    last: OffsetDateTime,
}

/// A row that a person made, and of which sighting it was.
#[derive(Debug, Clone, Copy, PartialEq)]
struct HandMade {
    door: usize,
    status: Status,
    utc: OffsetDateTime,
    seen: Option<OffsetDateTime>,
}

/// It writes down every sighting with its true time, and cannot be restarted, switched off or given a wrong
/// clock.
pub(super) struct Oracle {
    zone: SiteZone,
    pub(super) seen: Vec<(usize, OffsetDateTime)>,
    voids: Vec<Stay>,
    by_hand: Vec<HandMade>,
}

impl Oracle {
    pub(super) fn new(zone: &SiteZone) -> Self {
        Self { zone: zone.clone(), seen: Vec::new(), voids: Vec::new(), by_hand: Vec::new() }
    }

    fn day(&self, utc: OffsetDateTime) -> time::Date {
        self.zone.local(utc).date()
    }

    /// All visits that count.
    fn stays(&self) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        for (door, utc) in self.seen.iter().copied() {
            let going_on = stays.iter_mut().rev().find(|stay| stay.door == door);
            match going_on.filter(|stay| utc - stay.last < GAP) {
                Some(stay) => stay.last = utc,
                None => stays.push(Stay { door, first: utc, last: utc }),
            }
        }
        let covers = |void: &Stay, stay: &Stay| {
            void.door == stay.door && void.first <= stay.last && stay.first <= void.last
        };
        stays.retain(|stay| !self.voids.iter().any(|void| covers(void, stay)));
        stays
    }

    /// The IN and the OUT of a day: status, time, and at which door.
    fn rows(&self, date: time::Date) -> Vec<(Status, OffsetDateTime, usize)> {
        let stays: Vec<Stay> = self.stays().into_iter().filter(|stay| self.day(stay.first) == date).collect();
        let by_hand = |status| {
            let made = self.by_hand.iter().find(|row| row.status == status && self.day(row.utc) == date);
            made.map(|row| (status, row.utc, row.door))
        };
        let first =
            stays.iter().min_by_key(|stay| stay.first).map(|stay| (Status::In, stay.first, stay.door));
        let mut there: Vec<_> = stays.iter().map(|stay| (stay.first, stay.last)).collect();
        there.extend(by_hand(Status::In).map(|(_, utc, _)| (utc, utc)));
        there.sort_unstable();
        let last = stays.iter().max_by_key(|stay| stay.last).filter(|last| {
            let mut until: Option<OffsetDateTime> = None;
            there.iter().filter(|(first, _)| *first <= last.last).any(|(first, end)| {
                let away = until.is_some_and(|until| *first - until >= GAP);
                until = until.max(Some(*end));
                away
            })
        });
        let last = last.map(|stay| (Status::Out, stay.last, stay.door));
        by_hand(Status::In).or(first).into_iter().chain(by_hand(Status::Out).or(last)).collect()
    }

    /// Everything, as the webhook gets it.
    pub(super) fn all(&self) -> Vec<String> {
        let seen = self.seen.iter().map(|(_, utc)| *utc).chain(self.by_hand.iter().map(|row| row.utc));
        let days: std::collections::BTreeSet<time::Date> = seen.map(|utc| self.day(utc)).collect();
        let text = |date: time::Date, (status, utc, _): (Status, OffsetDateTime, usize)| {
            // A visit that goes on over midnight ends with its day.
            let in_time = self.day(utc) == date;
            let at =
                if in_time { journal::timestamp(self.zone.local(utc)) } else { format!("{date} 23:59:59") };
            format!("7,{},{at}", status.lower_case())
        };
        let mut all: Vec<String> = days
            .into_iter()
            .flat_map(|date| self.rows(date).into_iter().map(move |row| (date, row)))
            .map(|(date, row)| text(date, row))
            .collect();
        all.sort();
        all
    }

    /// The IN of today that stands in the journal, and whether a person made it.
    fn arrival(&self, now: OffsetDateTime) -> Option<(OffsetDateTime, usize, Option<HandMade>)> {
        let rows = self.rows(self.day(now));
        let (_, utc, door) = rows.into_iter().find(|(status, ..)| *status == Status::In)?;
        let made = self.by_hand.iter().find(|row| row.status == Status::In && row.utc == utc);
        Some((utc, door, made.copied()))
    }

    /// What a wish means now: the door at which it is made, and what it asks for, with the time of the row.
    /// None if there is nothing of that kind; the oracle is then unchanged.
    pub(super) fn wish(
        &mut self,
        wish: Wish,
        now: OffsetDateTime,
        at: usize,
    ) -> Option<(usize, Status, OffsetDateTime)> {
        let today = self.day(now);
        let stay_at = |oracle: &Self, door, utc: OffsetDateTime| {
            let stays = oracle.stays().into_iter();
            stays.filter(|stay| stay.door == door).find(|stay| stay.first <= utc && utc <= stay.last)
        };
        match wish {
            Wish::Add(status, ago) => {
                let utc = now - time::Duration::seconds(ago);
                let stands = match status {
                    Status::In => self.arrival(now).is_some(),
                    Status::Out => self.by_hand_today(Status::Out, today).is_some(),
                };
                if self.day(utc) != today || stands {
                    return None;
                }
                self.by_hand.push(HandMade { door: at, status, utc, seen: None });
                Some((at, status, utc))
            }
            Wish::ChangeIn(later) => {
                let (before, door, made) = self.arrival(now)?;
                let utc = before + time::Duration::seconds(later);
                if self.day(utc) != today || utc > now || utc == before {
                    return None;
                }
                let seen = made.map_or(Some(before), |made| made.seen);
                self.by_hand.retain(|row| Some(*row) != made);
                self.by_hand.push(HandMade { door, status: Status::In, utc, seen });
                Some((door, Status::In, before))
            }
            Wish::VoidIn => {
                let (utc, door, made) = self.arrival(now)?;
                let seen = made.map_or(Some(utc), |made| made.seen);
                self.by_hand.retain(|row| Some(*row) != made);
                let stay = seen.and_then(|seen| stay_at(self, door, seen));
                self.voids.extend(stay);
                Some((door, Status::In, utc))
            }
            Wish::VoidOut => {
                let made = self.by_hand_today(Status::Out, today)?;
                self.by_hand.retain(|row| *row != made);
                Some((made.door, Status::Out, made.utc))
            }
        }
    }

    fn by_hand_today(&self, status: Status, today: time::Date) -> Option<HandMade> {
        self.by_hand.iter().find(|row| row.status == status && self.day(row.utc) == today).copied()
    }
}

/// Does at the door what the oracle has noted.
pub(super) fn perform(door: &Door, wish: Wish, status: Status, utc: OffsetDateTime) {
    let day = door.zone.local(utc).date();
    let ledger = &door.records().ledger;
    let at = journal::timestamp(door.zone.local(utc));
    let id = || {
        let rows = ledger.on(day).unwrap();
        let row = rows.iter().find(|row| row.status == status.as_str() && row.timestamp == at);
        row.unwrap_or_else(|| panic!("{status} {at} is not among {rows:?}")).id
    };
    let correction = match wish {
        Wish::Add(..) => Correction::Add { roll: RollNumber::parse("7").unwrap(), status, utc },
        Wish::ChangeIn(later) => Correction::Change { id: id(), utc: utc + time::Duration::seconds(later) },
        Wish::VoidIn | Wish::VoidOut => Correction::Void { id: id() },
    };
    door.records().with_recorder(|recorder| recorder.correct(correction, "meera", "a test")).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_rows_are_those_of_an_oracle_that_saw_everything(turns in turns()) {
        let start = datetime!(2026-11-23 06:00:00 UTC);
        let mut door = Door::new("Asia/Kolkata", start);
        let (mut truth, mut boot) = (start, 1);
        let mut oracle = Oracle::new(&door.zone);
        door.tick();
        for turn in turns {
            match turn {
                Turn::Seen => {
                    door.see("7");
                    oracle.seen.push((0, truth));
                }
                Turn::Wait(seconds) => {
                    truth += Duration::from_secs(seconds);
                    door.wait(seconds);
                    door.tick();
                }
                Turn::Stop => {
                    door.stop();
                    door.restart();
                }
                Turn::Reboot(off) => {
                    // With a clock that is wrong nobody knows afterwards when it was.
                    door.clock.set(truth, true);
                    door.tick();
                    door.stop();
                    truth += Duration::from_secs(off);
                    boot += 1;
                    door.reboot(&format!("boot-{boot}"), truth, true);
                    door.tick();
                }
                Turn::Jump(seconds) => {
                    door.clock.set(truth + time::Duration::seconds(seconds), true);
                }
                Turn::SetRight => {
                    door.clock.set(truth, true);
                    door.tick();
                }
                Turn::ByHand(wish) => {
                    door.clock.set(truth, true);
                    door.tick();
                    if let Some((_, status, utc)) = oracle.wish(wish, truth, 0) {
                        perform(&door, wish, status, utc);
                    }
                }
            }
        }
        door.clock.set(truth, true);
        door.tick();
        door.next_day();
        let mut rows = door.rows();
        rows.sort();
        prop_assert_eq!(rows, oracle.all());
    }
}
