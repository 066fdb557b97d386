//! RAUC over D-Bus: install a bundle, follow it, and say how it ended.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
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

/// RAUC's word for doing nothing.
const IDLE: &str = "idle";

/// How often in a row RAUC must be found idle before it counts as stopped: the first look may come before
/// RAUC has begun.
const IDLE_LOOKS: u32 = 2;

/// For the word of an end that RAUC has already sent: it sends it before it is idle.
const LAST_WORD: Duration = Duration::from_secs(2);

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
pub struct InstallProgress {
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
pub async fn install(source: Source<'_>, progress: impl FnMut(InstallProgress)) -> Result<(), InstallError> {
    let bus = answer(zbus::Connection::system()).await?;
    let rauc = answer(InstallerProxy::new(&bus)).await?;
    let operation = answer(rauc.operation()).await?;
    if operation != IDLE {
        return Err(InstallError::Busy { operation });
    }
    // Before the call, so that the end of a short installation is not missed.
    let ends = answer(rauc.receive_completed()).await?;
    answer(rauc.install_bundle(source.location, source.arguments())).await?;

    let results = ends.map(|end| end.args().map(|args| args.result).unwrap_or(-1));
    let rauc = &rauc;
    let look = || async move {
        let operation = answer(rauc.operation()).await?;
        let (percent, step, _) = answer(rauc.progress()).await?;
        let percent = percent.clamp(0, 100).try_into().unwrap_or(100);
        Ok::<_, InstallError>(Seen { operation, progress: InstallProgress { percent, step } })
    };
    if follow(results, look, progress).await? == 0 {
        return Ok(());
    }
    let said = answer(rauc.last_error()).await?;
    Err(source.refused(&said))
}

/// What RAUC is at.
struct Seen {
    operation: String,
    progress: InstallProgress,
}

/// Follows an installation to its end, whose result comes by `results`.
///
/// A RAUC that dies says nothing: the stream of its signals goes on, and the next question starts another
/// RAUC, which is idle. So one that is idle without having told a result has stopped in the middle.
async fn follow<F>(
    mut results: impl Stream<Item = i32> + Unpin,
    look: impl Fn() -> F,
    mut progress: impl FnMut(InstallProgress),
) -> Result<i32, InstallError>
where
    F: Future<Output = Result<Seen, InstallError>>,
{
    let stopped = |reason: &str| InstallError::Stopped { reason: reason.to_owned() };
    let deadline = Instant::now() + WHOLE;
    let mut told = None;
    let mut idle = 0;
    loop {
        tokio::select! {
            end = timeout_at(deadline, results.next()) => match end {
                Err(_) => return Err(InstallError::TooLong),
                Ok(None) => return Err(stopped("its connection ended")),
                Ok(Some(result)) => return Ok(result),
            },
            () = sleep(LOOK) => {
                let seen = look().await.map_err(|error| match error {
                    InstallError::NoUpdater { reason } => InstallError::Stopped { reason },
                    other => other,
                })?;
                idle = if seen.operation == IDLE { idle + 1 } else { 0 };
                if idle == IDLE_LOOKS {
                    return match timeout(LAST_WORD, results.next()).await {
                        Ok(Some(result)) => Ok(result),
                        _ => Err(stopped("it is idle and told no result")),
                    };
                }
                if idle == 0 && told.as_ref() != Some(&seen.progress) {
                    log::info!("update: {} % {}", seen.progress.percent, seen.progress.step);
                    progress(seen.progress.clone());
                    told = Some(seen.progress);
                }
            }
        }
    }
}

/// RAUC's answer, in time.
async fn answer<T>(question: impl Future<Output = zbus::Result<T>>) -> Result<T, InstallError> {
    match timeout(ANSWER, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(InstallError::NoUpdater { reason: error.to_string() }),
        Err(_) => Err(InstallError::no_answer()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use futures_util::stream;

    use super::*;

    fn seen(operation: &str) -> Result<Seen, InstallError> {
        let progress = InstallProgress { percent: 40, step: "Copying image".to_owned() };
        Ok(Seen { operation: operation.to_owned(), progress })
    }

    #[tokio::test]
    async fn dead_rauc_is_detected() {
        let looks = Cell::new(0);
        let look = || async {
            looks.set(looks.get() + 1);
            // The third question starts another RAUC, which knows of nothing.
            seen(if looks.get() < 3 { "installing" } else { "idle" })
        };
        let mut told = Vec::new();
        let followed = follow(stream::pending(), &look, |progress| told.push(progress.percent));
        let ended = timeout(Duration::from_secs(60), followed).await.unwrap();
        assert!(matches!(ended, Err(InstallError::Stopped { .. })), "{ended:?}");
        assert_eq!(told, [40]);
    }

    #[tokio::test]
    async fn reported_end_counts_although_rauc_is_idle() {
        // Idle at the first look, before it begins; and a result that is heard only after it is idle again.
        let looks = Cell::new(0);
        let look = || async {
            looks.set(looks.get() + 1);
            seen(if looks.get() == 2 { "installing" } else { "idle" })
        };
        let late = Box::pin(stream::once(async {
            sleep(LOOK * 5).await;
            1
        }));
        assert_eq!(follow(late, &look, |_| {}).await.unwrap(), 1);
        let at_once = stream::iter([0]).chain(stream::pending());
        assert_eq!(follow(at_once, || async { seen("idle") }, |_| {}).await.unwrap(), 0);
    }
}
