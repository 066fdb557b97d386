//! One pass: sends what waits, and records what the webhook says of each row.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{CONFLICT, DELAYS, Ended, MAX_ANSWER, Report, Run, Uploader};
use crate::http::Client;
use crate::upload::answer::{RowAnswer, Trouble, TroubleKind};
use crate::upload::plan::Next;
use crate::upload::{answer, body};
use base::backoff::Backoff;
use base::event::Event;
use base::identity::RollNumber;
use journal::storage::{Delivery, Fate, OpenRow};

const KEPT: &str =
    "the backend keeps the row as it was before it was changed here. Change it there, then dismiss this row";

impl Uploader {
    /// Sends batch after batch until there are none or one fails for now.
    pub(super) async fn pass(&self, run: &mut Run, report: &mut Report, heard_for: Duration) -> Ended {
        self.tidy(run).await;
        loop {
            let now = self.clock.now().since_boot;
            let batch = run.plan.next(&self.ledger, now);
            if batch.is_empty() {
                // While the clock is in doubt, the webhook's answer also tells the time.
                let doubted = self.clock.doubt().is_some();
                return match run.heard {
                    Some(heard) if !doubted && now.saturating_sub(heard) < heard_for => Ended::Done,
                    _ => self.knock(run, now).await,
                };
            }
            let (batch, first) = self.intend(&batch).await;
            if batch.is_empty() {
                // Somebody was seen again meanwhile: the row waits for its new time.
                continue;
            }
            match self.send(&batch).await {
                Ok(answers) => {
                    run.heard = Some(now);
                    self.take(run, &batch, &answers, &first, report).await;
                }
                Err(trouble) => {
                    self.note_failure(&trouble);
                    if trouble.kind == TroubleKind::Person {
                        return Ended::Held(trouble);
                    }
                    let (next, fate) = run.plan.failed(&batch, &trouble, &self.ledger, now);
                    if let Some(fate) = fate {
                        self.record(run, vec![fate], report).await;
                    }
                    if next == Next::Wait {
                        return self.later(run, trouble);
                    }
                }
            }
        }
    }

    /// Sends a list without rows: whether the webhook is there and takes the key shall be known before there
    /// are rows.
    async fn knock(&self, run: &mut Run, now: Duration) -> Ended {
        match self.send(&[]).await {
            // Who refuses a list for having no rows has read it, and the key before it.
            Err(trouble) if trouble.kind == TroubleKind::Batch => {
                log::debug!("a list without rows was answered: {}", trouble.reason);
            }
            Err(trouble) => {
                self.note_failure(&trouble);
                return match trouble.kind {
                    TroubleKind::Person => Ended::Held(trouble),
                    _ => self.later(run, trouble),
                };
            }
            Ok(_) => {}
        }
        run.heard = Some(now);
        if std::mem::take(&mut self.view.lock().unwrap_or_else(PoisonError::into_inner).failure).is_some() {
            let backlog = self.ledger.summary().backlog;
            self.bus.publish(Event::Delivered { created: 0, duplicates: 0, refused: 0, backlog });
        }
        Ended::Done
    }

    fn later(&self, run: &mut Run, trouble: Trouble) -> Ended {
        let delay = run.backoff.next_delay().max(trouble.wait.unwrap_or_default());
        let retry_in_s = delay.as_secs().max(1);
        self.bus.publish(Event::DeliveryFailed { reason: trouble.reason.clone(), retry_in_s });
        Ended::Later(trouble, delay)
    }

    /// Writes down that these rows are about to be sent. Gives those of them that may be, as they are now,
    /// and which of them are sent for the first time. "Recorded already" in answer to a first request tells
    /// of somebody else's row; in answer to a repeated one it may be our own.
    async fn intend(&self, batch: &[OpenRow]) -> (Vec<OpenRow>, HashSet<u64>) {
        let (ready, intents) = self.ledger.begin_sending(batch, self.clock.now().utc);
        let sending = intents.iter().filter(|intent| intent.fate == Fate::Sending);
        let first = sending.map(|intent| intent.id).collect();
        if !intents.is_empty()
            && let Err(reason) = self.write(intents).await
        {
            // Not to send would lose more: at worst a row of ours is taken for another's after a power cut.
            log::error!(
                "it cannot be written that rows are sent ({reason}); they are sent all the same: check the disk"
            );
        }
        (ready, first)
    }

    /// Tells `hears` what the webhook calls the students, as answers come. Only the first call counts.
    pub fn tell_names(&self, hears: impl Fn(&RollNumber, &str) + Send + Sync + 'static) {
        let _ = self.names.set(Box::new(hears));
    }

