//! What the page shows of the settings, and does with them.

use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use tokio::time::Instant;

use super::edit;
use super::trial::{Keeper, Stage};
use base::failure::Fault;
use base::moment::SiteZone;
use config::fields::{self, Kind, READ_ONLY};
use config::{Wrong, examine};
use view::settings::{Field, Input, Review, Section, Settings, Sheet, Trial, Version};
use view::{Done, Pending, Refused};

/// The settings behind the page.
pub struct Desk {
    keeper: Arc<Keeper>,
    zone: SiteZone,
    /// What was reviewed last, and from which text it was made.
    draft: Mutex<Option<Draft>>,
}

#[derive(Clone)]
struct Draft {
    name: String,
    base: String,
    text: String,
}

impl Desk {
    /// With the site's zone, for the times of the versions.
    pub fn new(keeper: Arc<Keeper>, zone: SiteZone) -> Self {
        Self { keeper, zone, draft: Mutex::default() }
    }

    /// Saves, on a thread made for blocking, and restarts.
    fn change(
        &self,
        who: &str,
        text: impl FnOnce(&Keeper) -> Result<(String, String), Fault> + Send + 'static,
    ) -> Pending<Result<Done, Refused>> {
        let (keeper, who) = (Arc::clone(&self.keeper), who.to_owned());
        // A task of its own: a browser that goes away in the middle must not leave saved settings that nobody
        // starts.
        let saved = tokio::spawn(async move {
            let changing = Arc::clone(&keeper);
            let changed = tokio::task::spawn_blocking(move || {
                let (base, text) = text(&changing)?;
                changing.change(&base, &text, &who)
            });
            changed.await.map_err(Fault::from).flatten()?;
            log::info!("The settings were changed; the program restarts with them");
            tokio::spawn(keeper.restart_soon());
            Ok::<(), Fault>(())
        });
        Box::pin(async move {
            saved.await.map_err(Fault::from).flatten().map_err(refused)?;
            Ok(Done {
                message: "The program restarts with the new settings. Load the page again in some seconds; if the address \
                          of the page was changed, at the new one"
                    .to_owned(),
                output: String::new(),
            })
        })
    }
}

impl Settings for Desk {
    fn sheet(&self) -> Sheet {
        let text = self.keeper.writer.present().unwrap_or_default();
        let outcome = self.keeper.store.outcome();
        Sheet {
            sections: sections(&text),
            versions: self.versions(&text),
            trial: self.trial(),
            outcome: outcome.map(|outcome| (outcome.kept, outcome.sentence)),
            unavailable: self.keeper.writer.unavailable().map(|fault| fault.to_string()),
            file: self.keeper.writer.path.display().to_string(),
        }
    }

    fn review(&self, form: &[(String, String)]) -> Review {
        let base = match self.keeper.writer.present() {
            Ok(base) => base,
            Err(fault) => {
                return Review::Wrong(vec![view::settings::Fault { name: None, what: fault.to_string() }]);
            }
        };
        let text = match edit::edited(&base, form) {
            Ok((text, _)) => text,
            Err(wrong) => return Review::Wrong(wrong.into_iter().map(fault).collect()),
        };
        let changes = edit::changes(&base, &text);
        if changes.is_empty() {
            return Review::Unchanged;
        }
        let name = format!("{:016x}", fastrand::u64(..));
        let draft = Draft { name: name.clone(), base, text };
        *self.draft.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
        let confirm = edit::needs_confirmation(&changes);
        Review::Changes { draft: name, changes, confirm }
    }

    fn save(&self, draft: &str, who: &str) -> Pending<Result<Done, Refused>> {
        let kept = self.draft.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = kept.filter(|kept| kept.name == draft);
        self.change(who, move |_| {
            kept.map(|kept| (kept.base, kept.text)).ok_or_else(|| {
                Fault::new("these changes are not the last ones that were shown")
                    .advise("go back to the settings and make them again")
            })
        })
    }

    fn put_back(&self, version: u64, who: &str) -> Pending<Result<Done, Refused>> {
        self.change(who, move |keeper| {
            let wanted = keeper.store.versions().into_iter().find(|one| one.number == version);
            let wanted = wanted.ok_or_else(|| Fault::new("there is no such version any more"))?;
            let present = keeper.writer.present()?;
            if let Err(wrong) = edit::judged(&present, &wanted.text) {
                let first = wrong.first().map(ToString::to_string).unwrap_or_default();
                return Err(Fault::new(format!("this version does not fit the program any more: {first}")));
            }
            Ok((present, wanted.text))
        })
    }

