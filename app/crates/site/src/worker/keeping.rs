//! What the worker does from time to time, and what it keeps on the disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use base::failure::Fault;
use time::Date;

use super::shared::locked;
use super::{Door, LOOK_EVERY, MOST_AT_ONCE, MOST_BATCHES, REFRESH_EVERY, RESTORED_AT_ONCE, Run};
use crate::book::Student;
use crate::judge::Window;
use crate::link::{self, Link};

impl<D: Door> Run<D> {
    pub(super) async fn tick(&mut self, link: &Link) {
        self.learn_roster().await;
        let Some((now, windows)) = self.worker.door.time() else { return };
        let opened = self.worker.shared.school().open(&windows);
        if self.connected() {
            self.follow_days(&windows, link).await;
            if opened {
                for window in &windows {
                    self.publish_day(*window).await;
                }
            }
            if self.last_refresh.elapsed() >= REFRESH_EVERY {
                self.last_refresh = Instant::now();
                let days = windows.iter().map(|window| (window.day, None)).collect();
                self.publish_what_changed(days, &windows, now).await;
            }
            self.publish_erasures(now);
            self.say_hello(now);
            self.show_state();
            self.restore(&windows, now);
        }
        self.save().await;
        self.look_for_silent_doors(now).await;
    }

    async fn look_for_silent_doors(&mut self, now: i64) {
        if self.last_look.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            return;
        }
        self.last_look = Some(Instant::now());
        let runs_for = self.worker.began.elapsed();
        let silent = self.worker.shared.school().silent(now, self.worker.settings.config.grace, runs_for);
        if silent != self.silent {
            self.silent.clone_from(&silent);
            let door = Arc::clone(&self.worker.door);
            if let Err(panic) = tokio::task::spawn_blocking(move || door.silent(silent)).await {
                log::error!("MQTT: the journal was not told which doors are silent: {panic}");
            }
        }
    }

    /// Subscribes to the open days, and to no other.
    async fn follow_days(&mut self, windows: &[Window], link: &Link) {
        let topics = &self.worker.topics;
        let open: BTreeSet<Date> = windows.iter().map(|window| window.day).collect();
        let again = std::mem::take(&mut self.subscribes_again);
        let new = open.iter().filter(|day| again || !self.subscribed.contains(day));
        let new: Vec<String> = new.map(|day| topics.all_of_day(*day)).collect();
        if !new.is_empty() {
            link::subscribe(&link.client, new).await;
        }
        for day in self.subscribed.difference(&open) {
            link::unsubscribe(&link.client, topics.all_of_day(*day)).await;
        }
        self.subscribed = open;
    }

    /// Publishes again what somebody deleted or replaced. A few messages at a time, so that this costs an
    /// attacker more than us.
    fn restore(&mut self, windows: &[Window], now: i64) {
        for _ in 0..RESTORED_AT_ONCE {
            let Some((day, student)) = self.overwritten.pop_first() else { return };
            let Some(window) = windows.iter().find(|window| window.day == day) else { continue };
            let message = self.worker.shared.school().message(day, student, now);
            self.put(message, *window, now);
        }
    }

    /// Learns the hashes of a roster that changed. What the doors said of new students is handed on then.
    async fn learn_roster(&mut self) {
        let version = self.worker.door.roster_version();
        if self.roster == Some(version) {
            return;
        }
        let door = Arc::clone(&self.worker.door);
        let Ok(rolls) = tokio::task::spawn_blocking(move || door.roster()).await else { return };
        self.worker.shared.school().enrol(rolls);
        self.roster = Some(version);
    }

    /// Hands the journal what it has not taken in yet.
    async fn save(&mut self) {
        for _ in 0..MOST_BATCHES {
            if !self.save_some().await {
                return;
            }
        }
    }

    /// One call of the journal. Gives whether there may be more.
    async fn save_some(&mut self) -> bool {
        let (day, batch, students) = {
            let school = self.worker.shared.school();
            let days: BTreeSet<Date> = school.windows().iter().map(|window| window.day).collect();
            self.unsaved.retain(|(day, _)| days.contains(day));
            let known = |place: &&(Date, Student)| school.is_known(place.1);
            let Some((day, _)) = self.unsaved.iter().find(known).copied() else { return false };
            let of_day = self.unsaved.iter().filter(known).take_while(|(of, _)| *of == day);
            let batch: Vec<_> = of_day.take(MOST_AT_ONCE).copied().collect();
            let students = batch.iter().filter_map(|(_, student)| school.elsewhere(day, *student)).collect();
            (day, batch, students)
        };
        let door = Arc::clone(&self.worker.door);
        let kept = tokio::task::spawn_blocking(move || door.take_in(day, students)).await;
        let fault = kept.map_err(Fault::from).and_then(|kept| kept).err();
        let fault = fault
            .map(|fault| fault.described(|what| format!("what other doors have seen is not kept: {what}")));
        if fault.is_none() {
            for place in &batch {
                self.unsaved.remove(place);
            }
        }
        let before = std::mem::replace(&mut *locked(&self.worker.shared.journal), fault.clone());
        match fault {
            Some(fault) => {
                if before.as_ref() != Some(&fault) {
                    log::warn!("MQTT: {fault}");
                }
                false
            }
            None => true,
        }
    }
}
