//! The students' list that is in use: an uploaded one, or the file beside the photos.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use base::durable::{Access, replace_for};
use base::erasure::Erased;
use base::failure::{Diagnosis as _, Fault};
use base::identity::RollNumber;
use door::names::Names;
use office::students::{List, ListError, Listed, MOST_BYTES, parse, without};
use recognition::roster::Report;
use recognition::roster::places::below_the_door;

/// The list's name beside the photos.
const BESIDE_PHOTOS: &str = "students.csv";

/// The list, shared by the page and the screen at the door.
pub struct Students {
    uploaded: PathBuf,
    beside: PathBuf,
    names: Names,
    erased: Erased,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    list: List,
    from: Option<From>,
    problem: Option<Fault>,
    beside_version: Option<(u64, i64, i64)>,
}

/// Where the list in use comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Somebody uploaded it.
    Upload {
        /// Who.
        by: String,
    },
    /// It lies beside the photos.
    Photos,
}

/// The uploaded list as it is kept.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    by: String,
    students: Vec<Listed>,
    /// Students that had photos when the roster was last made. One that has none any more was removed, and is
    /// removed here, too.
    #[serde(default)]
    with_photos: BTreeSet<RollNumber>,
}

impl Students {
    /// The list of the data folder, or beside the photos in `photos`. Names go to `names`, for the screen.
    pub fn new(data_dir: &Path, photos: &Path, names: Names) -> Self {
        Self::without(data_dir, photos, names, Erased::default())
    }

    /// The same, without the students who were erased.
    pub fn without(data_dir: &Path, photos: &Path, names: Names, erased: Erased) -> Self {
        let students = Self {
            erased,
            uploaded: data_dir.join("office/students.json"),
            beside: photos.join(BESIDE_PHOTOS),
            names,
            state: Mutex::default(),
        };
        students.look(true);
        students
    }

    /// The list, and where it comes from.
    pub fn list(&self) -> (List, Option<From>, Option<Fault>) {
        let state = self.state();
        (state.list.clone(), state.from.clone(), state.problem.clone())
    }

    /// Takes a list that somebody uploads in place of the one in use.
    ///
    /// # Errors
    /// It is none, or it cannot be kept: what is wrong and what to do.
    pub fn take(&self, bytes: &[u8], by: &str) -> Result<List, Fault> {
        let list = self.admitted(parse(bytes).map_err(|error: ListError| error.fault())?);
        let kept = Kept {
            by: by.to_owned(),
            students: list.students.values().cloned().collect(),
            ..Kept::default()
        };
        self.keep(&kept).map_err(|error| not_kept(&error))?;
        self.look(true);
        Ok(list)
    }

    /// The list without the students who were erased.
    fn admitted(&self, mut list: List) -> List {
        let before = list.students.len();
        list.students.retain(|roll, _| !self.erased.holds(roll));
        let erased = before - list.students.len();
        if erased > 0 {
            list.left_out_count += erased;
            list.left_out.push(format!(
                "{erased} of the list were erased earlier and do not come back; lift the erasure first"
            ));
        }
        list
    }