    async fn send(&self, batch: &[OpenRow]) -> Result<Vec<RowAnswer>, Trouble> {
        let body = body::encode(batch, self.door.as_deref()).map_err(|error| Trouble {
            kind: TroubleKind::Server,
            reason: format!("the rows cannot be written as CSV: {error}").into(),
            wait: None,
        })?;
        let posted =
            self.client()?.post(self.url.expose(), self.headers.clone(), body.into(), MAX_ANSWER).await;
        let answer = posted.map_err(|error| Trouble::from(&error))?;
        if let Some(told) = answer::date(self.url.expose(), &answer) {
            self.clock.compare(told);
        }
        if let Some(hears) = self.names.get() {
            for (roll, name) in answer::names(&answer, batch) {
                hears(roll, &name);
            }
        }
        let now = self.clock.now();
        answer::read(&answer, batch, now.trusted.then_some(now.utc))
    }

    /// The client, with the trust that the configuration asks for. What is wrong with that may be mended
    /// meanwhile.
    fn client(&self) -> Result<&Client, Trouble> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let clock = Arc::clone(&self.clock);
        let made = Client::with_clock(&self.tls, self.timeouts, clock).map_err(|error| Trouble {
            kind: TroubleKind::Person,
            reason: error.to_string().into(),
            wait: None,
        })?;
        Ok(self.client.get_or_init(|| made))
    }

    /// Takes in what the webhook said of each row.
    async fn take(
        &self,
        run: &mut Run,
        batch: &[OpenRow],
        answers: &[RowAnswer],
        first: &HashSet<u64>,
        report: &mut Report,
    ) {
        run.backoff = Backoff::between(DELAYS.0, DELAYS.1);
        {
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            view.failure = None;
            view.answered += 1;
        }
        let mut fates = run.plan.answered(batch, answers, self.clock.now().since_boot);
        for (id, fate) in &mut fates {
            if *fate == Fate::Duplicate && first.contains(id) && self.ledger.is_a_conflict(*id) {
                let instead = self.ledger.is_instead(*id);
                *fate = Fate::Conflict(if instead { KEPT } else { CONFLICT }.to_owned());
            }
        }
        self.record(run, fates, report).await;
    }

    /// Writes down the results of rows, and publishes them.
    async fn record(&self, run: &mut Run, fates: Vec<(u64, Fate)>, report: &mut Report) {
        let utc = self.clock.now().utc;
        let (mut created, mut duplicates, mut refused) = (0, 0, 0);
        for (id, fate) in fates {
            match &fate {
                Fate::Created => created += 1,
                Fate::Duplicate => duplicates += 1,
                Fate::Refused(reason) | Fate::Conflict(reason) => {
                    refused += 1;
                    // The server's words may name anybody.
                    log::warn!(personal:% = reason; "row {id} needs a person: {reason}");
                }
                Fate::Reopened | Fate::Dismissed | Fate::Sending | Fate::Intents => {}
            }
            run.unsaved.push(Delivery { id, utc, fate });
        }
        // In memory at once, so that a disk that fails does not make us send everything again and again.
        let first_unseen = run.unsaved.len() - (created + duplicates + refused);
        for delivery in &run.unsaved[first_unseen..] {
            self.ledger.deliver(delivery.clone());
        }
        self.save(run).await;
        report.created += created;
        report.duplicates += duplicates;
        report.refused += refused;
        let backlog = self.ledger.summary().backlog;
        self.bus.publish(Event::Delivered { created, duplicates, refused, backlog });
    }

    async fn save(&self, run: &mut Run) {
        if run.unsaved.is_empty() {
            return;
        }
        match self.write(run.unsaved.clone()).await {
            Ok(()) => run.unsaved.clear(),
            Err(reason) => log::error!(
                "what the webhook said of {} rows cannot be written ({reason}); tried again, and at worst they are sent \
                 again: check the disk",
                run.unsaved.len()
            ),
        }
    }

    /// Saves what could not be saved before, and drops what nobody needs any more.
    async fn tidy(&self, run: &mut Run) {
        self.save(run).await;
        let first = self.ledger.first_id();
        if first > run.pruned_to {
            let deliveries = Arc::clone(&self.deliveries);
            let pruned = tokio::task::spawn_blocking(move || {
                deliveries.lock().unwrap_or_else(PoisonError::into_inner).prune(first)
            });
            match pruned.await {
                Ok(Ok(_)) => run.pruned_to = first,
                Ok(Err(error)) => log::warn!("old delivery records could not be removed: {error}"),
                Err(panic) => log::error!("a defect in the program while pruning: {panic}"),
            }
        }
    }

    /// Makes `records` durable on a thread made for blocking.
    pub(super) async fn write(&self, records: Vec<Delivery>) -> Result<(), String> {
        let deliveries = Arc::clone(&self.deliveries);
        let written = tokio::task::spawn_blocking(move || {
            deliveries.lock().unwrap_or_else(PoisonError::into_inner).append(&records)
        });
        match written.await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(panic) => Err(panic.to_string()),
        }
    }

    fn note_failure(&self, trouble: &Trouble) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.failure = Some(trouble.reason.to_string());
        view.failures += 1;
    }
}
