//! The stand-in for the appliance: what it shows, and what it is asked to do.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use attendance::appliance::systems::Bundle;
use base::secret::Secret;
use office::day::{Day, Now, Person, Rules, Seen};
use settings::desk::Desk;
use time::macros::{format_description, time};
use time::{Date, PrimitiveDateTime};
use update::inbox;
use update::under_way::UnderWay;
use view::{
    AboutStudent, Action, Control, Decision, Done, Erasure, Incoming, Pending, Picture, Refused, Roster, Row,
    RowStatus, Source, Student, StudentsList, View,
};

use crate::enrolment::FakeEnrolment;
use crate::spreadsheet::TRICKS;
use crate::states::{picture, row};

/// The number of an erasure that is in force.
pub const ERASURE: &str = "0123456789abcdef";

/// An archive that came in: its passphrase, whether own settings are kept, and its bytes.
pub type ArchiveSeen = (String, bool, Vec<u8>);

/// The stand-in.
pub struct Fake {
    pub view: Mutex<View>,
    pub performed: Mutex<Vec<Action>>,
    /// How long an action takes, and whether it works.
    pub takes: Mutex<Duration>,
    pub fails: Mutex<bool>,
    pub previews: Mutex<usize>,
    pub evidences: Mutex<usize>,
    /// Students of the school.
    pub students: Mutex<usize>,
    /// Where bundles are received.
    pub inbox: PathBuf,
    pub updating: UnderWay,
    /// The real one, on a file in the folder of the device.
    pub settings: Arc<Desk>,
    pub enrolment: Arc<FakeEnrolment>,
    /// What persons corrected.
    pub corrected: Mutex<Vec<Row>>,
    /// How often everything was erased.
    pub erased: Mutex<usize>,
    /// Whether somebody has written the card's recovery key down.
    pub written_down: Mutex<bool>,
    /// Archives that came: passphrase, whether the settings stay, content.
    pub archives: Arc<Mutex<Vec<ArchiveSeen>>>,
}

impl Source for Fake {
    fn view(&self) -> View {
        self.view.lock().unwrap().clone()
    }

    fn corrected(&self, _day: Date) -> Result<Vec<Row>, Refused> {
        Ok(self.corrected.lock().unwrap().clone())
    }

    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused> {
        match day.year() {
            2025 => Ok(vec![
                row("2110009", "IN", "2025-01-15 08:59:58"),
                row("2110009", "OUT", "2025-01-15 17:00:00"),
            ]),
            1999 => Err(Refused {
                message: "The file of this day is damaged.".to_owned(),
                details: String::new(),
            }),
            _ => Ok(Vec::new()),
        }
    }

