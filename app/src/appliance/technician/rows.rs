//! Rows of attendance as the page shows them, and their delivery.

use std::collections::HashSet;
use std::sync::Arc;

use time::Date;

use super::Technician;
use base::identity::RollNumber;
use base::moment::Moment;
use journal::config::{Direction, Policy};
use journal::storage::{Folder, Progress as Delivery, RowView};
use view::{Refused, RefusedRow, Row, RowDelivery, RowStatus, Today, Upload};

fn row(view: &RowView) -> Row {
    Row {
        name: view.roll.to_string(),
        status: row_status(view.status),
        timestamp: view.timestamp.clone(),
        provisional: view.clock != "known",
        delivery: match view.progress {
            Delivery::AwaitsClock | Delivery::Open => RowDelivery::Waiting,
            Delivery::NeedsPerson(_) if view.void => RowDelivery::Void,
            Delivery::NeedsPerson(_) if view.conflict => RowDelivery::Conflict,
            Delivery::NeedsPerson(_) => RowDelivery::NeedsPerson,
            Delivery::Delivered => RowDelivery::Delivered,
            Delivery::Dismissed => RowDelivery::Dismissed,
            Delivery::Void(_) => RowDelivery::Void,
        },
        open: view.open,
        note: note(view),
        id: if view.id == 0 { String::new() } else { view.id.to_string() },
    }
}

fn row_status(text: &str) -> RowStatus {
    if text == RowStatus::Out.as_str() { RowStatus::Out } else { RowStatus::In }
}