    /// Removes the uploaded list; the one beside the photos counts again, where there is one.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn remove(&self) -> Result<(), Fault> {
        match std::fs::remove_file(&self.uploaded) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(not_kept(&error)),
            _ => {}
        }
        self.look(true);
        Ok(())
    }

    /// Removes one student from the uploaded list.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn forget(&self, roll: &RollNumber) -> Result<(), Fault> {
        let Some(mut kept) = self.kept() else { return Ok(()) };
        let before = kept.students.len();
        kept.students.retain(|student| student.roll != *roll);
        kept.with_photos.remove(roll);
        if kept.students.len() < before {
            self.keep(&kept).map_err(|error| not_kept(&error))?;
            self.look(true);
        }
        Ok(())
    }

    /// Removes from the uploaded list who had photos and has none any more: they were removed on the server.
    /// A roster without any photo says nothing: the folder may be away.
    pub fn follow(&self, report: &Report) {
        // Pictures taken at the door come and go by the office's will, not with the server's list.
        let photos = report.photos.iter().filter(|photo| below_the_door(&photo.photo).is_none());
        let now: BTreeSet<RollNumber> = photos.map(|photo| photo.roll.clone()).collect();
        let Some(mut kept) = self.kept().filter(|_| !now.is_empty()) else { return };
        let gone: BTreeSet<_> = kept.with_photos.difference(&now).cloned().collect();
        let listed: BTreeSet<_> = kept.students.iter().map(|student| student.roll.clone()).collect();
        let with_photos: BTreeSet<_> = now.intersection(&listed).cloned().collect();
        if gone.is_empty() && with_photos == kept.with_photos {
            return;
        }
        kept.students.retain(|student| !gone.contains(&student.roll));
        kept.with_photos = with_photos;
        if let Err(error) = self.keep(&kept) {
            log::error!("the students' list cannot be kept: {error}");
        }
        if !gone.is_empty() {
            log::info!("{} students without photos any more are off the students' list", gone.len());
        }
        self.look(true);
    }

    /// Reads the list again where it changed.
    pub(super) fn look(&self, again: bool) {
        let version = std::fs::metadata(&self.beside).ok().map(|meta| {
            // Another file, or another content.
            (meta.ino(), meta.ctime(), meta.ctime_nsec())
        });
        let mut state = self.state();
        if !again && version == state.beside_version {
            return;
        }
        let before: Vec<RollNumber> = state.list.students.keys().cloned().collect();
        *state = match self.kept() {
            Some(kept) => State {
                list: List {
                    students: kept.students.into_iter().map(|s| (s.roll.clone(), s)).collect(),
                    ..List::default()
                },
                from: Some(From::Upload { by: kept.by }),
                ..State::default()
            },
            None => self.beside(version.is_some()),
        };
        state.beside_version = version;
        for roll in before.iter().filter(|roll| !state.list.students.contains_key(roll)) {
            self.names.learn(roll, "");
        }
        for student in state.list.students.values().filter(|student| !student.name.is_empty()) {
            self.names.learn(&student.roll, &student.name);
        }
    }

    /// The list beside the photos.
    fn beside(&self, is_there: bool) -> State {
        if !is_there {
            return State::default();
        }
        let from = Some(From::Photos);
        let read = bounded(&self.beside).map_err(|error| {
            Fault::new(format!("{BESIDE_PHOTOS} beside the photos cannot be read: {error}"))
                .advise("check the file's rights, and the card or stick")
        });
        match read.and_then(|bytes| parse(&bytes).map_err(|error| error.fault())) {
            Ok(list) => State { list: self.admitted(list), from, ..State::default() },
            Err(problem) => State { from, problem: Some(problem), ..State::default() },
        }
    }

    fn kept(&self) -> Option<Kept> {
        let bytes = match bounded(&self.uploaded) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                log::error!("the students' list cannot be read: {error}");
                return None;
            }
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| {
                log::error!("{} is damaged: {error}; upload the list again", self.uploaded.display())
            })
            .ok()
    }

    fn keep(&self, kept: &Kept) -> io::Result<()> {
        replace_for(Access::Owner, &self.uploaded, &serde_json::to_vec(kept)?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes students from the uploaded list, and from those beside photos in these folders.
///
/// # Errors
/// An error of the file system; the lists are then as they were.
pub fn erase(data_dir: &Path, folders: &[&Path], erased: &Erased) -> io::Result<()> {
    let uploaded = data_dir.join("office/students.json");
    if let Some(bytes) = there(&uploaded)? {
        match serde_json::from_slice::<Kept>(&bytes) {
            Ok(mut kept) => {
                let before = (kept.students.len(), kept.with_photos.len());
                kept.students.retain(|student| !erased.holds(&student.roll));
                kept.with_photos.retain(|roll| !erased.holds(roll));
                if before != (kept.students.len(), kept.with_photos.len()) {
                    replace_for(Access::Owner, &uploaded, &serde_json::to_vec(&kept)?)?;
                }
            }
            // Nobody can read it, and it may name the student.
            Err(_) => std::fs::remove_file(&uploaded)?,
        }
    }
    for beside in folders.iter().map(|folder| folder.join(BESIDE_PHOTOS)) {
        let Some(bytes) = there(&beside)? else { continue };
        if let Some(left) = without(&bytes, |roll| erased.holds(roll)) {
            replace_for(Access::ByMask, &beside, &left)?;
        }
    }
    Ok(())
}

/// A file that may not be there.
fn there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match bounded(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// A file of at most some megabytes.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    // As JSON a list takes about three times what it takes as CSV.
    let most = 4 * MOST_BYTES as u64;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other("it is too large"));
    }
    Ok(bytes)
}

