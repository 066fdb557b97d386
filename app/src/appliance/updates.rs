//! What a technician may do about updates: bring one in, try it, and say that a rollback is known.
//!
//! Nothing here writes to a slot or commits a system: RAUC installs what is signed, and root decides about a
//! trial.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::answer::{done, ready, refused};
use super::systems::Bundle;
use tokio::sync::Notify;

use backend::config::Tls;
use base::secret::SecretUrl;
use config::Config;
use update::attempt::{Attempt, Origin};
use update::inbox;
use update::install;
use update::install::Source;
use update::offer;
use update::record::{Content, System};
use update::slot::Slot;
use update::store::Places;
use update::under_way::{Turn, UnderWay};
use update::view::{SystemsView, acknowledge as note, present, view};
use update::worker::{ask_for_trial, ask_to_go_back, folder};
use view::{Done, Incoming, Pending, Refused};

/// Begins to take a bundle.
pub(super) fn receive(
    config: &Config,
    updating: &UnderWay,
    bytes: u64,
) -> Result<Box<dyn Incoming>, Refused> {
    systems(config)?;
    let incoming = inbox::Incoming::begin(&folder(&config.site.data_dir), bytes, updating);
    Ok(Box::new(Bundle(incoming.map_err(|error| because(&error))?)))
}

/// Installs the bundle that was received, and removes it.
pub(super) fn install_received(config: &Arc<Config>, updating: &UnderWay) -> Pending<Result<Done, Refused>> {
    let turn = match systems(config) {
        Ok(_) => updating.resume(),
        Err(refusal) => return ready(Err(refusal)),
    };
    let Some(turn) = turn else { return ready(refused("No update was received; send it again")) };
    let config = Arc::clone(config);
    Box::pin(async move {
        let bundle = inbox::received(&folder(&config.site.data_dir));
        let installed = install(&config, bundle.to_str().unwrap_or_default(), &turn).await;
        // Before the turn ends: the next one writes the same file. Installed or refused, nobody needs it any
        // more; what stays is overwritten by the next.
        let _ = std::fs::remove_file(&bundle);
        installed
    })
}

/// Installs the bundle at an address, or the one that the offer there names.
pub(super) fn install_from(
    config: &Arc<Config>,
    updating: &UnderWay,
    address: SecretUrl,
) -> Pending<Result<Done, Refused>> {
    if !address.is_https() {
        return ready(refused("Updates are fetched from https addresses only"));
    }
    let turn = match turn(config, updating) {
        Ok(turn) => turn,
        Err(refusal) => return ready(Err(refusal)),
    };
    let config = Arc::clone(config);
    Box::pin(async move {
        log::info!("installing the update at {address}");
        let bundle = bundle_at(&address, &config.updates().update_tls()).await?;
        install(&config, &bundle, &turn).await
    })
}

/// Asks for the restart into what was installed.
pub(super) fn try_installed(config: &Config) -> Result<Done, Refused> {
    let Some(slot) = systems(config)?.waits_for_trial else {
        return refused("No installed update waits for its trial");
    };
    ask_for_trial(&config.site.data_dir).map_err(|error| because(&error))?;
    done(&format!(
        "The appliance restarts into slot {slot}. It is back in a minute or two, and keeps the new system only if that proves healthy"
    ))
}

/// Asks whether there is an update; the worker installs it where there is.
pub(super) fn check(
    config: &Arc<Config>,
    updating: &UnderWay,
    ask: &Arc<Notify>,
) -> Pending<Result<Done, Refused>> {
    let systems = match systems(config) {
        Ok(systems) => systems,
        Err(refusal) => return ready(Err(refusal)),
    };
    if updating.progress().is_some() {
        return ready(Err(because(&inbox::InboxError::Busy)));
    }
    let (config, ask) = (Arc::clone(config), Arc::clone(ask));
    let Some(address) = config.update.url.clone() else {
        if config.fleet.url.is_none() {
            return ready(refused(
                "No server of updates is set (update.url or fleet.url). Send a bundle here, or bring it on a stick",
            ));
        }
        ask.notify_one();
        return ready(done("The fleet’s server is asked within half a minute; what it offers is installed"));
    };
    Box::pin(async move {
        let offer =
            offer::ask(&address, &config.updates().update_tls()).await.map_err(|error| because(&error))?;
        match present(&systems, &System::running().version).admits(&offer.version) {
            Ok(()) => {
                ask.notify_one();
                done(&format!("Version {} is offered, and is fetched within half a minute", offer.version))
            }
            Err(objection) => done(&format!("Nothing to install: {objection}")),
        }
    })
}

