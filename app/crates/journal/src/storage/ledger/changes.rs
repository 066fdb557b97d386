//! What the journal's records change: rows that come, get their time, and are corrected by hand.

use time::{Date, PrimitiveDateTime};

use super::{Entry, Ledger, Progress, State, timestamp};
use crate::storage::record::{BY_HAND, Certainty, Hand, Record, Row, Settled, Verdict};

/// Why a settled row waits for a person.
const DOUBTFUL: &str = "seen before a power cut while the clock was not known, and a midnight lies between the earliest and \
                        the latest possible time, so its day is not certain: say on which day it was, or dismiss it";

impl Ledger {
    /// Takes in a row that is on the disk.
    pub fn insert(&self, row: Row) {
        let mut state = self.state();
        state.only_in_memory.remove(&row.id);
        let date = self.day.date(row.at.utc);
        let local = self.local(&state, &row, date);
        let progress = match row.clock {
            Certainty::Unknown => Progress::AwaitsClock,
            _ => state.progress(row.id, Progress::Open),
        };
        if row.clock == Certainty::Known && &*row.at.boot != BY_HAND {
            state.latest_known = state.latest_known.max(Some(row.at.utc));
        }
        let entry = Entry::new(row, date, local, progress);
        // The date of a row that waits for the clock is not one of the site's.
        if entry.progress == Progress::AwaitsClock {
            state.enter(entry);
        } else if self.wants(date) {
            state.place(entry);
        }
    }

