//! What this door publishes: its days, what changed, erasures, and its state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use base::identity::RollNumber;
use time::Date;

use super::{
    BEACON_EVERY, Door, ERASURE_KEPT, KEPT_AFTER, Run, STATE_AT_LEAST, STATE_EVERY, passing, retained,
};
use crate::home_assistant::{Happening, State};
use crate::judge::Window;
use crate::outbox::Publication;

impl<D: Door> Run<D> {
    /// Publishes what this door has seen on a day: what is new, and once more what is not.
    pub(super) async fn publish_day(&mut self, window: Window) {
        let door = Arc::clone(&self.worker.door);
        let day = window.day;
        let Ok(own) = tokio::task::spawn_blocking(move || door.own(day, None)).await else { return };
        let Some((now, _)) = self.worker.door.time() else { return };
        for (roll, own) in own {
            let mut school = self.worker.shared.school();
            let student = school.student(&roll);
            let message = school
                .own(day, &roll, own, now, || self.worker.next_sequence())
                .or_else(|| school.message(day, student, now));
            drop(school);
            self.put(message, window, now);
        }
    }

    pub(super) async fn publish_changes(&mut self) {
        let Some((now, windows)) = self.worker.door.time() else {
            // Without a clock they wait; the next session or the next tick with a clock publishes the day.
            return;
        };
        let mut changed: BTreeMap<Date, BTreeSet<RollNumber>> = BTreeMap::new();
        for (day, roll) in self.worker.changes.take() {
            changed.entry(day).or_default().insert(roll);
        }
        let mine = changed.into_iter().map(|(day, rolls)| (day, Some(rolls))).collect();
        self.publish_what_changed(mine, &windows, now).await;
    }

    /// Publishes what is new of these days: of everybody, or of some students.
    pub(super) async fn publish_what_changed(
        &mut self,
        days: Vec<(Date, Option<BTreeSet<RollNumber>>)>,
        windows: &[Window],
        now: i64,
    ) {
        for (day, rolls) in days {
            let Some(window) = windows.iter().find(|window| window.day == day) else { continue };
            let door = Arc::clone(&self.worker.door);
            let read = tokio::task::spawn_blocking(move || door.own(day, rolls.as_ref()));
            let Ok(own) = read.await else { continue };
            for (roll, own) in own {
                let sequence = || self.worker.next_sequence();
                let message = self.worker.shared.school().own(day, &roll, own, now, sequence);
                self.put(message, *window, now);
            }
        }
    }

    pub(super) fn put(&self, message: Option<(String, Vec<u8>)>, window: Window, now: i64) {
        if let Some((topic, payload)) = message
            && self.connected()
        {
            let expires_in = u32::try_from(window.ends + KEPT_AFTER - now).ok();
            self.outbox.put(Publication { expires_in, ..retained(topic, payload) });
        }
    }

    /// Publishes every erasure at each session and after each change, so that a door that was off, or a
    /// broker that lost what it had, learns of it.
    pub(super) fn publish_erasures(&mut self, now: i64) {
        let erasures = &self.worker.settings.erasures;
        let version = Some(erasures.version());
        if self.erasures == version {
            return;
        }
        for told in erasures.told() {
            let Some(expires_in) = u32::try_from(told.at + ERASURE_KEPT - now).ok().filter(|left| *left > 0)
            else {
                continue;
            };
            let (topic, payload) = self.worker.shared.school().erasure(&told);
            self.outbox.put(Publication { expires_in: Some(expires_in), ..retained(topic, payload) });
        }
        self.erasures = version;
    }

    pub(super) fn say_hello(&mut self, now: i64) {
        if self.listens && self.last_beacon.is_none_or(|last| last.elapsed() >= BEACON_EVERY) {
            self.last_beacon = Some(Instant::now());
            let sequence = self.worker.next_sequence();
            let version = &self.worker.settings.version;
            let (topic, message) = self.worker.shared.school().beacon(sequence, now, version);
            self.outbox.put(passing(topic, message, false));
        }
    }

    pub(super) fn show_state(&mut self) {
        let due = |every| move |(at, _): &(Instant, State)| at.elapsed() >= every;
        if !self.last_state.as_ref().is_none_or(due(STATE_EVERY)) {
            return;
        }
        let mut state = self.worker.door.state();
        state.last_event.clone_from(&self.last_event);
        let same = self.last_state.as_ref().is_some_and(|(_, last)| *last == state);
        if same && !self.last_state.as_ref().is_none_or(due(STATE_AT_LEAST)) {
            return;
        }
        if let Ok(message) = serde_json::to_vec(&state) {
            let topic = self.worker.topics.of(self.worker.settings.identity.device, "state");
            self.outbox.put(retained(topic, message));
        }
        self.last_state = Some((Instant::now(), state));
    }

    /// An event of the door, for others.
    pub(super) fn tell(&mut self, happening: &Happening) {
        let settings = &self.worker.settings;
        self.last_event = happening.in_short(&self.local_time());
        if self.connected() {
            let topic = self.worker.topics.of(settings.identity.device, "event");
            let message = happening.message(&settings.door, settings.config.rows);
            self.outbox.put(passing(topic, message, true));
        }
    }

    fn local_time(&self) -> String {
        let now = self.worker.door.time().map_or(0, |(now, _)| now);
        time::OffsetDateTime::from_unix_timestamp(now).map(|utc| format!("{utc}")).unwrap_or_default()
    }
}
