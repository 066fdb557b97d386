//! The power goes at every step.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use archive::names::SETTINGS;
use archive::place::{Carried, Folders, Place, RealFolders, carry_out};
use base::failure::Fault;

/// The power goes at the step of this number. Before it, the step may be done or not.
struct PowerCut {
    left: Cell<usize>,
    done_before: bool,
}

impl PowerCut {
    fn step(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.left.get().checked_sub(1) {
            None => Err(io::Error::other("no power")),
            Some(left) => {
                self.left.set(left);
                if left > 0 || self.done_before {
                    act()?;
                }
                if left == 0 { Err(io::Error::other("no power")) } else { Ok(()) }
            }
        }
    }
}

impl Folders for PowerCut {
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|| RealFolders.rename(from, to))
    }

    fn make(&self, path: &Path) -> io::Result<()> {
        self.step(|| RealFolders.make(path))
    }

    /// Half of it, where the power goes.
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|| {
            if self.left.get() > 0 {
                return RealFolders.remove(path);
            }
            match fs::read_dir(path).ok().and_then(|mut entries| entries.next()) {
                Some(entry) => RealFolders.remove(&entry?.path()),
                None => Ok(()),
            }
        })
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Every file of the device but those of the import.
fn state(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if name == "import" {
            } else if path.is_dir() {
                left.push(path);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

const OLD: [(&str, &str); 4] = [
    ("journal/journal-00000001.log", "old rows"),
    ("page/password", "old password"),
    ("known_faces/1/a.jpg", "old photo"),
    ("scene/learnt", "stays"),
];
const NEW: [(&str, &str); 4] = [
    ("journal/journal-00000001.log", "new rows"),
    ("journal/deliveries-00000001.log", "new deliveries"),
    ("tls/key.pem", "new key"),
    ("office/students.json", "new list"),
];

fn board() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    OLD.iter().for_each(|(path, text)| write(folder.path(), path, text));
    folder
}

fn stage(folder: &Path) -> Place {
    let place = Place::below(folder);
    let incoming = place.begin(&RealFolders).unwrap();
    NEW.iter().for_each(|(path, text)| write(&incoming, path, text));
    write(&incoming, SETTINGS, "new settings");
    place.stage(&RealFolders).unwrap();
    place
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// What lies in the import's folder.
fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("import")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Folders of which only small ones are removed while something is in them.
struct NoTime;

impl Folders for NoTime {
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        let folders = path.read_dir().into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(folders.count(), 0, "{} is removed, which may take minutes", path.display());
        RealFolders.remove(path)
    }
}

#[test]
fn a_start_removes_no_folder_of_photos() {
    for leftover in ["old", "incoming", ""] {
        let folder = board();
        let place = stage(folder.path());
        if !leftover.is_empty() {
            write(
                &folder.path().join("import").join(leftover),
                "known_faces/1/a.jpg",
                "of an earlier import",
            );
        }
        assert_eq!(carry_out(&NoTime, &place, || Ok(()), |_| Ok(())).unwrap(), Carried::Done(None));
        place.sweep(&RealFolders);
        assert!(listed(folder.path()).is_empty());
    }
}

#[test]
fn everything_is_replaced_and_nothing_of_the_old_stays() {
    let folder = board();
    let place = stage(folder.path());
    assert_eq!(state(folder.path()), expected(&OLD), "staging changes nothing");
    let settings = RefCell::new(String::from("old settings"));
    let put = |text: &str| {
        *settings.borrow_mut() = text.to_owned();
        Ok(())
    };
    assert_eq!(carry_out(&RealFolders, &place, || Ok(()), put).unwrap(), Carried::Done(None));
    let mut new = expected(&NEW);
    new.insert("scene/learnt".to_owned(), "stays".to_owned());
    assert_eq!(state(folder.path()), new);
    assert_eq!(*settings.borrow(), "new settings");
    assert_eq!(listed(folder.path()), ["gone"]);
    place.sweep(&RealFolders);
    assert!(listed(folder.path()).is_empty(), "no copy of the old data");
    assert_eq!(carry_out(&RealFolders, &place, || Ok(()), |_| Ok(())).unwrap(), Carried::Nothing);
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new_state() {
    let completed = Cell::new(false);
    let (mut old, mut new) = (0, 0);
    for cut in (1..).take_while(|_| !completed.replace(false)) {
        for done_before in [false, true] {
            let folder = board();
            let place = stage(folder.path());
            let settings = RefCell::new("old settings".to_owned());
            let put = |text: &str| {
                *settings.borrow_mut() = text.to_owned();
                Ok(())
            };
            let power = PowerCut { left: Cell::new(cut), done_before };
            let first = carry_out(&power, &place, || Ok(()), put);
            completed.set(completed.get() | first.is_ok());
            // The next start. After the decision nobody is asked again; before it, the old state is complete.
            let decided =
                folder.path().join("import/new").exists() || !folder.path().join("import/staged").exists();
            if !decided {
                old += 1;
                assert_eq!(state(folder.path()), expected(&OLD), "step {cut}");
                assert_eq!(*settings.borrow(), "old settings");
            }
            let may = || if decided { panic!("asked again") } else { Ok(()) };
            carry_out(&RealFolders, &place, may, put).unwrap();
            new += 1;
            let mut wanted = expected(&NEW);
            wanted.insert("scene/learnt".to_owned(), "stays".to_owned());
            assert_eq!(state(folder.path()), wanted, "step {cut}, done before: {done_before}");
            assert_eq!(*settings.borrow(), "new settings", "step {cut}");
            place.sweep(&RealFolders);
            assert!(listed(folder.path()).is_empty());
        }
    }
    assert!(old >= 3 && new > 20, "{old} cuts before the decision, {new} in all");
}

#[test]
fn a_power_cut_while_unpacking_changes_nothing() {
    let folder = board();
    let place = Place::below(folder.path());
    write(&place.begin(&RealFolders).unwrap(), "journal/journal-00000001.log", "half");
    assert_eq!(carry_out(&RealFolders, &place, || panic!("asked"), |_| Ok(())).unwrap(), Carried::Nothing);
    assert_eq!(state(folder.path()), expected(&OLD));
    assert!(!folder.path().join("import/incoming").exists() && !place.waits());
}

#[test]
fn an_archive_that_may_not_replace_the_data_is_given_up() {
    let folder = board();
    let place = stage(folder.path());
    let fault = Fault::new("3 rows are not delivered");
    let carried = carry_out(&RealFolders, &place, || Err(fault.clone()), |_| panic!("settings")).unwrap();
    assert_eq!(carried, Carried::GivenUp(fault));
    assert_eq!(state(folder.path()), expected(&OLD));
    assert!(!place.waits());
}

#[test]
fn settings_that_cannot_be_written_are_told_and_the_rest_goes_on() {
    let folder = board();
    let place = stage(folder.path());
    let fault = Fault::new("the folder cannot be written");
    let carried = carry_out(&RealFolders, &place, || Ok(()), |_| Err(fault.clone())).unwrap();
    assert_eq!(carried, Carried::Done(Some(fault)));
    assert_eq!(state(folder.path())["journal/journal-00000001.log"], "new rows");
}
