//! The machine, the camera, and updates.

use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Technician;
use crate::appliance::latest::Decided;
use crate::appliance::machine;
use crate::appliance::systems::systems;
use base::moment::{DoubtKind, Moment};
use liveness::Requirement;
use liveness::config::LivenessRule;
use liveness::scene::learnt::Usefulness;
use view::{Camera, KnownScene, LivenessCheck, System, Update};

fn liveness(requirement: Requirement) -> LivenessCheck {
    match requirement.in_force() {
        (LivenessRule::Off, _) => LivenessCheck::Off,
        (_, false) => LivenessCheck::Blink,
        (LivenessRule::Passive, true) => LivenessCheck::Passive,
        (LivenessRule::PassiveBlink, true) => LivenessCheck::PassiveBlink,
        (LivenessRule::PassiveAny, true) => LivenessCheck::PassiveAny,
        (LivenessRule::PassivePrompt, true) => LivenessCheck::PassivePrompt,
    }
}

impl Technician {
    pub(super) fn local(&self, utc: OffsetDateTime) -> String {
        journal::storage::timestamp(self.zone.local(utc))
    }

    /// A line of the log with the site's time instead of UTC, as everything else has it.
    pub(super) fn in_local_time(&self, line: String) -> String {
        let Some((at, rest)) = line.split_once(' ') else { return line };
        match OffsetDateTime::parse(at, &Rfc3339) {
            Ok(at) => format!("{} {rest}", self.local(at)),
            Err(_) => line,
        }
    }

    pub(super) fn update(&self) -> Update {
        let kept = update::worker::folder(&self.config.site.data_dir);
        let (systems, unavailable) = match update::view::view(&update::store::Places::default(), &kept) {
            Ok(view) => (Some(systems(&view)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let progress = self.updating.progress();
        Update {
            unavailable,
            systems,
            progress: progress.map(|at| view::Progress {
                step: at.step,
                done: at.percent.into(),
                total: 100,
            }),
            window: self.config.update.window.to_string(),
        }
    }

    pub(super) fn system(&self, now: Moment) -> System {
        let storage = machine::storage(&self.config.site.data_dir);
        let memory = machine::memory();
        let frames = self.frames.snapshot();
        System {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slot: update::slot::booted(Path::new(update::slot::BOOTLOADER), Path::new(update::slot::FOUND))
                .ok()
                .map(|booted| booted.slot.to_string()),
            pid: std::process::id(),
            started: self.local(self.started.utc),
            uptime_s: now.since_boot.saturating_sub(self.started.since_boot).as_secs(),
            storage_free: storage.map(|(free, _)| free),
            storage_total: storage.map(|(_, total)| total),
            memory_free: memory.map(|(free, _)| free),
            memory_total: memory.map(|(_, total)| total),
            temperature_c: machine::temperature(),
            slowed_by_heat: machine::slowed_by_heat(),
            lacks_power: machine::lacks_power(),
            clock_trusted: now.trusted,
            clock_doubt: self.clock.doubt().map(|doubt| {
                let (shown, expected) = (self.local(doubt.shown), self.local(doubt.expected));
                match doubt.kind {
                    DoubtKind::Stepped => format!("{doubt}. It shows {shown}; {expected} was expected"),
                    DoubtKind::Backwards | DoubtKind::FarAhead => {
                        format!("{doubt}. It shows {shown}; the last known time is {expected}")
                    }
                }
            }),
            time_zone: self.zone.name().to_owned(),
            liveness: liveness(
                Requirement::at_hand(self.config.liveness.require, &self.config.models_dir())
                    .asking(frames.asks),
            ),
            scene: match frames.scene {
                Usefulness::Learning => KnownScene::Learning,
                Usefulness::Usable => KnownScene::Usable,
                Usefulness::TooPlain => KnownScene::TooPlain,
            },
        }
    }

    pub(super) fn camera(&self) -> Camera {
        let snapshot = self.frames.snapshot();
        let trouble = self.care.record();
        Camera {
            source: match self.config.camera.source {
                camera::config::CameraSource::Libcamera => {
                    self.config.camera.id.clone().unwrap_or_else(|| "the first camera".to_owned())
                }
                camera::config::CameraSource::Replay => "replay of files".to_owned(),
            },
            frame_rate: snapshot.frames_per_second,
            latency_ms: snapshot.latency_ms.of_answer(),
            dropped: self.counters.dropped(),
            frames: snapshot.frames,
            last_frame_age_s: self.frames.age().map(|age| age.as_secs_f32()),
            restarts: trouble.restarts_ever,
            reboots: trouble.reboots_ever,
            decisions: self
                .memory
                .latest()
                .decisions
                .into_iter()
                .map(|decided| self.decision(decided))
                .collect(),
        }
    }

    pub(super) fn decision(&self, decided: Decided) -> view::Decision {
        view::Decision { at: self.local(decided.at.utc), what: decided.what }
    }
}
