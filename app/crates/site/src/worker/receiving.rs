//! What other doors and Home Assistant send.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::failure::Fault;
use bytes::Bytes;

use super::{Door, Run, retained};
use crate::erasure::Told as Erasure;
use crate::school::Received;
use crate::topics::Topic;

impl<D: Door> Run<D> {
    pub(super) async fn message(&mut self, topic: &str, payload: &[u8], kept: bool) {
        let shared = Arc::clone(&self.worker.shared);
        shared.received.fetch_add(1, Ordering::Relaxed);
        shared.received_bytes.fetch_add((topic.len() + payload.len()) as u64, Ordering::Relaxed);
        let (now, windows) = match self.worker.door.time() {
            Some(time) => time,
            // An erasure waits for no clock.
            None if matches!(self.worker.topics.read(topic), Some(Topic::Erasure(..))) => (0, Vec::new()),
            None => return,
        };
        if self.is_of_erased(topic) {
            // What the broker still keeps of the student goes, whichever door it is from.
            if kept && !payload.is_empty() {
                self.outbox.put(retained(topic.to_owned(), Bytes::new()));
            }
            return;
        }
        let received = shared.school().receive(topic, payload, kept, now);
        match received {
            Received::Changed(day, student) => {
                self.unsaved.insert((day, student));
                // What stands between the first and the last visit counts now.
                let school = shared.school();
                if school.is_voided(day, student)
                    && let Some(roll) = school.roll(student)
                {
                    self.worker.changes.mark(day, roll.clone());
                }
            }
            Received::Behind(day, student) => {
                let roll = shared.school().roll(student).cloned();
                if let (Some(roll), true) = (roll, windows.iter().any(|window| window.day == day)) {
                    self.worker.changes.mark(day, roll);
                }
            }
            Received::Overwritten(day, student) => {
                self.overwritten.insert((day, student));
            }
            Received::Erasure(told) => self.take_erasure(told).await,
            Received::Command(name) => self.command(&name, kept),
            Received::Beacon(heard) => {
                if heard.first {
                    // It came after our last beacon, and would wait a minute for the next one.
                    self.last_beacon = None;
                }
                if heard.put_off {
                    self.subscribes_again = true;
                }
            }
            Received::Known | Received::Refused => {}
        }
    }

    /// Whether a message is about a student who was erased.
    fn is_of_erased(&self, topic: &str) -> bool {
        let Some(Topic::Book(_, _, student)) = self.worker.topics.read(topic) else { return false };
        self.worker.settings.erasures.holds(student)
    }

    async fn take_erasure(&mut self, told: Erasure) {
        let (erasures, door) = (Arc::clone(&self.worker.settings.erasures), Arc::clone(&self.worker.door));
        let taken = tokio::task::spawn_blocking(move || erasures.take(&told)).await;
        match taken.map_err(Fault::from).and_then(|taken| taken) {
            Ok(true) => {
                log::info!("MQTT: another door erased a student; everything of theirs is removed here, too");
                door.erase();
            }
            Ok(false) => {}
            Err(fault) => log::error!("MQTT: an erasure is not done here: {fault}"),
        }
    }

    pub(super) fn command(&mut self, name: &str, kept: bool) {
        let allowed = self.worker.settings.config.commands;
        match self.gatekeeper.admit(allowed, name, kept, self.started.elapsed()) {
            Ok(command) => {
                log::info!("MQTT: the command {:?} came from the broker", command.name());
                self.worker.door.perform(command);
            }
            Err(refused) => log::warn!("MQTT: a command is not carried out: {refused}"),
        }
    }
}
