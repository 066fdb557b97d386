//! One question to a fleet's server, and what follows: the end of an action is told, a wish to cancel is
//! answered, a deployment becomes an [`Offer`], which is then installed and tried by the same rules as any
//! other.

use std::path::Path;
use std::time::Duration;

use super::attempt::{Attempt, Origin};
use super::fleet::{Action, Feedback, Fleet, FleetError};
use super::install::{Bundle, InstallError, Source};
use super::newer::{NotInstalled, Objection};
use super::offer::Offer;
use super::refusal::Refusal;
use super::view::{SystemsView, present};
use crate::config::Settings;

/// Pause after something was told: what the server asks for next may be known at once.
const SOON: Duration = Duration::from_secs(30);

/// Pause after a server did not answer.
pub const RETRY: Duration = Duration::from_secs(300);

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// hawkBit's number of the action; none for the offer of an address.
    pub action: Option<String>,
    /// The bundle and its version.
    pub offer: Offer,
}

/// A question to the server.
pub struct Question<'a> {
    /// The server.
    pub fleet: &'a Fleet,
    /// The configuration.
    pub settings: &'a Settings,
    /// The running version.
    pub running: &'a str,
    /// The systems on the card.
    pub seen: &'a SystemsView,
    /// The appliance's own folder of updates.
    pub kept: &'a Path,
    /// What the server wanted last time and is still to be installed.
    pub wanted: Option<&'a Wanted>,
}

impl Question<'_> {
    /// Asks, with RAUC to `inspect` a bundle. When to ask again, and what is to be installed.
    ///
    /// # Errors
    /// [`FleetError`] when the server cannot be asked or told; nothing is lost then.
    pub async fn ask(
        &self,
        inspect: impl AsyncFn(Source<'_>) -> Result<Bundle, InstallError>,
    ) -> Result<(Duration, Option<Wanted>), FleetError> {
        let orders = self.fleet.ask().await?;
        if let Some(link) = &orders.attributes {
            self.fleet.describe(link, self.running, self.seen).await?;
        }
        let open = Action::kept(self.kept);
        if let Some(action) = &open
            && let Some(end) = action.verdict(self.seen)
        {
            self.fleet.tell(&action.id, &end).await?;
            Action::forget(self.kept);
            return Ok((SOON, None));
        }
        if let Some(link) = &orders.cancel {
            self.fleet.answer_cancel(link, open.as_ref()).await?;
            return Ok((orders.sleep, None));
        }
        match orders.deployment.filter(|_| open.is_none()) {
            Some(link) => Ok((orders.sleep, self.consider(&link, inspect).await?)),
            None => Ok((orders.sleep, None)),
        }
    }

    /// Looks at a deployment: what can never be installed is refused now and not at night.
    async fn consider(
        &self,
        link: &url::Url,
        inspect: impl AsyncFn(Source<'_>) -> Result<Bundle, InstallError>,
    ) -> Result<Option<Wanted>, FleetError> {
        let deployment = self.fleet.deployment(link).await?;
        if deployment.is_to_wait {
            return Ok(None);
        }
        let action = deployment.action;
        let Some(location) = deployment.bundle.filter(|bundle| bundle.scheme() == "https") else {
            let reason = "The deployment has no .raucb file with an https link among its artifacts.";
            self.fleet.tell(&action, &Feedback::Failure(reason.to_owned())).await?;
            return Ok(None);
        };
        if let Some(wanted) = self.wanted
            && (wanted.action.as_ref(), &wanted.offer.bundle) == (Some(&action), &location)
        {
            return Ok(Some(wanted.clone()));
        }
        let header = self.fleet.header_for(&location);
        let source = Source {
            header: header.as_ref().map(base::secret::Secret::expose),
            ..Source::new(location.as_str(), self.settings.tls.ca_file.as_deref())
        };
        let bundle = match inspect(source).await {
            Ok(bundle) => bundle,
            Err(error) => {
                self.refused(&action, None, &error.into()).await?;
                return Ok(None);
            }
        };
        match present(self.seen, self.running).admits(&bundle.version) {
            Ok(()) => {
                let when = format!(
                    "Version {} is to be installed and tried between {}, site's time.",
                    bundle.version, self.settings.update.window
                );
                self.fleet.tell(&action, &Feedback::Proceeding(when)).await?;
                let offer = Offer { version: bundle.version, bundle: location };
                Ok(Some(Wanted { action: Some(action), offer }))
            }
            // Its end is reported when it is known, no matter how the version came.
            Err(Objection::Waits { version }) => {
                self.keep(action, version);
                Ok(None)
            }
            Err(objection) => {
                self.refused(&action, Some(&bundle.version), &objection.into()).await?;
                Ok(None)
            }
        }
    }

    /// What was wanted is installed: it waits for its trial.
    ///
    /// # Errors
    /// [`FleetError`] when the server was not told; how the trial ends it will be told all the same.
    pub async fn installed(&self, action: String, version: &str) -> Result<(), FleetError> {
        Attempt::now(Origin::Fleet, Some(version), &Ok::<_, NotInstalled>(())).note(self.kept);
        self.keep(action.clone(), version.to_owned());
        let detail = format!("Version {version} is installed and waits until nobody is at the door.");
        self.fleet.tell(&action, &Feedback::Proceeding(detail)).await
    }

    /// What was wanted cannot be installed. What may go better the next time leaves the action open.
    ///
    /// # Errors
    /// [`FleetError`] when the server was not told.
    pub async fn refused(
        &self,
        action: &str,
        version: Option<&str>,
        error: &NotInstalled,
    ) -> Result<(), FleetError> {
        if is_passing(error) {
            log::warn!("the fleet's update waits: {error}");
            return Ok(());
        }
        if let NotInstalled::Objection(Objection::Runs { .. }) = error {
            return self.fleet.tell(action, &Feedback::Success(error.to_string())).await;
        }
        Attempt::now(Origin::Fleet, version, &Err(error)).note(self.kept);
        self.fleet.tell(action, &Feedback::Failure(error.to_string())).await
    }

    fn keep(&self, id: String, version: String) {
        let after = self.seen.last.as_ref().map_or(0, |last| last.trial);
        if let Err(error) = (Action { id, version, after }).keep(self.kept) {
            log::warn!("the fleet's server will not learn how this update ends: {error}");
        }
    }
}

/// Whether it may go better the next time.
fn is_passing(error: &NotInstalled) -> bool {
    match error {
        NotInstalled::Install(InstallError::Refused(refusal)) => {
            matches!(refusal, Refusal::Unreachable { .. } | Refusal::OnTrial | Refusal::NotYetValid { .. })
        }
        NotInstalled::Install(_) => true,
        NotInstalled::Objection(_) => false,
    }
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