/// Asks root for the restart into the other system.
pub(super) fn go_back(config: &Config) -> Result<Done, Refused> {
    let seen = systems(config)?;
    can_go_back(&seen)?;
    ask_to_go_back(&config.site.data_dir).map_err(|error| because(&error))?;
    done(
        "The appliance restarts into the other system. It is back in a minute or two, and keeps that system only if it \
         proves healthy",
    )
}

/// What root will say too: better said at once.
fn can_go_back(seen: &SystemsView) -> Result<(), Refused> {
    let other = if seen.slot == Slot::A { &seen.b } else { &seen.a };
    let why = if seen.on_trial {
        "This system is on trial; wait until it is kept or rolled back"
    } else if other.content != Content::Whole {
        "The other system is not known to be whole, so there is nothing to go back to"
    } else {
        return Ok(());
    };
    Err(Refused { message: why.to_owned(), details: String::new() })
}

/// Notes that the technician knows how the last update ended.
pub(super) fn acknowledge(config: &Config) -> Result<Done, Refused> {
    let Some(last) = systems(config)?.last else { return refused("There was no update yet") };
    note(&folder(&config.site.data_dir), last.trial).map_err(|error| because(&error))?;
    done("Noted. The same version may be offered again")
}

/// The systems on the card, where there are any.
fn systems(config: &Config) -> Result<SystemsView, Refused> {
    view(&Places::default(), &folder(&config.site.data_dir)).map_err(|error| Refused {
        message: "Updates cannot be installed here".to_owned(),
        details: error.to_string(),
    })
}

fn turn(config: &Config, updating: &UnderWay) -> Result<Turn, Refused> {
    systems(config)?;
    updating.begin("checking").ok_or_else(|| because(&inbox::InboxError::Busy))
}

/// The bundle's own address: that of an offer (`….json`) is asked for.
async fn bundle_at(address: &SecretUrl, tls: &Tls) -> Result<String, Refused> {
    if !has_extension(address.expose().path(), "json") {
        return Ok(address.expose().to_string());
    }
    let offer = offer::ask(address, tls).await.map_err(|error| because(&error))?;
    Ok(offer.bundle.to_string())
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

async fn install(config: &Config, bundle: &str, turn: &Turn) -> Result<Done, Refused> {
    let ca_file: Option<PathBuf> = config.tls.ca_file.clone();
    let source = Source::new(bundle, ca_file.as_deref());
    let installed = install::install(source, |at| turn.show(at)).await;
    Attempt::now(Origin::Page, None, &installed).note(&folder(&config.site.data_dir));
    installed.map_err(|error| because(&error))?;
    let slot =
        systems(config)?.waits_for_trial.map_or("the other slot".to_owned(), |slot| format!("slot {slot}"));
    done(&format!(
        "The update is installed in {slot}. It is tried automatically between {} when nobody is there, or now with the button “Restart into it”",
        config.update.window
    ))
}

/// An error as the page shows it.
fn because(error: &dyn std::fmt::Display) -> Refused {
    let text = error.to_string();
    let mut letters = text.chars();
    let message =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    Refused { message, details: String::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn updates_are_refused_without_slots() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.site.data_dir = folder.path().to_owned();
        let config = Arc::new(config);
        let updating = UnderWay::default();
        let address = SecretUrl::parse("https://updates.backend.example/a.raucb?key=s3cr3t").unwrap();
        let refusals = [
            receive(&config, &updating, 10).map(|_| ()).unwrap_err(),
            install_received(&config, &updating).await.unwrap_err(),
            install_from(&config, &updating, address).await.unwrap_err(),
            try_installed(&config).unwrap_err(),
            acknowledge(&config).unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.message, "Updates cannot be installed here");
            assert!(!refusal.details.contains("s3cr3t"));
        }
        assert!(updating.progress().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let plain = SecretUrl::parse("http://updates.backend.example/a.raucb").unwrap();
        let refusal = install_from(&config, &updating, plain).await.unwrap_err();
        assert!(refusal.message.contains("https"), "{}", refusal.message);
    }
}
