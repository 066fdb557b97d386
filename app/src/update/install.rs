//! RAUC over D-Bus: install a bundle, follow it, and say what became of it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zbus::Variant;

use super::refusal::Refusal;

/// For connecting and for every question to RAUC. Its backend alone may take two seconds on a loaded machine.
const ANSWER: Duration = Duration::from_secs(30);

/// For a whole installation: 150 MB at 30 kB/s, and the writing.
const WHOLE: Duration = Duration::from_secs(2 * 3600);

/// Time between two looks at the progress.
const LOOK: Duration = Duration::from_millis(500);

/// Why an installation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// RAUC is not there, as at a desk.
    #[error("the updater cannot be reached ({reason}); updates are installed on the appliance only")]
    NoUpdater {
        /// What the bus says.
        reason: String,
    },
    /// Another installation runs.
    #[error("another update is being installed ({operation}); wait for its end")]
    Busy {
        /// What RAUC is doing.
        operation: String,
    },
    /// RAUC refused the bundle, or failed with it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It takes too long.
    #[error("the update was not installed within {} minutes; the running system is untouched. Try again", WHOLE.as_secs() / 60)]
    TooLong,
    /// RAUC ended in the middle.
    #[error("the updater stopped in the middle ({reason}); the running system is untouched. Try again")]
    Stopped {
        /// What the bus says.
        reason: String,
    },
}

/// How far an installation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// What is being done.
    pub step: String,
}

/// Where a bundle comes from and whom to trust on the way. (The bundle's own signature decides whether it is installed.)
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// A file's path or an HTTPS address.
    pub location: &'a str,
    /// Certificate authorities for the address, PEM, beside the system's.
    pub ca_file: Option<&'a Path>,
}

#[zbus::proxy(
    interface = "de.pengutronix.rauc.Installer",
    default_service = "de.pengutronix.rauc",
    default_path = "/"
)]
trait Installer {
    fn install_bundle(&self, source: &str, args: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;

    #[zbus(signal)]
    fn completed(&self, result: i32) -> zbus::Result<()>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn operation(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn last_error(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn progress(&self) -> zbus::Result<(i32, String, i32)>;
}

/// Installs a bundle into the slot that is not running and tells `progress` how far it is. After it, the new system waits for
/// its trial.
///
/// # Errors
/// [`InstallError`]; whatever it is, the running system and what starts next are as before.
pub async fn install(source: Source<'_>, mut progress: impl FnMut(Progress)) -> Result<(), InstallError> {
    let bus = answer(zbus::Connection::system()).await?;
    let rauc = answer(InstallerProxy::new(&bus)).await?;
    let operation = answer(rauc.operation()).await?;
    if operation != "idle" {
        return Err(InstallError::Busy { operation });
    }
    // Before the call, so that the end of a short installation is not missed.
    let mut ends = answer(rauc.receive_completed()).await?;
    let mut arguments = HashMap::new();
    if let Some(file) = source.ca_file.and_then(Path::to_str) {
        arguments.insert("tls-ca", Variant::from(file));
    }
    answer(rauc.install_bundle(source.location, arguments)).await?;

    let deadline = Instant::now() + WHOLE;
    let mut told = None;
    let result = loop {
        tokio::select! {
            end = timeout_at(deadline, ends.next()) => match end {
                Err(_) => return Err(InstallError::TooLong),
                Ok(None) => return Err(InstallError::Stopped { reason: "its connection ended".to_owned() }),
                Ok(Some(end)) => break end.args().map(|args| args.result).unwrap_or(-1),
            },
            () = sleep(LOOK) => {
                let now = answer(rauc.progress()).await.map_err(|error| match error {
                    InstallError::NoUpdater { reason } => InstallError::Stopped { reason },
                    other => other,
                })?;
                let now = Progress { percent: now.0.clamp(0, 100).try_into().unwrap_or(100), step: now.1 };
                if told.as_ref() != Some(&now) {
                    log::info!("update: {} % {}", now.percent, now.step);
                    progress(now.clone());
                    told = Some(now);
                }
            }
        }
    };
    if result == 0 {
        return Ok(());
    }
    let said = answer(rauc.last_error()).await?;
    let now = OffsetDateTime::now_utc();
    let clock = format!("{} {:02}:{:02} UTC", now.date(), now.hour(), now.minute());
    Err(Refusal::from_rauc(&said, &clock).into())
}

/// RAUC's answer, in time.
async fn answer<T>(question: impl Future<Output = zbus::Result<T>>) -> Result<T, InstallError> {
    match timeout(ANSWER, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(InstallError::NoUpdater { reason: error.to_string() }),
        Err(_) => Err(InstallError::NoUpdater { reason: format!("no answer within {} s", ANSWER.as_secs()) }),
    }
}
