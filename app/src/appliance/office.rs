//! What the office keeps beside the rows: the students' list, and photos whose problems it accepted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::door_pictures::DoorPictures;
use super::known_photos::KnownPhotos;
use super::refused_photos::refused_photos;
use super::students::Students;
use backend::sync;
use base::erasure::Erased;
use base::event::Event;
use base::failure::Fault;
use base::identity::RollNumber;
use door::names::Names;
use recognition::roster::Report;
use recognition::roster::places::below_the_door;
use view::{Done, Pending, Refused};
use vision::photos::{Layout, Photos, RollPattern};
use vision::scan::scan;

/// How often the file beside the photos is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// A roster is announced just before it is there.
const ROSTER_TIME: Duration = Duration::from_secs(2);

/// It is cheap to clone.
#[derive(Clone)]
pub struct Office {
    /// The students' list.
    pub students: Arc<Students>,
    /// Photos whose problems somebody accepted.
    pub known_photos: Arc<KnownPhotos>,
    /// Pictures that were taken at the door.
    pub door_pictures: Arc<DoorPictures>,
    /// The photo folder.
    pub photos: PathBuf,
    /// The last enrolment.
    pub report: Arc<ArcSwap<Report>>,
    /// Photos that the last synchronisation could not fetch.
    pub missing: Arc<ArcSwap<Vec<sync::Failure>>>,
    /// Whether the photos come from a server.
    pub mirrored: bool,
}

impl Office {
    /// What is kept in the data folder, with the list beside the photos in `photos`.
    pub fn below(data_dir: &Path, photos: &Path, names: Names) -> Self {
        let pictures = DoorPictures::below(data_dir, watch::channel(0).0, Default::default());
        Self::without(data_dir, photos, names, Erased::default(), Arc::new(pictures))
    }

    /// The same, without the students who were erased.
    pub fn without(
        data_dir: &Path,
        photos: &Path,
        names: Names,
        erased: Erased,
        door_pictures: Arc<DoorPictures>,
    ) -> Self {
        Self {
            students: Arc::new(Students::without(data_dir, photos, names, erased)),
            known_photos: Arc::new(KnownPhotos::below(data_dir)),
            door_pictures,
            photos: photos.to_owned(),
            report: Arc::default(),
            missing: Arc::default(),
            mirrored: false,
        }
    }

    /// Follows the roster and the list beside the photos, until `stop`.
    pub(super) async fn watch(self, mut events: broadcast::Receiver<Event>, stop: CancellationToken) {
        // Before the first synchronisation it is not known which photos cannot be fetched.
        let mut synced = !self.mirrored;
        // Of its own, so that a busy door's events do not put it off.
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = events.recv() => Some(event),
                _ = looks.tick() => None,
                () = stop.cancelled() => return,
            };
            match event {
                None => {
                    let students = Arc::clone(&self.students);
                    drop(tokio::task::spawn_blocking(move || students.look(false)).await);
                }
                Some(Ok(Event::PhotosSynced { .. })) => {
                    synced = true;
                    let office = self.clone();
                    drop(tokio::task::spawn_blocking(move || office.follow_students(true)).await);
                }
                // Among those that were missed may be a roster.
                Some(Ok(Event::RosterReady { .. }) | Err(broadcast::error::RecvError::Lagged(_))) => {
                    tokio::time::sleep(ROSTER_TIME).await;
                    let office = self.clone();
                    drop(tokio::task::spawn_blocking(move || office.follow(synced)).await);
                }
                Some(Err(broadcast::error::RecvError::Closed)) => return,
                Some(_) => {}
            }
        }
    }

    /// Lets go what belongs to students and photos that are gone.
    fn follow(&self, synced: bool) {
        let report = self.report.load_full();
        self.students.follow(&report);
        self.follow_students(synced);
        if synced && !report.photos.is_empty() {
            let photos = refused_photos(&report, &self.missing.load());
            self.known_photos.retain(|known| photos.iter().any(|photo| photo.photo == known));
        }
    }

    /// Deletes the pictures of who was removed since they were taken at the door. A mirror holds what the
    /// server has, once a synchronisation has said so; before that, files may be missing for another reason.
    fn follow_students(&self, synced: bool) {
        if self.door_pictures.is_empty() || self.mirrored && !synced {
            return;
        }
        if let Some(listed) = if self.mirrored { self.mirrored_students() } else { self.own_students() } {
            self.door_pictures.follow(&listed);
        }
    }

    /// Who is on the photo server, with photos that could be had or not; none where that is not known.
    fn mirrored_students(&self) -> Option<BTreeSet<RollNumber>> {
        let photos = Photos {
            layout: Layout::Roll,
            roll_numbers: RollPattern::Identifier,
            max_photos: usize::MAX,
            ..Photos::default()
        };
        let listing = scan(&self.photos, &photos).ok().filter(|listing| listing.unreadable.is_empty())?;
        let missing = self.missing.load();
        // A class or a year may stand before the roll number there.
        let missing = missing.iter().flat_map(|failure| failure.photo.split('/'));
        let missing = missing.filter_map(|part| RollNumber::parse(part).ok());
        Some(listing.photos.into_iter().map(|photo| photo.roll).chain(missing).collect())
    }

    /// Who has photos in the site's own folder, as the roster knows it; none while there is no photo at all:
    /// the folder may be away.
    fn own_students(&self) -> Option<BTreeSet<RollNumber>> {
        let report = self.report.load();
        let photos = report.photos.iter().filter(|photo| below_the_door(&photo.photo).is_none());
        let listed: BTreeSet<RollNumber> = photos.map(|photo| photo.roll.clone()).collect();
        (!listed.is_empty()).then_some(listed)
    }

    /// Takes an uploaded students' list.
    pub(super) fn take_students(&self, file: bytes::Bytes, by: String) -> Pending<Result<Done, Refused>> {
        let (students, report) = (Arc::clone(&self.students), self.report.load_full());
        on_disk(move || {
            let list = students.take(&file, &by)?;
            // A student who has photos now goes with them later.
            students.follow(&report);
            let left_out = match list.left_out_count {
                0 => String::new(),
                1 => "; 1 line was left out".to_owned(),
                lines => format!("; {lines} lines were left out"),
            };
            let message = format!("The list has {} students{left_out}", list.students.len());
            Ok(Done { message, output: list.left_out.join("\n") })
        })
    }

    /// Removes the uploaded students' list.
    pub(super) fn remove_students(&self) -> Pending<Result<Done, Refused>> {
        let students = Arc::clone(&self.students);
        on_disk(move || {
            students.remove()?;
            Ok(Done { message: "The uploaded list is removed".to_owned(), output: String::new() })
        })
    }

    /// Accepts the problem of a photo.
    pub(super) fn accept_photo(&self, photo: String, by: String) -> Pending<Result<Done, Refused>> {
        let (known, report, missing) =
            (Arc::clone(&self.known_photos), self.report.load_full(), self.missing.load_full());
        on_disk(move || {
            let photos = refused_photos(&report, &missing);
            let Some(found) = photos.iter().find(|refused| refused.photo == photo) else {
                return Err(Fault::new("this photo has no problem any more").advise("look at the list again"));
            };
            known.accept(&photo, &found.reason, &by)?;
            Ok(Done {
                message: format!("{photo} is known, and not an alarm any more"),
                output: String::new(),
            })
        })
    }

    /// Takes that back.
    pub(super) fn watch_photo(&self, photo: String) -> Pending<Result<Done, Refused>> {
        let known = Arc::clone(&self.known_photos);
        on_disk(move || {
            known.take_back(&photo)?;
            Ok(Done { message: format!("{photo} is on the list again"), output: String::new() })
        })
    }
}