    /// A school of some hundred students in three classes; who has a row today came.
    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        let today = self.view.lock().unwrap().today.clone();
        let persons: Vec<Person> = (1..=*self.students.lock().unwrap())
            .map(|n| Person {
                roll: format!("{}", 2_110_000 + n),
                name: match n {
                    7 => format!("=Asha Student {n}"),
                    601.. => TRICKS[(n - 601) % TRICKS.len()].to_owned(),
                    _ => format!("Ben Student {n}"),
                },
                class: format!("{} {}", 8 + n % 3, if n % 2 == 0 { "A" } else { "B" }),
                enrolled: n % 50 != 0,
            })
            .collect();
        let moment = |text: &str| {
            let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
            PrimitiveDateTime::parse(text, form).unwrap()
        };
        let time = moment(&format!("{} 09:30:12", today.date));
        let now = Now { date: time.date(), time, closed: today.closed };
        let rules = Rules { late_after: Some(time!(8:30)), school_days: Vec::new(), departures: true };
        let days = office::range::days(from, to).unwrap_or_default().into_iter().map(|date| {
            let rows = if date.to_string() == today.date { Ok(today.rows.clone()) } else { self.rows(date) };
            let seen = rows.unwrap_or_default().into_iter().map(|row| Seen {
                at: moment(&row.timestamp),
                is_in: row.status == RowStatus::In,
                provisional: row.provisional,
                roll: row.name,
            });
            office::day::judge(date, &now, &rules, &persons, &seen.collect::<Vec<_>>())
        });
        Ok(days.collect())
    }

    fn students(&self) -> StudentsList {
        StudentsList {
            from: Some("uploaded by the technician".to_owned()),
            uploaded: true,
            students: *self.students.lock().unwrap(),
            ..StudentsList::default()
        }
    }

    fn student(&self, roll: &str) -> Option<AboutStudent> {
        (roll == "2110007").then(|| AboutStudent {
            name: "=Asha Student 7".to_owned(),
            class: "9 B".to_owned(),
            photos: vec![("2110007/a.jpg".to_owned(), "face 212 pixels wide, sharpness 310".to_owned())],
            refused: Vec::new(),
            decisions: vec![Decision {
                at: "2026-11-22 08:12:03".to_owned(),
                what: "No row for 2110007: IN 08:05:09 stands".to_owned(),
            }],
            undelivered: 2,
        })
    }

    fn erasures(&self) -> Vec<Erasure> {
        let lifted = self.performed.lock().unwrap().contains(&Action::LiftErasure(ERASURE.to_owned()));
        let (id, at) = (ERASURE.to_owned(), "2026-11-21 15:00:00".to_owned());
        vec![Erasure { id, at, by: "anna (office)".to_owned(), done: true, lifted }]
    }

    fn roster(&self) -> Roster {
        Roster {
            students: vec![Student { name: "2110001".to_owned(), photos: vec!["2110001/a.jpg".to_owned()] }],
            refused: self.view().roster.refused,
        }
    }

    fn log(&self, most: usize) -> Vec<String> {
        (0..60)
            .map(|n| format!("2026-11-22 09:{n:02}:00 INFO line {n} <script>alert(1)</script>"))
            .take(most)
            .collect()
    }

    fn redacted_log(&self, most: usize) -> Vec<String> {
        self.log(most)
    }

    fn configuration(&self) -> String {
        "[webhook]\nkey = \"[hidden]\"\n".to_owned()
    }

    fn evidence(&self, photo: &str) -> Option<Picture> {
        *self.evidences.lock().unwrap() += 1;
        (photo != "2110005/broken.jpg").then(|| picture("two faces", false))
    }

    fn licences(&self) -> Option<bytes::Bytes> {
        use std::io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"the text of a licence").unwrap();
        (!*self.fails.lock().unwrap()).then(|| packed.finish().unwrap().into())
    }

    fn door(&self) -> Option<bytes::Bytes> {
        Some(picture("", true).jpeg)
    }

    fn preview(&self) -> Pending<Result<Picture, Refused>> {
        *self.previews.lock().unwrap() += 1;
        Box::pin(async { Ok(picture("2110001 0.71 live", true)) })
    }
}

impl Control for Fake {
    fn settings(&self) -> Option<Arc<dyn view::settings::Settings>> {
        Some(self.settings.clone())
    }

    fn enrolment(&self) -> Option<Arc<dyn view::enrolment::Enrolment>> {
        Some(self.enrolment.clone())
    }