fn not_kept(error: &io::Error) -> Fault {
    Fault::new(format!("the students' list cannot be kept: {error}"))
        .advise("free space on the card, then try again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use recognition::roster::{PhotoOutcome, PhotoReport};

    fn roll(text: &str) -> RollNumber {
        RollNumber::parse(text).unwrap()
    }

    fn roster(rolls: &[&str]) -> Report {
        let photos = rolls.iter().map(|text| PhotoReport {
            photo: format!("{text}/a.jpg"),
            roll: roll(text),
            content: None,
            outcome: PhotoOutcome::Refused { reason: "no face".to_owned() },
        });
        Report { photos: photos.collect(), ..Report::default() }
    }

    fn rolls(students: &Students) -> Vec<String> {
        students.list().0.students.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn an_uploaded_list_counts_before_the_one_beside_the_photos_and_outlives_a_restart() {
        let (data, photos) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(photos.path().join(BESIDE_PHOTOS), "roll,name\n7,Beside\n").unwrap();
        let names = Names::default();
        let open = || Students::new(data.path(), photos.path(), names.clone());
        let students = open();
        assert_eq!((rolls(&students), students.list().1), (vec!["7".to_owned()], Some(From::Photos)));
        assert_eq!(names.of(&roll("7")).as_deref(), Some("Beside"));
        students.take(b"name;roll\nAsha;8\n", "anna (office)").unwrap();
        let by = "anna (office)".to_owned();
        assert_eq!((rolls(&open()), open().list().1), (vec!["8".to_owned()], Some(From::Upload { by })));
        assert_eq!((names.of(&roll("7")), names.of(&roll("8")).as_deref()), (None, Some("Asha")));
        assert!(students.take(b"nonsense", "anna").unwrap_err().advice.unwrap().contains("roll,name,class"));
        assert_eq!(rolls(&students), ["8"], "the list in use stays");
        students.remove().unwrap();
        assert_eq!(rolls(&students), ["7"]);
    }

    #[test]
    fn who_is_removed_on_the_server_goes_from_the_list_and_who_never_had_a_photo_stays() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::default();
        let students = Students::new(folder.path(), folder.path(), names.clone());
        students.take(b"roll,name\n7,Asha\n8,Ben\n9,Cem\n", "anna").unwrap();
        students.follow(&roster(&["7", "8"]));
        students.follow(&Report::default());
        assert_eq!(rolls(&students), ["7", "8", "9"], "no photo at all is not a removal");
        students.follow(&roster(&["8"]));
        assert_eq!(rolls(&students), ["8", "9"]);
        assert_eq!(names.of(&roll("7")), None);
        assert!(
            !std::fs::read_to_string(folder.path().join("office/students.json")).unwrap().contains("Asha")
        );
        students.forget(&roll("9")).unwrap();
        assert_eq!(rolls(&students), ["8"]);
    }

    #[test]
    fn a_file_beside_the_photos_that_is_no_list_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(BESIDE_PHOTOS), "1,2,3\n").unwrap();
        let students = Students::new(folder.path(), folder.path(), Names::default());
        assert!(students.list().2.unwrap().what.contains("roll numbers"));
        std::fs::write(folder.path().join(BESIDE_PHOTOS), "roll\n1\n").unwrap();
        students.look(false);
        assert_eq!((rolls(&students), students.list().2), (vec!["1".to_owned()], None));
    }
}
