//! The card about updates: the two systems, how the last update ended, and the ways to bring one in.

use maud::{Markup, html};

use super::parts::{Home, action, outcome, token};
use crate::request::LONGEST_ADDRESS;
use view::Update;
use view::systems::{Attempt, Content, Signers, Slot, Systems, UpdateEnd, UpdateOutcome};

pub(super) fn updates(home: &Home<'_>) -> Markup {
    let update = &home.view.update;
    html! {
        section.card aria-labelledby="updates-title" {
            h2 #updates-title { "Updates" }
            div #updates data-live {
                @match &update.systems {
                    Some(systems) => (state(home, systems, update)),
                    None => p.quiet {
                        "Updates are not available here: this machine has no second system to install into."
                    },
                }
                @if let Some(progress) = &update.progress {
                    div.progress {
                        label for="update-progress" { (progress.step) ": " (progress.done) " %" }
                        progress #update-progress value=(progress.done) max=(progress.total) {}
                    }
                }
                (outcome(home, "install"))
            }
            @if let Some(systems) = &update.systems { (questions(home, systems)) }
            // Outside the part that is replaced: a chosen file and a typed address stay.
            @if update.systems.is_some() { (ways_in(home)) }
        }
    }
}

fn state(home: &Home<'_>, systems: &Systems, update: &Update) -> Markup {
    html! {
        @for slot in [Slot::A, Slot::B] { (one(systems, slot)) }
        @if systems.on_trial {
            p.outcome.attention {
                "This system is on trial: it examines itself, and is kept only if it proves healthy. That takes up to ten minutes."
            }
        }
        @if let Some(slot) = systems.waits_for_trial {
            div.ask {
                p {
                    "The update in slot " (slot) " is tried automatically between " (update.window) ", when nobody is there. Attendance "
                    "pauses for a minute or two."
                }
                (action(home, "try-update", "Restart into it now"))
            }
        }
        @if let Some(attempt) = systems.attempt.as_ref().filter(|attempt| is_news(systems, attempt)) {
            p.outcome.attention { (attempt.at.date()) ": " (attempt.sentence) }
        }
        @if let Some(last) = &systems.last { (ended(home, systems, last)) }
        @match systems.signers {
            Signers::Own => {}
            Signers::Development => p.outcome.attention {
                "This image takes updates signed with development keys, which whoever has the builder's cache can do. Not for a door in "
                "use: build with scripts/build-image --production, and flash that."
            },
            Signers::Unknown => p.quiet { "Whose updates this system takes cannot be read." },
        }
        details #eeprom {
            summary { "Settings of the board" }
            p { (systems.eeprom) }
        }
    }
}

/// Whether an update was refused since the last one was tried.
fn is_news(systems: &Systems, attempt: &Attempt) -> bool {
    attempt.refused.is_some() && systems.last.as_ref().is_none_or(|last| last.at < attempt.at)
}

/// One slot: what it is now, and the system in it.
fn one(systems: &Systems, slot: Slot) -> Markup {
    let known = systems.known(slot);
    let system = known.system.as_ref().filter(|system| !system.version.is_empty());
    html! {
        div.slot {
            strong { "Slot " (slot) }
            @if slot == systems.slot { " " span.badge.well { "running" } }
            @if slot == systems.committed { " " span.badge { "committed" } }
            @if systems.waits_for_trial == Some(slot) { " " span.badge.attention { "waits for its trial" } }
            @match known.content {
                Content::Partial => { " " span.badge.attention { "half written" } }
                Content::Failed => { " " span.badge.attention { "failed its trial" } }
                Content::Whole | Content::Unknown => {}
            }
            p {
                @match system {
                    Some(system) => {
                        "Version " (system.version)
                        @if let Some(built) = &system.built { span.quiet { ", built " (day(built)) } }
                    }
                    None => span.quiet { "Its version is not known yet" },
                }
            }
        }
    }
}

/// The day of an RFC 3339 time.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// How the last update ended; after a rollback with the new system's own words, until they are acknowledged.
fn ended(home: &Home<'_>, systems: &Systems, last: &UpdateOutcome) -> Markup {
    html! {
        p.outcome.(if last.end.is_success() { "well" } else { "attention" }) {
            (last.at.date()) ": " (systems.sentence.as_deref().unwrap_or_default())
        }
        @if let UpdateEnd::Failed { log, .. } = &last.end {
            @if !log.is_empty() {
                details #update-log {
                    summary { "What the new system logged" }
                    pre #update-lines tabindex="0" aria-label="Log of the system that was rolled back" { @for line in log { (line) "\n" } }
                }
            }
        }
        @if !systems.not_wanted.is_empty() {
            p.quiet { "Not installed automatically until you say so here: version " (systems.not_wanted.join(", ")) "." }
        }
        @if systems.needs_acknowledgement {
            (action(home, "acknowledge-update", "I have read this"))
        } @else if !systems.not_wanted.is_empty() {
            (action(home, "acknowledge-update", "It may come again"))
        }
    }
}

/// What can be asked for at any time. Going back takes two steps: it restarts the device.
fn questions(home: &Home<'_>, systems: &Systems) -> Markup {
    let other = systems.known(if systems.slot == Slot::A { Slot::B } else { Slot::A });
    html! {
        (action(home, "check-updates", "Check for updates now"))
        @if other.content == Content::Whole && !systems.on_trial {
            details #go-back {
                summary { "Go back to the other system" }
                p {
                    "The device restarts into "
                    @match other.system.as_ref().filter(|system| !system.version.is_empty()) {
                        Some(system) => { "version " (system.version) },
                        None => { "the other system" },
                    }
                    ", and keeps it if it proves healthy. Attendance pauses for a minute or two. The version that runs now is not "
                    "installed automatically until you say so here."
                }
                (action(home, "go-back", "Yes, restart into it"))
            }
        }
    }
}

fn ways_in(home: &Home<'_>) -> Markup {
    html! {
        details #install {
            summary { "Install an update" }
            // Shown by the script, which sends the file as it is and says how far it is.
            form #bundle-form hidden data-most=(home.bundle_bytes) data-csrf=(home.csrf) {
                label for="bundle" { "A bundle from this device (.raucb)" }
                input #bundle type="file" accept=".raucb" required;
                button type="submit" { "Send and install" }
                div.progress hidden {
                    label for="sent" { "Sending" }
                    progress #sent value="0" max="100" {}
                }
            }
            form method="post" action="/do/install" data-act {
                (token(home.csrf))
                label for="update-url" { "Or the address of one" }
                input #update-url type="url" name="url" required maxlength=(LONGEST_ADDRESS) placeholder="https://" pattern="https://.*"
                    autocomplete="off" aria-describedby="update-note";
                button type="submit" { "Fetch and install" }
            }
            p #update-note .quiet {
                "Only what its makers signed is installed, into the slot that does not run. Attendance goes on meanwhile."
            }
        }
    }
}