    fn perform(&self, action: Action) -> Pending<Result<Done, Refused>> {
        self.performed.lock().unwrap().push(action.clone());
        let (takes, fails) = (*self.takes.lock().unwrap(), *self.fails.lock().unwrap());
        let turn = if action == Action::InstallReceived { self.updating.resume() } else { None };
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            drop(turn);
            if fails {
                return Err(Refused {
                    message: "The photo server cannot be reached.".to_owned(),
                    details: "connection refused".to_owned(),
                });
            }
            let message = match action {
                Action::Sync => "12 photos are new, 988 as they were.".to_owned(),
                Action::Upload => "7 rows were delivered.".to_owned(),
                Action::TestPhotos | Action::TestWebhook => "It answers and takes the key.".to_owned(),
                Action::RestartRecognition => "Recognition was started again.".to_owned(),
                Action::RetryRow(row) => format!("Row {row} was delivered."),
                Action::RetryAllRows => "All rows will be sent again.".to_owned(),
                Action::DismissRow(row) => format!("Row {row} was dismissed."),
                Action::ConfirmRemoval => "300 students were removed.".to_owned(),
                Action::ConfirmTime => "The clock is believed.".to_owned(),
                Action::InstallReceived => "The update is installed in slot B.".to_owned(),
                Action::InstallFrom(address) => format!("Fetched from {address}."),
                Action::TryUpdate => "It restarts.".to_owned(),
                Action::CheckUpdates => "Nothing to install.".to_owned(),
                Action::GoBack => "It restarts into the other system.".to_owned(),
                Action::AcknowledgeUpdate => "Noted.".to_owned(),
                Action::CloseDay => "The day is closed.".to_owned(),
                Action::TakeStudents { file, by } => match office::students::parse(&file) {
                    Ok(list) => format!("The list has {} students, from {by}.", list.students.len()),
                    Err(error) => {
                        return Err(Refused { message: error.to_string(), details: String::new() });
                    }
                },
                Action::RemoveStudents => "The uploaded list is removed.".to_owned(),
                Action::AcceptPhoto { photo, .. } => format!("{photo} is known."),
                Action::Correct { by, reason, .. } => format!("It is corrected, by {by}: {reason}."),
                Action::WatchPhoto(photo) => format!("{photo} is on the list again."),
                Action::EraseStudent { .. } => "The student is erased".to_owned(),
                Action::LiftErasure(id) => format!("Erasure {id} is lifted."),
            };
            Ok(Done { message, output: "details\n".to_owned() })
        })
    }

    /// Three megabytes; on a device whose actions fail, it breaks off in the middle, or at once.
    fn export(&self, passphrase: &Secret, out: &mut dyn std::io::Write) -> Result<(), base::failure::Fault> {
        let full = |_| base::failure::Fault::new("nobody reads");
        let fails = *self.fails.lock().unwrap();
        if fails && passphrase.expose().starts_with("at once") {
            return Err(base::failure::Fault::new("the card cannot be read").advise("replace it"));
        }
        for piece in 0..3 {
            if fails && piece == 2 {
                return Err(base::failure::Fault::new("a file changed while it was read"));
            }
            out.write_all(&vec![piece; 1_000_000]).map_err(full)?;
        }
        Ok(())
    }

    fn import(&self, passphrase: Secret, keep: bool, bytes: u64) -> Result<Box<dyn Incoming>, Refused> {
        if *self.fails.lock().unwrap() {
            let details = "wait for its end".to_owned();
            return Err(Refused { message: "another import is under way".to_owned(), details });
        }
        assert!(bytes > 0);
        let archive = (passphrase.expose().to_owned(), keep, Vec::new());
        Ok(Box::new(Coming { archive, all: Arc::clone(&self.archives) }))
    }

    fn reset_words(&self) -> Option<(usize, String)> {
        Some((12, "ERASE attendance-0a1b2c AND 12 ROWS".to_owned()))
    }

    fn factory_reset(&self, typed: &str) -> Result<(), base::failure::Fault> {
        if typed != "ERASE attendance-0a1b2c AND 12 ROWS" {
            return Err(base::failure::Fault::new("12 rows are on this device only").advise("type the words"));
        }
        *self.erased.lock().unwrap() += 1;
        Ok(())
    }

    fn recovery_key(&self) -> Option<Secret> {
        (!*self.written_down.lock().unwrap()).then(|| Secret::new("vlftknbj-tvrglvhb"))
    }

    fn recovery_key_written_down(&self) -> std::io::Result<()> {
        *self.written_down.lock().unwrap() = true;
        Ok(())
    }

    fn last_import(&self) -> Option<(bool, String)> {
        Some((true, "The archive was taken over.".to_owned()))
    }

    fn receive(&self, bytes: u64) -> Result<Box<dyn Incoming>, Refused> {
        inbox::Incoming::begin(&self.inbox, bytes, &self.updating)
            .map(|incoming| -> Box<dyn Incoming> { Box::new(Bundle(incoming)) })
            .map_err(|error| Refused { message: error.to_string(), details: String::new() })
    }
}

struct Coming {
    archive: (String, bool, Vec<u8>),
    all: Arc<Mutex<Vec<ArchiveSeen>>>,
}

impl Incoming for Coming {
    fn take(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.archive.2.extend_from_slice(piece);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Send>, Refused> {
        if self.archive.0.starts_with("wrong") {
            let message = "the passphrase does not open this archive".to_owned();
            return Err(Refused { message, details: "type it as at the export".to_owned() });
        }
        self.all.lock().unwrap().push(self.archive);
        Ok(Box::new(()))
    }
}
