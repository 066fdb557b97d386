//! Whether rows reach the backend, and whether others can read what crosses the network.

use super::words::{ASK, SUPPORT, attention, idle, sentence, told};
use crate::card::Card;
use crate::state::{Problem, View};
use base::event::WorkerState;

pub(super) fn delivery(view: &View, found: &mut Vec<Problem>) {
    let upload = &view.upload;
    let retries = "The device tries again automatically, and nothing is lost.";
    let trouble = match idle(view, "upload") {
        Some(worker) => {
            let why =
                |otherwise| told(worker.reason.as_ref(), "the worker that does it gave no reason", otherwise);
            Some(if worker.state == WorkerState::Held {
                (why(ASK), "“Upload now” tries at once. Nothing is lost.")
            } else {
                (why(SUPPORT), retries)
            })
        }
        None => upload.error.as_ref().map(|error| (told(Some(error), "", ASK), retries)),
    };
    if let Some(((what, advice), then)) = trouble {
        let waiting = match upload.backlog {
            0 => "No row waits yet".to_owned(),
            1 => "1 row waits".to_owned(),
            n => format!("{n} rows wait"),
        };
        found.push(attention(
            format!("Rows cannot be delivered: {what}. {waiting}."),
            &format!("{advice} {then}"),
        ));
    }
    let void = upload.needs_person.iter().filter(|row| row.void).count();
    if void > 0 {
        found.push(attention(
            format!("The backend may still have rows that were taken away here ({void})."),
            "They stand under “Delivery”. Take each away at the backend, then press “Dismiss”.",
        ));
    }
    let without_day = upload.needs_person.iter().filter(|row| !row.days.is_empty()).count();
    if without_day > 0 {
        found.push(attention(
            format!("Nobody knows on which day rows were seen ({without_day})."),
            "They stand under “Delivery”. Press “Say on which day” beside one: all others of the same time get their day with it.",
        ));
    }
    let refused = upload.needs_person.len() - void - without_day;
    if refused > 0 {
        let (count, verb) = match refused {
            1 => ("1 row was".to_owned(), "it"),
            n => (format!("{n} rows were"), "each"),
        };
        found.push(attention(
            format!("{count} refused by the backend."),
            &format!("Look at the reason beside {verb} under “Delivery”, have it corrected there, then press “Retry”, or “Dismiss” what shall not be delivered."),
        ));
    }
}

/// Keys and faces that cross the network in clear, and a card that is not encrypted as it should be.
pub(super) fn encryption(view: &View, found: &mut Vec<Problem>) {
    if let Some(fault) = view.card.as_ref().and_then(Card::fault) {
        let (what, advice) = told(Some(&fault), "", SUPPORT);
        found.push(attention(format!("{}.", sentence(&what)), &advice));
    }
    for setting in &view.plain_http {
        let what = match setting.as_str() {
            "webhook.url" => {
                "Attendance is delivered without encryption: others on the network can read the key and the rows, and \
                 acknowledge rows that never arrive"
            }
            _ => {
                "Photos are fetched without encryption: others on the network can read the key and the photos, and put in \
                 photos of their own"
            }
        };
        found.push(attention(
            format!("{what} ({setting} begins with http://)."),
            "Use an address that begins with https://. If this network is meant to be trusted, set tls.allow_plain = true.",
        ));
    }
}
