//! What is sent, what is held back, and what the webhook answered.

use time::OffsetDateTime;

use super::{Entry, Ledger, OpenRow, Progress, Standing};
use crate::storage::delivery::{Delivery, Fate};

impl Ledger {
    /// Whether a row can still change: it waits, and no request may have told of it.
    pub(crate) fn is_movable(&self, id: u64) -> bool {
        let state = self.state();
        state.open.contains(&id) && (state.stays || !state.may_be_sent(id))
    }

    /// Keeps a row from being sent until [`release`](Self::release). Gives whether it can still change: then
    /// no request tells of it from now on.
    pub(crate) fn hold(&self, id: u64) -> bool {
        let mut state = self.state();
        let movable = state.open.contains(&id) && (state.stays || !state.may_be_sent(id));
        if movable {
            state.held.insert(id);
        }
        movable
    }

    /// What can be done about a row by hand; none when it is not in memory. What the webhook does not have is
    /// held from now on, until [`release`](Self::release).
    pub(crate) fn hold_for_a_person(&self, id: u64) -> Option<Standing> {
        let mut state = self.state();
        let entry = state.rows.get(&id)?;
        Some(if entry.gone.is_some() {
            Standing::Gone
        } else if entry.progress == Progress::AwaitsClock {
            Standing::AwaitsClock
        } else if entry.is_doubtful() && matches!(entry.progress, Progress::NeedsPerson(_)) {
            Standing::AwaitsDay
        } else if !state.stays && state.may_have(id) {
            Standing::Sent
        } else {
            state.held.insert(id);
            Standing::Held
        })
    }

    /// The row may be sent.
    pub(crate) fn release(&self, id: u64) {
        self.state().held.remove(&id);
    }

    /// From `next` on, [`Fate::Sending`] is written before a row is sent, unless it was so before.
    pub(crate) fn keep_intents_from(&self, next: u64) {
        let mut state = self.state();
        state.intents_from = state.intents_from.or(Some((next, false)));
    }

    /// Marks rows that are about to be sent. Gives those of them that may be, as they are now, and what must
    /// be on the disk before the request.
    pub fn begin_sending(&self, rows: &[OpenRow], utc: OffsetDateTime) -> (Vec<OpenRow>, Vec<Delivery>) {
        let mut state = self.state();
        let mut intents = Vec::new();
        if let Some((id, written)) = &mut state.intents_from
            && !*written
            && !rows.is_empty()
        {
            *written = true;
            intents.push(Delivery { id: *id, utc, fate: Fate::Intents });
        }
        let mut ready = Vec::new();
        for OpenRow { id, .. } in rows {
            let Some(entry) =
                state.rows.get(id).filter(|_| state.open.contains(id) && !state.held.contains(id))
            else {
                continue;
            };
            ready.push(entry.open_row());
            if state.sent_again.remove(id) || !state.sent.contains(*id) {
                state.sent.insert(*id);
                intents.push(Delivery { id: *id, utc, fate: Fate::Sending });
            }
        }
        (ready, intents)
    }

    /// Whether "recorded already" about this row, at its first request, tells of another's row: neither this
    /// door nor another one of the site can have sent one for this student, day and status.
    pub fn is_a_conflict(&self, id: u64) -> bool {
        let state = self.state();
        let Some(entry) = state.rows.get(&id) else { return false };
        let (date, row) = (entry.date, &entry.row);
        let before = state.intents_from.is_none_or(|(first, _)| id < first);
        let same = |other: &&Entry| {
            other.row.id != id
                && other.row.roll == row.roll
                && other.row.status == row.status
                && other.gone.is_none()
                && state.may_be_sent(other.row.id)
        };
        if entry.instead.is_some() {
            // The webhook keeps the row in whose place this one was added.
            return true;
        }
        !before
            && !state.dates.gave_up(date)
            && !state.elsewhere.contains(&(date, row.roll.clone()))
            && state.day(date).find(same).is_none()
    }

    /// Whether the row was added in the place of one that the webhook may have.
    pub fn is_instead(&self, id: u64) -> bool {
        self.state().rows.get(&id).is_some_and(|entry| entry.instead.is_some())
    }

    /// Whether a row that needs a person can be sent again: it is still one.
    pub fn can_be_sent_again(&self, id: u64) -> bool {
        let state = self.state();
        state.with_a_person.contains(&id) && state.rows.get(&id).is_some_and(|entry| entry.gone.is_none())
    }

    /// The first `limit` rows to be delivered that `wanted` accepts.
    pub fn open_rows(&self, limit: usize, mut wanted: impl FnMut(u64) -> bool) -> Vec<OpenRow> {
        let state = self.state();
        state
            .open
            .difference(&state.held)
            .filter(|id| wanted(**id))
            .filter_map(|id| state.rows.get(id))
            .take(limit)
            .map(Entry::open_row)
            .collect()
    }

    /// Takes in the result of a delivery.
    pub fn deliver(&self, delivery: Delivery) {
        let mut state = self.state();
        let (id, utc) = (delivery.id, delivery.utc);
        match &delivery.fate {
            Fate::Intents => {
                state.intents_from = Some((id, true));
                return;
            }
            Fate::Sending => {
                state.sent.insert(id);
                state.sent_again.remove(&id);
                return;
            }
            Fate::Created | Fate::Duplicate => {
                state.done.insert(id);
                state.marks.remove(&id);
                state.last_delivery = Some(utc);
            }
            Fate::Dismissed => {
                state.done.insert(id);
                state.marks.insert(id, delivery);
            }
            // A row once acknowledged stays so, whatever a second answer about it says.
            Fate::Refused(_) | Fate::Reopened | Fate::Conflict(_) if state.done.contains(id) => return,
            Fate::Refused(_) | Fate::Reopened | Fate::Conflict(_) => {
                if delivery.fate == Fate::Reopened {
                    state.sent_again.insert(id);
                }
                state.marks.insert(id, delivery);
            }
        }
        if let Some(mut entry) = state.rows.get(&id).cloned()
            && entry.progress != Progress::AwaitsClock
        {
            entry.progress = match entry.gone {
                Some(_) => state.of_gone(&entry),
                None => state.progress(id, Progress::Open),
            };
            state.enter(entry);
        }
    }
}
