//! Everything a site can choose, as one type, and what of it each part of the program needs.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at_door::DoorSection;
use super::card::Card;
use super::network::Network;
use super::sections::{Enrolment, Log, Site};
use backend::config::{Server, Tls, Webhook};
use base::erasure::Erased;
use base::moment::SiteZone;
use camera::config::Camera;
use door::config::{Relay, Screen, Sound};
use journal::config::{Attendance, Settings};
use liveness::config::Liveness;
use recognition::config::Recognition;
use site::config::Mqtt;
use status::config::Page;
use update::config::{Fleet, Update};
use vision::photos::Photos;

/// Everything a site can choose.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the appliance stands.
    pub site: Site,
    /// The network, where DHCP does not say all of it.
    pub network: Network,
    /// The card: whether it is encrypted, and where its key comes from.
    pub card: Card,
    /// Where the students' photos come from.
    pub photos: Photos,
    /// Where attendance rows go.
    pub webhook: Webhook,
    /// Whom to trust on the network.
    pub tls: Tls,
    /// The camera.
    pub camera: Camera,
    /// Finding and naming faces.
    pub recognition: Recognition,
    /// Telling living people from pictures of them.
    pub liveness: Liveness,
    /// Pictures of students that the office takes with the door's camera.
    pub enrolment: Enrolment,
    /// The rules that turn recognitions into rows.
    pub attendance: Attendance,
    /// The door: which way people pass it, and how they are named.
    pub door: DoorSection,
    /// The display at the door.
    pub screen: Screen,
    /// Tones and lights at the door.
    pub sound: Sound,
    /// The door opener.
    pub relay: Relay,
    /// The technician's HTTPS page.
    pub page: Page,
    /// The other doors of the school.
    pub mqtt: Mqtt,
    /// Updates over the network.
    pub update: Update,
    /// Updates from a fleet's server.
    pub fleet: Fleet,
    /// What is logged.
    pub log: Log,
}

impl Config {
    /// What a synchronisation of the photos needs; whoever starts one adds who was erased.
    pub fn sync(&self) -> backend::sync::Settings {
        backend::sync::Settings {
            photos: self.photos.clone(),
            tls: self.tls.of(Server::Photos, self.photos.pinned_sha256.as_ref()),
            data_dir: self.site.data_dir.clone(),
            // The name was checked when the file was read.
            zone: SiteZone::named(&self.site.time_zone).unwrap_or_default(),
            erased: Erased::default(),
        }
    }

    /// What making rows needs.
    pub fn rows(&self) -> Settings {
        Settings {
            attendance: self.attendance.clone(),
            door: self.door.of_rows(),
            day_starts: self.site.day_starts,
            rows_stay: self.webhook.url.is_none(),
        }
    }

    /// What making a roster needs; whoever makes one adds who was erased.
    pub fn roster(&self) -> recognition::roster::Settings {
        recognition::roster::Settings {
            photos: self.photos.clone(),
            recognition: self.recognition.clone(),
            data_dir: self.site.data_dir.clone(),
            models_dir: self.models_dir(),
            erased: Erased::default(),
            at_the_door: self.enrolment.at_the_door,
        }
    }

    /// What screen, sound and pins need.
    pub fn at_the_door(&self) -> door::config::Settings {
        door::config::Settings {
            door: self.door.of_screen(),
            screen: self.screen.clone(),
            sound: self.sound.clone(),
            relay: self.relay.clone(),
        }
    }

    /// What updates need.
    pub fn updates(&self) -> update::config::Settings {
        update::config::Settings {
            update: self.update.clone(),
            fleet: self.fleet.clone(),
            tls: self.tls.clone(),
            data_dir: self.site.data_dir.clone(),
        }
    }

    /// The settings whose addresses are asked without encryption, and nobody has said that this is meant.
    pub fn plain_addresses(&self) -> impl Iterator<Item = &'static str> {
        let addresses = [("photos.url", &self.photos.url), ("webhook.url", &self.webhook.url)];
        let tls = &self.tls;
        addresses.into_iter().filter_map(move |(name, url)| {
            url.as_ref().is_some_and(|url| backend::plain::is_plain(url, tls)).then_some(name)
        })
    }

    /// The folder of the models' weights.
    pub fn models_dir(&self) -> PathBuf {
        self.site.models_dir.clone().unwrap_or_else(models::store::Store::default_dir)
    }
}