/// Does what touches the disk, away from the workers' threads.
fn on_disk(work: impl FnOnce() -> Result<Done, Fault> + Send + 'static) -> Pending<Result<Done, Refused>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        let done =
            done.unwrap_or_else(|_| Err(Fault::new("something unexpected happened; the log says more")));
        done.map_err(|fault| Refused { message: fault.to_string(), details: String::new() })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::event::Bus;
    use base::identity::RollNumber;

    #[tokio::test(start_paused = true)]
    async fn a_list_beside_the_photos_is_read_at_a_busy_door_too() {
        let (data, photos) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = Names::default();
        let office = Office::below(data.path(), photos.path(), names.clone());
        let (bus, stop) = (Bus::default(), CancellationToken::new());
        let watching = tokio::spawn(office.watch(bus.subscribe(), stop.clone()));
        tokio::time::sleep(LOOK / 4).await;
        std::fs::write(photos.path().join("students.csv"), "roll,name\n7,Asha\n").unwrap();
        for _ in 0..8 {
            tokio::time::sleep(LOOK / 4).await;
            bus.publish(Event::Delivered { created: 1, duplicates: 0, refused: 0, backlog: 0 });
        }
        assert_eq!(names.of(&RollNumber::parse("7").unwrap()).as_deref(), Some("Asha"));
        stop.cancel();
        watching.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn pictures_of_the_door_go_when_a_synchronisation_says_that_their_student_is_gone() {
        let (data, photos) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let office = Office { mirrored: true, ..Office::below(data.path(), photos.path(), Names::default()) };
        let (bus, stop) = (Bus::default(), CancellationToken::new());
        let rolls = ["7", "8", "9"].map(|text| RollNumber::parse(text).unwrap());
        for roll in &rolls {
            office.door_pictures.keep(roll, &["1".into()], "anna", "").unwrap();
        }
        // 7 has photos, one of 8's could not be had, and 9 is on no server.
        let seven = photos.path().join("7");
        std::fs::create_dir(&seven).unwrap();
        std::fs::write(seven.join("a.jpg"), "a").unwrap();
        let failure = sync::Failure { photo: "8/a.jpg".to_owned(), reason: "too large".to_owned() };
        office.missing.store(Arc::new(vec![failure]));
        let watching = tokio::spawn(office.clone().watch(bus.subscribe(), stop.clone()));
        let after = async |event: Event| {
            bus.publish(event);
            tokio::time::sleep(4 * ROSTER_TIME).await;
            let has = |roll: &RollNumber| office.door_pictures.of(roll).is_some();
            [has(&rolls[0]), has(&rolls[1]), has(&rolls[2])]
        };
        let synced = || Event::PhotosSynced { new: 0, updated: 0, unchanged: 0, removed: 0, failed: 0 };
        assert_eq!(after(synced()).await, [true; 3]);
        std::fs::remove_dir_all(&seven).unwrap();
        let failed = Event::SyncFailed { reason: Fault::new("no connection"), retry_in_s: 5 };
        assert_eq!(after(failed).await, [true; 3], "a synchronisation that failed says nothing");
        assert_eq!(after(synced()).await, [false, true, true]);
        office.missing.store(Arc::default());
        assert_eq!(after(synced()).await, [false, false, true], "who was never listed keeps them");
        stop.cancel();
        watching.await.unwrap();
    }
}