    /// Takes in rows that the disk does not take. Those whose time is known can be delivered; the webhook
    /// knows duplicates, should they be sent again after they were written.
    pub(crate) fn insert_unwritten<'a>(&self, rows: impl Iterator<Item = &'a Row>) {
        let new: Vec<&Row> = {
            let state = self.state();
            rows.filter(|row| !state.only_in_memory.contains(&row.id)).collect()
        };
        for row in new {
            if row.clock == Certainty::Known {
                self.insert(row.clone());
            }
            self.state().only_in_memory.insert(row.id);
        }
    }

    /// Takes in a row that a person added.
    pub(crate) fn add(&self, row: Row, hand: Hand) {
        let id = row.id;
        let looks_back = self.day.date(row.at.utc) != self.day.date(hand.utc);
        if looks_back {
            self.state().recalled.insert(id);
        }
        self.insert(row);
        let mut state = self.state();
        if let Some(entry) = state.rows.get_mut(&id) {
            entry.hand = Some((hand, None));
        }
        drop(state);
        if looks_back {
            self.let_go(id);
        }
    }

    /// Takes in what the disk says of a row of a day that is not held, until [`let_go`](Self::let_go).
    pub(crate) fn recall(&self, records: &[Record]) {
        for record in records {
            self.state().recalled.insert(record.id());
            match record {
                Record::Row(row) => self.insert(row.clone()),
                Record::Added(row, hand) => {
                    self.insert(row.clone());
                    if let Some(entry) = self.state().rows.get_mut(&row.id) {
                        entry.hand = Some((hand.clone(), None));
                    }
                }
                Record::Settled(settled) => {
                    self.settle(settled);
                }
                record => self.correct(record),
            }
        }
    }

    /// A row that was recalled stays only as long as something is to be done about it.
    pub(crate) fn let_go(&self, id: u64) {
        let mut state = self.state();
        if state.recalled.remove(&id)
            && let Some(entry) = state.rows.get(&id).cloned()
        {
            state.enter(entry);
        }
    }

    /// Takes in a record that changes an earlier row.
    pub(crate) fn correct(&self, record: &Record) {
        let mut state = self.state();
        let Some(mut entry) = state.rows.get(&record.id()).cloned() else { return };
        let id = record.id();
        let was = || format!("{} {}", entry.row.status.as_str(), timestamp(entry.local));
        match record {
            Record::Moved(_, utc) => entry.row.at.utc = *utc,
            Record::Late(_, utc) => entry.late = Some(self.zone().local(*utc)),
            Record::Withdrawn(_, _, reason) => entry.gone = Some(reason.clone()),
            Record::Voided(_, hand) => {
                entry.gone = Some(format!("{}: {}", hand.who, hand.reason));
                entry.hand = Some((hand.clone(), Some(was())));
            }
            Record::Changed { status, utc, hand, .. } => {
                entry.hand = Some((hand.clone(), Some(was())));
                entry.row.status = *status;
                entry.row.at.utc = *utc;
                if entry.row.clock != Certainty::Known {
                    entry.row.clock = Certainty::Known;
                    entry.progress = state.progress(id, Progress::Open);
                }
            }
            Record::Instead { old, .. } => {
                entry.instead = Some(*old);
                let other = state.rows.get(old);
                let was = other.map(|old| format!("{} {}", old.row.status.as_str(), timestamp(old.local)));
                if let Some((_, before)) = &mut entry.hand {
                    *before = was;
                }
            }
            Record::Between(_, earliest, latest) => entry.between = Some((*earliest, *latest)),
            Record::Placed { utc, status, hand, .. } => {
                entry.hand = Some((hand.clone(), None));
                entry.between = None;
                entry.row.at.utc = *utc;
                entry.row.clock = Certainty::Estimated;
                match status {
                    Some(status) => {
                        entry.row.status = *status;
                        entry.progress = state.progress(id, Progress::Open);
                    }
                    None => entry.gone = Some("by the rules it makes no row on this day".to_owned()),
                }
            }
            _ => return,
        }
        state.forget(id);
        if let Some(day) = state.days.get_mut(&entry.date) {
            day.remove(&id);
        }
        if entry.gone.is_some() {
            state.gone.insert(id);
            state.held.remove(&id);
            entry.progress = state.of_gone(&entry);
        }
        let hand_day = match record {
            // The end of a visit may lie after midnight: it stays an OUT of its day.
            Record::Changed { utc, hand, .. } | Record::Placed { utc, hand, .. } => {
                entry.date = self.day.date(*utc);
                Some(self.day.date(hand.utc))
            }
            _ => None,
        };
        entry.local = self.local(&state, &entry.row, entry.date);
        let date = entry.date;
        if self.wants(date) {
            state.enter(entry);
            // Somebody looked back: no day that is newer is given up for it.
            match hand_day {
                Some(today) if today == date => state.use_date(date),
                _ if !state.holds_all => state.dates.look_back(date),
                _ => {}
            }
        }
    }

    /// The local time of a row. In the hour that comes twice in autumn, rows of one student do not run
    /// backwards: a later one has at least the time of the one before it.
    fn local(&self, state: &State, row: &Row, date: Date) -> PrimitiveDateTime {
        let local = self.zone().local(row.at.utc);
        const REPEATED: time::Duration = time::Duration::hours(3);
        let repeats = local - self.zone().local(row.at.utc - REPEATED) < REPEATED;
        if !repeats {
            return local;
        }
        let earlier = |entry: &&Entry| {
            entry.row.roll == row.roll && entry.row.id != row.id && entry.row.at.utc <= row.at.utc
        };
        state.day(date).filter(earlier).map(|entry| entry.local).fold(local, PrimitiveDateTime::max)
    }

    /// Takes in the time of a row; gives the row as it is now, when it is one for the rules.
    pub(crate) fn settle(&self, settled: &Settled) -> Option<Row> {
        let mut state = self.state();
        let mut entry = state.rows.get(&settled.id)?.clone();
        if entry.progress != Progress::AwaitsClock {
            return None;
        }
        entry.row.at.utc = settled.utc;
        entry.date = self.day.date(settled.utc);
        let fresh;
        (entry.row.status, entry.row.clock, fresh) = match settled.verdict {
            Verdict::Row { status, measured: true } => (status, Certainty::Known, Progress::Open),
            Verdict::Row { status, measured: false } => (status, Certainty::Estimated, Progress::Open),
            Verdict::Doubtful(status) => {
                (status, Certainty::Doubtful, Progress::NeedsPerson(DOUBTFUL.to_owned()))
            }
            Verdict::Nothing => {
                state.forget(settled.id);
                state.done.insert(settled.id);
                return None;
            }
        };
        entry.progress = state.progress(settled.id, fresh);
        entry.local = self.local(&state, &entry.row, entry.date);
        let (row, date) = (entry.row.clone(), entry.date);
        // A person may say that a doubtful row is of another day.
        if self.wants(date) || row.clock == Certainty::Doubtful {
            state.place(entry);
        } else {
            state.forget(settled.id);
        }
        // A doubtful row says nothing about the day it may belong to.
        (row.clock != Certainty::Doubtful).then_some(row)
    }
}