/// What else there is to say of a row.
fn note(view: &RowView) -> String {
    let late = view.late.as_ref().map(|seen| format!("seen again at {seen}, after this OUT was sent"));
    let void = match &view.progress {
        Delivery::Void(reason) if view.by_hand.is_none() => {
            Some(format!("withdrawn before it was sent: {reason}"))
        }
        Delivery::NeedsPerson(_) if view.void => Some("the backend may have it still".to_owned()),
        _ => None,
    };
    let by_hand = view.by_hand.as_ref().map(|by_hand| match view.void {
        true => format!("taken away by hand, {by_hand}"),
        false => format!("by hand, {by_hand}"),
    });
    [late, void, by_hand].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn refused_row(view: &RowView) -> RefusedRow {
    RefusedRow {
        id: view.id.to_string(),
        name: view.roll.to_string(),
        status: row_status(view.status),
        timestamp: view.timestamp.clone(),
        reason: match &view.progress {
            Delivery::NeedsPerson(reason) => reason.clone(),
            _ => String::new(),
        },
        void: view.void,
        days: view.days.clone(),
    }
}

impl Technician {
    pub(super) fn today(&self, now: Moment) -> Today {
        let date = self.ledger.day().date(now.utc);
        let file = self.config.site.data_dir.join(format!("attendance/attendance_{date}.csv"));
        let summary = self.ledger.summary();
        let journal::storage::Summary { storage, undelivered_in_memory, .. } = summary;
        let closed = self.ledger.is_closed(date);
        Today {
            unsaved_undelivered: undelivered_in_memory,
            policy: match self.config.attendance.policy {
                Policy::FirstInLastOut => "first-in-last-out",
                Policy::Alternate => "alternate",
            }
            .to_owned(),
            open_outs: summary.open_outs,
            outs_are_sent: self.outs_are_sent(closed),
            closed,
            corrected: self.ledger.corrected(date).unwrap_or_default().iter().map(row).collect(),
            unsaved: storage.unwritten,
            unsaved_reason: storage.trouble,
            lost: self.inbox.lost(),
            date: date.to_string(),
            exists: file.exists(),
            file: file.display().to_string(),
            rows: self.shown(date, self.day(date, date).unwrap_or_default(), closed),
        }
    }

    /// When OUT rows are sent, in one sentence.
    fn outs_are_sent(&self, closed: bool) -> String {
        let attendance = &self.config.attendance;
        let closes = self.ledger.day().closes();
        match (attendance.policy, attendance.departure_settles) {
            (Policy::Alternate, _) => String::new(),
            _ if closed => "The day is closed; its OUT rows are sent.".to_owned(),
            (_, Some(settles)) => format!(
                "An OUT is sent once nobody has seen the student for {} minutes, and at {closes} at the latest.",
                settles.as_secs() / 60
            ),
            _ if self.ledger.day().has_an_end() => {
                format!("OUT rows are open until {closes}, and are sent then.")
            }
            _ => format!("OUT rows are sent at {closes}. Set attendance.day_ends to send them earlier."),
        }
    }

    /// Rows as the page shows them. On a day that is closed, who came and was not seen leaving is named.
    pub(super) fn shown(&self, date: Date, rows: Vec<RowView>, closed: bool) -> Vec<Row> {
        let today = self.ledger.day().date(self.clock.now().utc);
        let over = (closed || date < today)
            && self.config.attendance.policy == Policy::FirstInLastOut
            && self.config.door.direction == Direction::Both;
        let left: HashSet<&RollNumber> =
            rows.iter().filter(|row| row.status == "OUT").map(|row| &row.roll).collect();
        let mut shown: Vec<Row> = rows.iter().map(row).collect();
        for (view, row) in rows.iter().zip(&mut shown) {
            if over && view.status == "IN" && row.note.is_empty() && !left.contains(&view.roll) {
                row.note = "no departure seen".to_owned();
            }
        }
        shown
    }

    /// The rows of `date`; none when they are not in memory. What was seen before the clock was known has no
    /// day yet: it stands with today's, marked as provisional, until the clock tells where it belongs.
    pub(super) fn day(&self, date: Date, today: Date) -> Option<Vec<RowView>> {
        let mut rows = self.ledger.with_open_outs(date)?;
        if date == today {
            rows.extend(self.ledger.awaiting_clock());
        }
        Some(rows)
    }

    /// The rows of a day, from memory or from the disk.
    pub(super) fn rows_of(&self, day: Date) -> Result<Vec<Row>, Refused> {
        let today = self.ledger.day().date(self.clock.now().utc);
        let closed = self.ledger.is_closed(day);
        if let Some(rows) = self.day(day, today) {
            return Ok(self.shown(day, rows, closed));
        }
        let folder = Arc::new(Folder::new(self.config.site.data_dir.join("journal")));
        let rows = journal::storage::rows_on(folder, self.ledger.day(), day);
        rows.map(|rows| self.shown(day, rows, closed)).map_err(|error| Refused {
            message: format!("The rows of {day} cannot be read. Check the storage, then try again."),
            details: error.to_string(),
        })
    }

    /// What persons or the rules withdrew on a day, from memory or from the disk.
    pub(super) fn corrected_on(&self, day: Date) -> Result<Vec<Row>, Refused> {
        if let Some(rows) = self.ledger.corrected(day) {
            return Ok(rows.iter().map(row).collect());
        }
        let folder = Arc::new(Folder::new(self.config.site.data_dir.join("journal")));
        let ledger = journal::storage::ledger_of(folder, self.ledger.day(), day);
        let rows = ledger.map(|ledger| ledger.corrected(day).unwrap_or_default());
        rows.map(|rows| rows.iter().map(row).collect()).map_err(|error| Refused {
            message: format!("The corrections of {day} cannot be read. Check the storage, then try again."),
            details: error.to_string(),
        })
    }

    pub(super) fn upload(&self) -> Upload {
        let summary = self.ledger.summary();
        let (error, retry_in_s) = self.memory.latest().upload_error.unzip();
        Upload {
            url: self.config.webhook.url.as_ref().map(ToString::to_string),
            interval_s: self.config.webhook.interval.as_secs(),
            backlog: summary.backlog,
            last_success: summary.last_delivery.map(|at| self.local(at)),
            error,
            retry_in_s,
            needs_person: self.ledger.needs_person().iter().map(refused_row).collect(),
        }
    }

    /// Rows of a student that the webhook has not got.
    pub(super) fn undelivered(&self, roll: &RollNumber) -> usize {
        if self.config.webhook.url.is_none() {
            return 0;
        }
        let open = self.ledger.open_rows(usize::MAX, |_| true);
        let held = self.ledger.needs_person().into_iter().chain(self.ledger.awaiting_clock());
        let today = self.ledger.day().date(self.clock.now().utc);
        let open_out = self.ledger.with_open_outs(today).unwrap_or_default();
        let is_open_out = |row: &RowView| row.open && row.roll == *roll;
        open.iter().filter(|row| row.roll == *roll).count()
            + held.filter(|row| row.roll == *roll).count()
            + open_out.iter().filter(|row| is_open_out(row)).count()
    }
}
