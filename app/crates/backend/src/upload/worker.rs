//! The worker that delivers, and what others can ask of it.

mod pass;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Trouble;
use super::plan::Plan;
use crate::config;
use crate::http::{Client, Timeouts};
use crate::plain::Reminder;
use base::backoff::Backoff;
use base::event::Bus;
use base::failure::Failure;
use base::identity::RollNumber;
use base::moment::Clock;
use base::secret::SecretUrl;
use journal::storage::{Deliveries, Delivery, Fate, Ledger};

/// Largest answer read: a thousand rows are answered in some 300 kB.
pub(super) const MAX_ANSWER: u64 = 4_000_000;
/// First and longest delay after a failure. Rows wait in the journal; a school's network is mended by the
/// hour.
const DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// How long an answer of the webhook shows that it is there and takes the key. Without rows nobody would
/// notice a wrong one before the first morning.
const HEARD_FOR: Duration = Duration::from_secs(24 * 3600);
/// The same for who asks for a delivery, and wants to know whether it works, rows or none.
const HEARD_NOW: Duration = Duration::from_secs(60);
/// Why a person must look at a row in whose place the webhook has another.
const CONFLICT: &str = "the backend has such a row of this student and day already, and no door of this site sent one. \
                        Compare the two there; then correct it there, or dismiss this row";
/// The header that carries the key. The original also accepts it in the query, where it would be logged.
pub(super) const KEY_HEADER: HeaderName = HeaderName::from_static("x-webhook-key");

/// Delivers the journal's rows.
pub struct Uploader {
    url: SecretUrl,
    headers: HeaderMap,
    tls: config::Tls,
    timeouts: Timeouts,
    /// Made when there is something to send: a file of authorities that is missing must not keep the
    /// appliance from starting.
    client: OnceLock<Client>,
    interval: Duration,
    /// The door's name, where it goes into the rows.
    door: Option<String>,
    ledger: Arc<Ledger>,
    deliveries: Arc<Mutex<Deliveries>>,
    clock: Arc<dyn Clock>,
    bus: Bus,
    /// One upload at a time.
    run: AsyncMutex<Run>,
    view: Mutex<DeliveryView>,
    nudge: Notify,
    /// Called with the names that the webhook uses for students.
    names: OnceLock<Box<Hears>>,
}

/// Hears a student's name.
type Hears = dyn Fn(&RollNumber, &str) + Send + Sync;

struct Run {
    plan: Plan,
    backoff: Backoff,
    /// Acknowledged and not yet on the disk: at worst they are sent again after a restart, as duplicates.
    unsaved: Vec<Delivery>,
    /// Deliveries of rows before this one are pruned.
    pruned_to: u64,
    /// When the webhook last answered, since boot; none before the first time.
    heard: Option<Duration>,
}

/// What an upload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows the webhook stored.
    pub created: usize,
    /// Rows that it had stored before.
    pub duplicates: usize,
    /// Rows that now need a person.
    pub refused: usize,
    /// Rows still to be delivered.
    pub backlog: usize,
    /// Why not everything was delivered.
    pub failure: Option<String>,
}

/// How the delivery does, for the status page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryView {
    /// The last failure, until a batch is taken again.
    pub failure: Option<String>,
    /// Batches answered row by row since the start.
    pub answered: u64,
    /// Failures since the start.
    pub failures: u64,
}

/// A row cannot be retried or dismissed.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// It is not among those that need a person.
    #[error("row {id} is not among the rows that need a person; look at the list again")]
    NotWithAPerson {
        /// The row.
        id: u64,
    },
    /// The decision cannot be written down.
    #[error("the decision cannot be written ({reason}); check the disk")]
    NotSaved {
        /// An error of the operating system.
        reason: String,
    },
}

/// Why a pass ended.
enum Ended {
    /// There is nothing more to send.
    Done,
    /// Not before this delay.
    Later(Trouble, Duration),
    /// Trying again soon does not help: a person may have to act.
    Held(Trouble),
}

impl Uploader {
    /// An uploader for the configured webhook; `None` where none is configured: rows are then kept on the
    /// device only.
    pub fn new(
        config: &config::Webhook,
        tls: &config::Tls,
        ledger: Arc<Ledger>,
        deliveries: Arc<Mutex<Deliveries>>,
        clock: Arc<dyn Clock>,
        bus: Bus,
    ) -> Option<Self> {
        let url = config.url.clone()?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        match config.key.as_ref().map(Client::secret_header) {
            Some(Some(key)) => {
                headers.insert(KEY_HEADER, key);
            }
            Some(None) => log::error!("webhook.key has characters that cannot be sent; it is left out"),
            None => {}
        }
        let run = Run {
            plan: Plan::new(config.batch_rows),
            backoff: Backoff::between(DELAYS.0, DELAYS.1),
            unsaved: Vec::new(),
            pruned_to: 0,
            heard: None,
        };
        Some(Self {
            url,
            headers,
            tls: tls.of(config::Server::Webhook, config.pinned_sha256.as_ref()),
            timeouts: Timeouts::whole(config.timeout),
            client: OnceLock::new(),
            interval: config.interval,
            door: config.door_column.then(String::new),
            ledger,
            deliveries,
            clock,
            bus,
            run: AsyncMutex::new(run),
            view: Mutex::default(),
            nudge: Notify::new(),
            names: OnceLock::new(),
        })
    }

