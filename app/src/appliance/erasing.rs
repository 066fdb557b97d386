//! Erasures while the program runs: they are noted, the program starts again, and the start removes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::failure::Fault;
use base::identity::RollNumber;
use site::erasure::Erasures;
use tokio::sync::Notify;
use view::{Done, Pending, Refused};

use crate::erasing::{do_what_is_open, known, request};
use config::Config;

/// Time for the page's answer to leave, and for further erasures of another door to come.
const BEFORE_RESTART: Duration = Duration::from_millis(1500);

/// Time in which the system removes its log after it was asked to.
const LOG_REMOVAL: Duration = Duration::from_secs(600);

/// What the parts of the program share. Cheap to clone.
#[derive(Clone)]
pub struct Erasing {
    /// The erasures that are known here.
    pub erasures: Arc<Erasures>,
    restart: Arc<Notify>,
    /// The file by which the system is asked to remove its log; the system removes the file.
    request: PathBuf,
    /// Why something is not removed yet.
    trouble: Arc<Mutex<Option<Fault>>>,
}

impl Erasing {
    /// Removes what is still to be removed. What cannot be removed keeps nothing from starting.
    pub fn begin(config: &Config) -> Self {
        let erasures = known(config);
        let trouble = do_what_is_open(config, &erasures).err();
        if let Some(fault) = &trouble {
            log::error!("{fault}");
        }
        let request = request(&config.site.data_dir);
        Self { erasures, request, restart: Arc::default(), trouble: Arc::new(Mutex::new(trouble)) }
    }

    /// Ends when the program has to start again because of an erasure.
    pub(super) async fn restart_wanted(&self) {
        self.restart.notified().await;
        tokio::time::sleep(BEFORE_RESTART).await;
    }

    /// Has everything removed that is noted: by another start of the program.
    pub fn go_on(&self) {
        self.restart.notify_one();
    }

    /// What is wrong: with the list, or with what was to be removed.
    pub fn faults(&self) -> Vec<Fault> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = std::fs::metadata(&self.request).and_then(|request| request.modified());
        let waits = asked.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LOG_REMOVAL));
        let waits = waits.then(|| {
            Fault::new("the system’s log may still name a student who was erased")
                .advise("restart the device: the log is removed then")
        });
        self.erasures.fault().cloned().into_iter().chain(trouble).chain(waits).collect()
    }

    /// Notes that a student is to be erased. The number of the erasure is the output.
    pub(super) fn ask(&self, roll: &str, by: &str, at: i64) -> Pending<Result<Done, Refused>> {
        let (all, by, roll) = (self.clone(), by.to_owned(), RollNumber::parse(roll));
        Box::pin(async move {
            let Ok(roll) = roll else { return Err(refused(Fault::new("this is not a roll number"))) };
            let erasures = Arc::clone(&all.erasures);
            let asked = tokio::task::spawn_blocking(move || erasures.ask(&roll, &by, at)).await;
            let id = asked.map_err(Fault::from).and_then(|asked| asked).map_err(refused)?;
            all.go_on();
            let message = "The student is erased. This door restarts its program now to remove everything, \
                           which takes some seconds; the other doors of the school follow";
            Ok(Done { message: message.to_owned(), output: id.to_string() })
        })
    }

    /// Lifts an erasure.
    pub(super) fn lift(&self, id: String) -> Pending<Result<Done, Refused>> {
        let erasures = Arc::clone(&self.erasures);
        Box::pin(async move {
            let lifted = tokio::task::spawn_blocking(move || erasures.lift(&id)).await;
            lifted.map_err(Fault::from).and_then(|lifted| lifted).map_err(refused)?;
            let message = "The erasure is lifted: the next synchronisation and the next students’ list may \
                           bring this student back";
            Ok(Done { message: message.to_owned(), output: String::new() })
        })
    }
}

fn refused(fault: Fault) -> Refused {
    Refused { message: fault.what, details: fault.advice.unwrap_or_default() }
}
