//! The rows in memory, and which of them are to be delivered, wait, or are looked at by a person.

use std::collections::BTreeSet;

use time::{Date, PrimitiveDateTime};

use super::{Entry, OpenRow, Progress, RowView, State, timestamp};
use crate::day::SchoolDay;
use crate::storage::delivery::Fate;
use crate::storage::record::{Certainty, Row};

impl State {
    /// What the delivery log says about a row, or else `fresh`.
    pub(super) fn progress(&self, id: u64, fresh: Progress) -> Progress {
        match self.marks.get(&id).map(|delivery| &delivery.fate) {
            Some(Fate::Refused(reason) | Fate::Conflict(reason)) => Progress::NeedsPerson(reason.clone()),
            Some(Fate::Dismissed) => Progress::Dismissed,
            Some(Fate::Reopened) => Progress::Open,
            _ if self.done.contains(id) => Progress::Delivered,
            _ => fresh,
        }
    }

    /// What is still to be done about a row that does not count any more.
    pub(super) fn of_gone(&self, entry: &Entry) -> Progress {
        let reason = entry.gone.clone().unwrap_or_default();
        if self.stays || !self.may_have(entry.row.id) {
            return Progress::Void(reason);
        }
        Progress::NeedsPerson(format!(
            "taken away here ({reason}), and the backend may have it still: take it away there too, then dismiss it here"
        ))
    }

    /// Whether the webhook has the row or may have it.
    pub(super) fn may_have(&self, id: u64) -> bool {
        match self.marks.get(&id).map(|delivery| &delivery.fate) {
            Some(Fate::Refused(_) | Fate::Conflict(_) | Fate::Dismissed) => false,
            _ => self.sent.contains(id) || self.done.contains(id),
        }
    }

    /// Whether a request may have told the webhook of the row.
    pub(super) fn may_be_sent(&self, id: u64) -> bool {
        self.sent.contains(id) || self.done.contains(id) || self.marks.contains_key(&id)
    }

    pub(super) fn view(&self, day: &SchoolDay, entry: &Entry) -> RowView {
        let mark = self.marks.get(&entry.row.id).map(|delivery| &delivery.fate);
        RowView {
            open: self.held.contains(&entry.row.id),
            conflict: matches!(mark, Some(Fate::Conflict(_))),
            days: entry.days(day),
            ..entry.view()
        }
    }

    pub(super) fn enter(&mut self, entry: Entry) {
        let (id, date) = (entry.row.id, entry.date);
        self.forget(id);
        // A row of a day that was given up stays only until it is finished.
        let recalled = self.recalled.contains(&id);
        if !recalled && self.is_finished(&entry) && self.dates.gave_up(date) && !self.dates.holds(date) {
            if let Some(left) = self.days.get_mut(&date) {
                left.remove(&id);
            }
            return;
        }
        match entry.progress {
            Progress::Open => self.open.insert(id),
            Progress::AwaitsClock => self.awaiting_clock.insert(id),
            Progress::NeedsPerson(_) => self.with_a_person.insert(id),
            Progress::Delivered | Progress::Dismissed | Progress::Void(_) => false,
        };
        if entry.progress != Progress::Open {
            self.held.remove(&id);
        }
        if entry.progress != Progress::AwaitsClock {
            self.days.entry(date).or_default().insert(id);
        }
        self.rows.insert(id, entry);
    }

    /// As [`enter`](Self::enter), and its day is in use now; one that somebody looks back at is not.
    pub(super) fn place(&mut self, entry: Entry) {
        let (id, date) = (entry.row.id, entry.date);
        self.enter(entry);
        if !self.recalled.contains(&id) {
            self.use_date(date);
        } else if !self.holds_all {
            self.dates.look_back(date);
        }
    }

    /// Takes the row out of memory, but for its place in its day.
    pub(super) fn forget(&mut self, id: u64) {
        self.rows.remove(&id);
        self.open.remove(&id);
        self.awaiting_clock.remove(&id);
        self.with_a_person.remove(&id);
    }

    /// Whether nothing is to be done about the row any more.
    pub(super) fn is_finished(&self, entry: &Entry) -> bool {
        match entry.progress {
            Progress::Delivered | Progress::Dismissed | Progress::Void(_) => true,
            Progress::Open | Progress::NeedsPerson(_) => self.stays,
            Progress::AwaitsClock => false,
        }
    }

    /// Notes that a row of `date` was written; gives up the day that was longest without one.
    pub(super) fn use_date(&mut self, date: Date) {
        if self.holds_all {
            return;
        }
        let Some(evicted) = self.dates.touch(date) else { return };
        let mut left = self.days.remove(&evicted).unwrap_or_default();
        left.retain(|id| {
            let finished = self.rows.get(id).is_none_or(|entry| self.is_finished(entry));
            if finished {
                self.forget(*id);
            }
            !finished
        });
        self.days.insert(evicted, left);
        self.days.retain(|_, ids| !ids.is_empty());
    }

    pub(super) fn all<'a>(&'a self, ids: &'a BTreeSet<u64>) -> impl Iterator<Item = &'a Entry> {
        ids.iter().filter_map(|id| self.rows.get(id))
    }

    pub(super) fn day(&self, date: Date) -> impl Iterator<Item = &Entry> {
        self.days.get(&date).into_iter().flatten().filter_map(|id| self.rows.get(id))
    }
}

impl Entry {
    pub(super) fn new(row: Row, date: Date, local: PrimitiveDateTime, progress: Progress) -> Self {
        Self { row, date, local, progress, late: None, hand: None, gone: None, instead: None, between: None }
    }

    /// Whether its day is not known.
    pub(super) fn is_doubtful(&self) -> bool {
        self.row.clock == Certainty::Doubtful
    }

    /// The days on which it may have been seen, where a person has to say which. A week at most: the rows of
    /// a device that was off for longer belong on the paper list.
    pub(super) fn days(&self, day: &SchoolDay) -> Vec<String> {
        const MOST: usize = 7;
        let Some((earliest, latest)) = self.between.filter(|_| self.is_doubtful()) else { return Vec::new() };
        let first = day.date(earliest);
        let days = std::iter::successors(Some(first), |date| date.next_day());
        days.take_while(|date| *date <= day.date(latest)).take(MOST).map(|date| date.to_string()).collect()
    }

    /// As the webhook gets it.
    pub(super) fn open_row(&self) -> OpenRow {
        OpenRow {
            id: self.row.id,
            roll: self.row.roll.clone(),
            status: self.row.status,
            local: SchoolDay::sent(self.date, self.local),
        }
    }

    pub(super) fn view(&self) -> RowView {
        RowView {
            id: self.row.id,
            roll: self.row.roll.clone(),
            status: self.row.status.as_str(),
            timestamp: timestamp(self.local),
            clock: match self.row.clock {
                Certainty::Known => "known",
                Certainty::Unknown => "unknown",
                Certainty::Estimated => "estimated",
                Certainty::Doubtful => "doubtful",
            },
            progress: self.progress.clone(),
            open: false,
            conflict: false,
            late: self.late.map(timestamp),
            void: self.gone.is_some(),
            days: Vec::new(),
            by_hand: self.hand.as_ref().map(|(hand, was)| {
                let was = was.as_ref().map(|was| format!(" (it was {was})")).unwrap_or_default();
                format!("{}: {}{was}", hand.who, hand.reason)
            }),
        }
    }
}