    /// The uploader of the door with this name. Rows carry the name if `webhook.door_column` is on.
    #[must_use]
    pub fn of_door(mut self, name: &str) -> Self {
        self.door = self.door.map(|_| name.to_owned());
        self
    }

    /// Delivers until `stop`. A request under way is then broken off: its rows are sent again, and the
    /// webhook knows duplicates.
    ///
    /// # Errors
    /// [`Failure`] that holds the worker when the webhook refuses the key, or the configured trust cannot be
    /// set up: it is then tried again seldom.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) -> Result<(), Failure> {
        let mut reminder = Reminder::default();
        loop {
            reminder.tell("webhook.url", &self.url, &self.tls);
            let ended = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = async { self.pass(&mut *self.run.lock().await, &mut Report::default(), HEARD_FOR).await } => ended,
            };
            let delay = match ended {
                Ended::Done => self.interval,
                Ended::Later(_, delay) => delay,
                Ended::Held(trouble) => return Err(Failure::hold(trouble.reason)),
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    /// Delivers now, until all is delivered, something fails, or `deadline` has passed.
    pub async fn once(&self, deadline: Duration) -> Report {
        let until = Instant::now() + deadline;
        let mut report = Report::default();
        let passed = tokio::time::timeout_at(until, async {
            self.pass(&mut *self.run.lock().await, &mut report, HEARD_NOW).await
        })
        .await;
        report.failure = match passed {
            Ok(Ended::Done) => None,
            Ok(Ended::Later(trouble, _) | Ended::Held(trouble)) => Some(trouble.reason.to_string()),
            Err(_) => Some(format!("not everything could be delivered within {} s", deadline.as_secs())),
        };
        report.backlog = self.ledger.summary().backlog;
        report
    }

    /// Ends the wait before the next upload.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// How the delivery does.
    pub fn view(&self) -> DeliveryView {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a row that needs a person back among those to be delivered.
    ///
    /// # Errors
    /// [`RetryError`].
    pub async fn retry(&self, id: u64) -> Result<(), RetryError> {
        // What a person took away is not sent again.
        self.ledger.can_be_sent_again(id).then_some(()).ok_or(RetryError::NotWithAPerson { id })?;
        self.reopen(&[id]).await
    }

    /// The same with every row that needs a person, in one write; how many these were.
    ///
    /// # Errors
    /// [`RetryError::NotSaved`]; then none of them is sent again.
    pub async fn retry_all(&self) -> Result<usize, RetryError> {
        let rows: Vec<u64> =
            self.ledger.needs_person().iter().filter(|row| !row.void).map(|row| row.id).collect();
        self.reopen(&rows).await?;
        Ok(rows.len())
    }

    async fn reopen(&self, rows: &[u64]) -> Result<(), RetryError> {
        self.decide(rows, Fate::Reopened).await?;
        let mut run = self.run.lock().await;
        rows.iter().for_each(|id| run.plan.forgive(*id));
        self.nudge();
        Ok(())
    }

    /// Takes a row that needs a person off the list for good; the journal and the CSV file keep it.
    ///
    /// # Errors
    /// [`RetryError`].
    pub async fn dismiss(&self, id: u64) -> Result<(), RetryError> {
        self.only_with_a_person(id)?;
        self.decide(&[id], Fate::Dismissed).await
    }

    fn only_with_a_person(&self, id: u64) -> Result<(), RetryError> {
        self.ledger.is_with_a_person(id).then_some(()).ok_or(RetryError::NotWithAPerson { id })
    }

    async fn decide(&self, rows: &[u64], fate: Fate) -> Result<(), RetryError> {
        let utc = self.clock.now().utc;
        let decisions: Vec<_> = rows.iter().map(|id| Delivery { id: *id, utc, fate: fate.clone() }).collect();
        self.write(decisions.clone()).await.map_err(|reason| RetryError::NotSaved { reason })?;
        decisions.into_iter().for_each(|delivery| self.ledger.deliver(delivery));
        Ok(())
    }
}
