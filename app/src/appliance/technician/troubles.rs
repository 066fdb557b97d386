//! Problems on the page that only the parts themselves can notice.

use super::Technician;
use crate::appliance::machine;
use crate::appliance::refused_photos::not_used;
use base::failure::Fault;
use base::moment::Moment;
use recognition::roster::Report;
use recognition::roster::layout::Folders;
use update::start;
use view::systems::Systems;
use view::{Level, Problem, Update};

/// An update that was rolled back, until somebody says that they know.
fn rolled_back(systems: &Systems) -> Option<Problem> {
    let sentence = systems.sentence.clone().filter(|_| systems.needs_acknowledgement)?;
    let advice = "Read why under “Updates”, then press “I have read this” there.".to_owned();
    Some(Problem { level: Level::Attention, what: sentence, advice })
}

/// A start that went on in spite of something.
fn start_trouble(fault: Fault) -> Problem {
    let advice = sentence(&fault.advice.unwrap_or_default());
    Problem { level: Level::Attention, what: sentence(&fault.what), advice }
}

/// A day's CSV file that cannot be written.
fn csv_trouble(trouble: String) -> Problem {
    let advice = "The journal has all rows, and the page shows them. Free space on the card, or remove what stands in \
                  the file’s place in the folder “attendance”.";
    Problem { level: Level::Attention, what: format!("{trouble}."), advice: advice.to_owned() }
}

/// Something at the door that does not work. Recognition goes on.
fn door_trouble(fault: Fault) -> Problem {
    let advice = fault.advice.unwrap_or_default();
    Problem {
        level: Level::Attention,
        what: format!("At the door: {}.", fault.what),
        advice: sentence(&advice),
    }
}

/// Something of an erased student that is still there.
fn erasing_trouble(fault: Fault) -> Problem {
    let advice = sentence(&fault.advice.unwrap_or_default());
    Problem { level: Level::Attention, what: format!("Erasing: {}.", fault.what), advice }
}

/// An advice as a sentence of its own.
fn sentence(advice: &str) -> String {
    let mut letters = advice.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A folder of several people, of which nobody is enrolled.
fn folders_problem(folders: &Folders) -> Problem {
    let fault = folders.fault();
    Problem {
        level: Level::Attention,
        what: format!("The photo folder {} {}.", folders.folder, fault.what),
        advice: fault.advice.map(|advice| format!("In the settings, {advice}.")).unwrap_or_default(),
    }
}

/// Most folders of several people that have a problem of their own on the page: all have a line in its list.
const FOLDERS_NAMED: usize = 5;

impl Technician {
    /// What only the parts themselves know to be wrong.
    pub(super) fn problems(&self, now: Moment, update: &Update, report: &Report) -> Vec<Problem> {
        update
            .systems
            .as_ref()
            .and_then(rolled_back)
            .into_iter()
            .chain(start::faults(&start::Notes::default()).into_iter().map(start_trouble))
            .chain(machine::network(&self.config, now).into_iter().map(start_trouble))
            .chain(self.ledger.summary().storage.csv_trouble.map(csv_trouble))
            .chain(self.at_the_door.all().into_iter().map(door_trouble))
            .chain(self.erasing.faults().into_iter().map(erasing_trouble))
            .chain(not_used(report).take(FOLDERS_NAMED).map(folders_problem))
            .chain(self.school.iter().flat_map(|school| school.problems(now.utc)))
            .collect()
    }
}
