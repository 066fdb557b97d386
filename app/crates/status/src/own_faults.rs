//! The appliance’s state, with what is wrong with the page itself.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use time::Date;

use crate::certificate::Identity;
use access::account::Accounts;
use access::password::CurrentPassword;
use base::failure::Fault;
use office::day::Day;
use view::settings::Trial;
use view::{
    AboutStudent, Erasure, Level, Pending, Picture, Problem, Refused, Roster, Row, Source, StudentsList, View,
};

/// The appliance's state, with what is wrong with the page itself.
pub(super) struct WithDoor {
    pub(super) source: Arc<dyn Source>,
    pub(super) identity: Arc<ArcSwap<Identity>>,
    pub(super) password: Arc<CurrentPassword>,
    pub(super) accounts: Arc<Accounts>,
    /// Why the second port cannot be had.
    pub(super) concern: Option<String>,
    pub(super) settings: Option<Arc<dyn view::settings::Settings>>,
}

/// What somebody has to do about settings on trial.
fn on_trial(trial: &Trial) -> Option<Problem> {
    const KEEP: &str = "Press “Keep these settings” under “Settings”";
    let (what, advice) = match trial {
        Trial::Runs { confirm: false, .. } => return None,
        Trial::Runs { .. } => (
            "New settings of this page are on trial, and go back within two minutes.".to_owned(),
            format!("{KEEP}."),
        ),
        Trial::CannotGoBack(Fault { what, advice, .. }) => (
            format!("Nobody confirmed the new settings, and the ones before cannot be put back: {what}."),
            match advice {
                Some(advice) => format!("{KEEP} if they are right. Otherwise: {advice}. It is tried again."),
                None => format!("{KEEP} if they are right. Otherwise wait: it is tried again."),
            },
        ),
    };
    Some(Problem { level: Level::Attention, what, advice })
}

impl Source for WithDoor {
    fn view(&self) -> View {
        let mut view = self.source.view();
        let told = [
            (
                self.identity.load().concern.clone(),
                "The page shows the device’s own certificate, not the site’s",
                "Bring another page.crt and page.key on the card, or settings without them.",
            ),
            (
                self.password.trouble(),
                "The password kept on the device does not count",
                "Run `attendance password` on the device: it makes another.",
            ),
            (
                self.accounts.trouble(),
                "The accounts kept on the device do not count",
                "Remove page/accounts.json from the data folder, and add the accounts again.",
            ),
            (
                self.concern.clone(),
                "The port for the original’s scripts cannot be opened",
                "Choose another page.original_port, or end the program that has the port.",
            ),
        ];
        view.problems.extend(told.into_iter().filter_map(|(reason, what, advice)| {
            let what = format!("{what}: {}.", reason?);
            Some(Problem { level: Level::Attention, what, advice: advice.to_owned() })
        }));
        let trial = self.settings.as_ref().and_then(|settings| settings.trial());
        view.problems.extend(trial.and_then(|trial| on_trial(&trial)));
        view
    }

    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused> {
        self.source.rows(day)
    }

    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        self.source.days(from, to)
    }

    fn corrected(&self, day: Date) -> Result<Vec<Row>, Refused> {
        self.source.corrected(day)
    }

    fn needs_person(&self, row: &str) -> bool {
        self.source.needs_person(row)
    }

    fn students(&self) -> StudentsList {
        self.source.students()
    }

    fn erasures(&self) -> Vec<Erasure> {
        self.source.erasures()
    }

    fn student(&self, roll: &str) -> Option<AboutStudent> {
        self.source.student(roll)
    }

    fn roster(&self) -> Roster {
        self.source.roster()
    }

    fn licences(&self) -> Option<Bytes> {
        self.source.licences()
    }

    fn log(&self, most: usize) -> Vec<String> {
        self.source.log(most)
    }

    fn redacted_log(&self, most: usize) -> Vec<String> {
        self.source.redacted_log(most)
    }

    fn configuration(&self) -> String {
        self.source.configuration()
    }

    fn evidence(&self, photo: &str) -> Option<Picture> {
        self.source.evidence(photo)
    }

    fn door(&self) -> Option<Bytes> {
        self.source.door()
    }

    fn preview(&self) -> Pending<Result<Picture, Refused>> {
        self.source.preview()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_go_back_are_told_with_what_to_do() {
        let fault = Fault::new("the card is full").advise("free space on the card");
        let told = on_trial(&Trial::CannotGoBack(fault)).map(|problem| (problem.what, problem.advice));
        let (what, advice) = told.unwrap_or_default();
        assert!(what.contains("cannot be put back: the card is full"), "{what}");
        assert!(advice.contains("Keep these settings") && advice.contains("free space"), "{advice}");
        assert_eq!(on_trial(&Trial::Runs { confirm: false, seconds: 9 }), None);
    }
}