    fn keep(&self) -> Pending<Result<Done, Refused>> {
        let done = if self.keeper.confirm() {
            Ok(Done { message: "The settings are kept".to_owned(), output: String::new() })
        } else {
            Err(refused(Fault::new("no settings are on trial")))
        };
        Box::pin(std::future::ready(done))
    }

    fn trial(&self) -> Option<Trial> {
        Some(match self.keeper.stage()? {
            Stage::Runs { until, confirm } => {
                Trial::Runs { confirm, seconds: until.saturating_duration_since(Instant::now()).as_secs() }
            }
            Stage::CannotGoBack(fault) => Trial::CannotGoBack(fault),
        })
    }
}

impl Desk {
    fn versions(&self, present: &str) -> Vec<Version> {
        let versions = self.keeper.store.versions();
        let newest = versions.iter().rposition(|version| version.text == present);
        let shown = versions.iter().enumerate().rev().map(|(index, version)| {
            let at = OffsetDateTime::from_unix_timestamp(version.at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            Version {
                number: version.number,
                at: journal::storage::timestamp(self.zone.local(at)),
                by: version.by.clone(),
                in_force: newest == Some(index),
                changes: edit::changes(present, &version.text),
            }
        });
        shown.collect()
    }
}

fn sections(text: &str) -> Vec<Section> {
    let written = edit::written(text);
    // With the values of secrets hidden, and addresses without their keys.
    let safe = serde_json::to_value(examine(text).0).unwrap_or_default();
    let section = |section: &'static fields::Section| {
        let field = |field: &'static fields::Field| {
            let name = format!("{}.{}", section.name, field.key);
            let value = written.get(&name);
            let is_secret = field.kind == Kind::Secret;
            let shown = safe[&section.name][&field.key].as_str().filter(|shown| shown.contains("://"));
            Field {
                is_set: value.is_some(),
                about: field.about.clone(),
                input: if READ_ONLY.contains(&&*name) { Input::ReadOnly } else { input(&field.kind) },
                value: value.filter(|_| !is_secret).cloned().unwrap_or_default(),
                default: if is_secret { shown.unwrap_or_default() } else { &field.default }.to_owned(),
                name,
            }
        };
        Section {
            name: section.name.clone(),
            about: section.about.clone(),
            fields: section.fields.iter().map(field).collect(),
        }
    };
    fields::sections().iter().map(section).collect()
}

fn input(kind: &Kind) -> Input {
    match kind {
        Kind::Switch => Input::Switch,
        Kind::Choice(words) => Input::Choice(words.clone()),
        Kind::Number => Input::Number,
        Kind::Text => Input::Text,
        Kind::Duration => Input::Duration,
        Kind::Secret => Input::Secret,
        Kind::Toml => Input::List,
    }
}

fn fault(wrong: Wrong) -> view::settings::Fault {
    view::settings::Fault { name: wrong.setting, what: wrong.what }
}

fn refused(fault: Fault) -> Refused {
    Refused { message: fault.what, details: fault.advice.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::{RealDisk, Store};
    use crate::writer::Writer;

    #[test]
    fn every_field_stands_on_the_sheet_and_no_secret_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("attendance.toml");
        let text = "[webhook]\nurl = \"https://backend.example/hook?key=s3cr3t\"\nkey = \"s3cr3t\"\n";
        std::fs::write(&file, text).unwrap();
        let store = Store::below(folder.path(), Arc::new(RealDisk));
        let keeper = Arc::new(Keeper::with(Writer::new(&file), store));
        let _ = keeper.begin();
        let desk = Desk::new(keeper, SiteZone::default());
        let sheet = desk.sheet();
        assert!(!format!("{sheet:?}").contains("s3cr3t"));
        let names: Vec<_> = sheet.sections.iter().flat_map(|section| &section.fields).collect();
        let defaults = serde_json::to_value(config::Config::default()).unwrap();
        let count: usize =
            defaults.as_object().unwrap().values().map(|one| one.as_object().unwrap().len()).sum();
        assert_eq!(names.len(), count);
        let url = names.iter().find(|field| field.name == "webhook.url").unwrap();
        assert_eq!((url.default.as_str(), url.is_set), ("https://backend.example/hook", true));
        let review = desk.review(&[("webhook.key".to_owned(), "n3w".to_owned())]);
        assert!(matches!(&review, Review::Changes { changes, confirm: false, .. } if changes.len() == 1));
        assert!(!format!("{review:?}").contains("n3w"));
        assert_eq!(desk.review(&[("webhook.key".to_owned(), String::new())]), Review::Unchanged);
    }
}
