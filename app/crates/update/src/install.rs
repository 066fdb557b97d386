//! RAUC over D-Bus: install a bundle, follow it, and say what became of it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;
use zbus::{OwnedVariant, Variant};

use super::refusal::Refusal;
use base::secret::without_credentials;

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

impl InstallError {
    fn no_answer() -> Self {
        Self::NoUpdater { reason: format!("no answer within {} s", ANSWER.as_secs()) }
    }
}

/// How far an installation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// What is being done.
    pub step: String,
}

/// Where a bundle comes from and whom to trust on the way. (The bundle's own signature decides whether it is
/// installed.)
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// A file's path or an HTTPS address.
    pub location: &'a str,
    /// Certificate authorities for the address, PEM, beside the system's.
    pub ca_file: Option<&'a Path>,
    /// A header for every request, a credential ("Authorization: ...").
    pub header: Option<&'a str>,
    /// Install only a bundle whose manifest has this hash.
    pub manifest: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// A file or an address.
    pub fn new(location: &'a str, ca_file: Option<&'a Path>) -> Self {
        Self { location, ca_file, header: None, manifest: None }
    }

    /// RAUC's reason for not taking it. RAUC repeats the address it was given, and that may carry a
    /// credential.
    fn refused(&self, said: &str) -> InstallError {
        let said = match Url::parse(self.location) {
            Ok(url) => said.replace(self.location, &without_credentials(&url)),
            Err(_) => said.to_owned(),
        };
        Refusal::from_rauc(&said, &clock()).into()
    }

    /// RAUC's words for it.
    fn arguments(&self) -> HashMap<&'static str, Variant<'a>> {
        let mut arguments = HashMap::new();
        if let Some(file) = self.ca_file.and_then(Path::to_str) {
            arguments.insert("tls-ca", Variant::from(file));
        }
        if let Some(header) = self.header {
            arguments.insert("http-headers", Variant::from(vec![header]));
        }
        if let Some(hash) = self.manifest {
            arguments.insert("require-manifest-hash", Variant::from(hash));
        }
        arguments
    }
}

/// What a bundle says of itself under its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its version.
    pub version: String,
    /// Its manifest's hash.
    pub manifest: String,
}

#[zbus::proxy(
    interface = "de.pengutronix.rauc.Installer",
    default_service = "de.pengutronix.rauc",
    default_path = "/"
)]
trait Installer {
    fn install_bundle(&self, source: &str, args: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;

    fn inspect_bundle(
        &self,
        bundle: &str,
        args: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<HashMap<String, OwnedVariant>>;

    #[zbus(signal)]
    fn completed(&self, result: i32) -> zbus::Result<()>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn operation(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn last_error(&self) -> zbus::Result<String>;

    #[zbus(property(emits_changed_signal = "false"))]
    fn progress(&self) -> zbus::Result<(i32, String, i32)>;
}

/// Lets RAUC check a bundle's signature, and tells what is signed.
///
/// # Errors
/// [`InstallError`], as for an installation.
pub async fn inspect(source: Source<'_>) -> Result<Bundle, InstallError> {
    let bus = answer(zbus::Connection::system()).await?;
    let rauc = answer(InstallerProxy::new(&bus)).await?;
    let asked = timeout(ANSWER, rauc.inspect_bundle(source.location, source.arguments())).await;
    let said = match asked {
        // RAUC's own errors have no name on the bus, but words.
        Ok(Err(zbus::Error::MethodError(name, Some(said), _)))
            if name.as_str().starts_with("org.gtk.GDBus.") =>
        {
            return Err(source.refused(&said));
        }
        Ok(said) => answer(std::future::ready(said)).await?,
        Err(_) => return Err(InstallError::no_answer()),
    };
    let found = (
        said.get("update").and_then(|update| text(entry(update, "version")?)),
        said.get("manifest-hash").and_then(|hash| text(hash)),
    );
    match found {
        (Some(version), Some(manifest)) => Ok(Bundle { version, manifest }),
        _ => Err(Refusal::Other { detail: "its manifest names no version".to_owned() }.into()),
    }
}

/// A value of a dictionary, which may lie in a variant of its own.
fn entry<'a>(value: &'a Variant<'_>, key: &str) -> Option<&'a Variant<'a>> {
    match value {
        Variant::Variant(inner) => entry(inner, key),
        Variant::Dict(dict) => {
            dict.iter().find(|(name, _)| text(name).as_deref() == Some(key)).map(|(_, value)| value)
        }
        _ => None,
    }
}

fn text(value: &Variant<'_>) -> Option<String> {
    match value {
        Variant::Variant(inner) => text(inner),
        Variant::Str(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The device's time as a person reads it.
fn clock() -> String {
    let now = OffsetDateTime::now_utc();
    format!("{} {:02}:{:02} UTC", now.date(), now.hour(), now.minute())
}

/// Installs a bundle into the slot that is not running and tells `progress` how far it is. After it, the new
/// system waits for its trial.
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
    answer(rauc.install_bundle(source.location, source.arguments())).await?;

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
    Err(source.refused(&said))
}

/// RAUC's answer, in time.
async fn answer<T>(question: impl Future<Output = zbus::Result<T>>) -> Result<T, InstallError> {
    match timeout(ANSWER, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(InstallError::NoUpdater { reason: error.to_string() }),
        Err(_) => Err(InstallError::no_answer()),
    }
}
