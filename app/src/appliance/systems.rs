//! What is known of updates, put into the page's types; and an update bundle that the page receives.

use update::attempt::{Attempt, Origin};
use update::history::{End, TrialOutcome};
use update::inbox;
use update::record::{Content, System, TrialProgress};
use update::slot::Slot;
use update::trust::Signers;
use update::view::{SlotView, SystemsView};
use view::Refused;
use view::systems as shown;

/// The systems on the card, as the page shows them.
pub fn systems(view: &SystemsView) -> shown::Systems {
    shown::Systems {
        slot: slot(view.slot),
        on_trial: view.on_trial,
        committed: slot(view.committed),
        a: slot_view(&view.a),
        b: slot_view(&view.b),
        waits_for_trial: view.waits_for_trial.map(slot),
        attempt: view.attempt.as_ref().map(attempt),
        installed: view.installed.as_ref().map(attempt),
        last: view.last.as_ref().map(outcome),
        sentence: view.sentence.clone(),
        needs_acknowledgement: view.needs_acknowledgement,
        not_wanted: view.not_wanted.clone(),
        signers: match view.signers {
            Signers::Own => shown::Signers::Own,
            Signers::Development => shown::Signers::Development,
            Signers::Unknown => shown::Signers::Unknown,
        },
        eeprom: view.eeprom.clone(),
    }
}

fn slot(slot: Slot) -> shown::Slot {
    match slot {
        Slot::A => shown::Slot::A,
        Slot::B => shown::Slot::B,
    }
}

fn slot_view(view: &SlotView) -> shown::SlotView {
    let content = match view.content {
        Content::Partial => shown::Content::Partial,
        Content::Whole => shown::Content::Whole,
        Content::Failed => shown::Content::Failed,
        Content::Unknown => shown::Content::Unknown,
    };
    shown::SlotView { content, system: view.system.as_ref().map(system) }
}

fn system(system: &System) -> shown::InstalledSystem {
    shown::InstalledSystem { version: system.version.clone(), built: system.built.clone() }
}

fn origin(origin: Origin) -> shown::Origin {
    match origin {
        Origin::Page => shown::Origin::Page,
        Origin::Console => shown::Origin::Console,
        Origin::Address => shown::Origin::Address,
        Origin::Stick => shown::Origin::Stick,
        Origin::Fleet => shown::Origin::Fleet,
        Origin::Unknown => shown::Origin::Unknown,
    }
}

fn attempt(attempt: &Attempt) -> shown::Attempt {
    shown::Attempt {
        origin: origin(attempt.origin),
        version: attempt.version.clone(),
        at: attempt.at,
        refused: attempt.refused.clone(),
        sentence: attempt.sentence(),
    }
}

fn outcome(outcome: &TrialOutcome) -> shown::UpdateOutcome {
    shown::UpdateOutcome {
        trial: outcome.trial,
        slot: slot(outcome.slot),
        from: system(&outcome.from),
        to: outcome.to.as_ref().map(system),
        went_back: outcome.went_back,
        origin: origin(outcome.origin),
        at: outcome.at,
        end: match &outcome.end {
            End::Committed => shown::UpdateEnd::Committed,
            End::Rescued => shown::UpdateEnd::Rescued,
            End::Failed { check, reason, log } => {
                shown::UpdateEnd::Failed { check: check.clone(), reason: reason.clone(), log: log.clone() }
            }
            End::Silent { reached } => shown::UpdateEnd::Silent {
                reached: match reached {
                    TrialProgress::Installed => shown::TrialProgress::Installed,
                    TrialProgress::Begun => shown::TrialProgress::Begun,
                    TrialProgress::Up => shown::TrialProgress::Up,
                },
            },
        },
    }
}

/// A bundle on its way into the inbox of updates.
pub struct Bundle(pub inbox::Incoming);

impl view::Incoming for Bundle {
    fn take(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.0.take(piece).map_err(|error| not_taken(&error))
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Send>, Refused> {
        match self.0.finish() {
            Ok(received) => Ok(Box::new(received)),
            Err(error) => Err(not_taken(&error)),
        }
    }
}

fn not_taken(error: &inbox::InboxError) -> Refused {
    Refused { message: error.to_string(), details: String::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;

    /// Scripts read `/status`: the page's types must write what the update crate's own types write.
    #[test]
    fn page_types_write_the_same_json_as_the_update_types() {
        let named =
            |version: &str| System { version: version.to_owned(), built: Some("2026-11-18".to_owned()) };
        let at = datetime!(2026-11-21 02:14:00 UTC);
        let origins =
            [Origin::Page, Origin::Console, Origin::Address, Origin::Stick, Origin::Fleet, Origin::Unknown];
        let ends = [
            End::Committed,
            End::Rescued,
            End::failed("camera", "no frame", &["line".to_owned()]),
            End::Silent { reached: TrialProgress::Installed },
            End::Silent { reached: TrialProgress::Begun },
            End::Silent { reached: TrialProgress::Up },
        ];
        let contents = [Content::Partial, Content::Whole, Content::Failed, Content::Unknown];
        let signers = [Signers::Own, Signers::Development, Signers::Unknown];
        for (n, end) in ends.into_iter().enumerate() {
            let origin = origins[n];
            let attempt = Attempt {
                origin,
                version: Some("1.4.0".to_owned()),
                at,
                refused: (n % 2 == 0).then(|| "too old".to_owned()),
            };
            let last = TrialOutcome {
                trial: 3,
                slot: Slot::B,
                from: named("1.2.0"),
                to: (n % 2 == 0).then(|| named("1.3.0")),
                went_back: n == 1,
                origin,
                at,
                end,
            };
            let view = SystemsView {
                slot: Slot::A,
                on_trial: n == 2,
                committed: Slot::B,
                a: SlotView { content: contents[n % 4], system: Some(named("1.2.0")) },
                b: SlotView::default(),
                waits_for_trial: (n == 3).then_some(Slot::B),
                attempt: Some(attempt.clone()),
                installed: (n == 4).then_some(attempt),
                sentence: Some(last.sentence()),
                last: Some(last),
                needs_acknowledgement: n == 5,
                not_wanted: vec!["1.4.0".to_owned()],
                signers: signers[n % 3],
                eeprom: "unknown".to_owned(),
            };
            let (own, page) =
                (serde_json::to_string(&view).unwrap(), serde_json::to_string(&systems(&view)).unwrap());
            assert_eq!(page, own);
        }
    }
}
