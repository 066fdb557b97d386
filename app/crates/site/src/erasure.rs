//! Students who were erased: known by keyed hashes of their roll numbers alone.
//!
//! The list is kept in the file `erasures/list.json` of the data folder. It says that somebody was erased,
//! when, and who asked for it; not whom. A hash with its key tells of a roll number that somebody has
//! whether it is meant, and nothing else. So the next synchronisation and the next students' list do not
//! bring the student back, until a person lifts the erasure.
//!
//! Each hash has its key beside it, so that it still holds after another `mqtt.site_key`. At doors of one
//! school the first key follows from the site key: the hash is the one that stands for the student in
//! messages ([`crate::message`]), and each door finds out whom it means.

pub(crate) mod entry;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::durable;
use base::durable::{Access, replace_for};
use base::erasure::Erased;
use base::failure::Fault;
use base::identity::RollNumber;

use self::entry::{Entry, Kept, Mark, bytes, drawn, written};
pub use self::entry::{Erasure, Id, Told, join};
use crate::book::{Device, Student};
use crate::keys::Keys;

/// Most erasures kept.
pub const MOST: usize = 2_000;

/// The erasures that this device knows.
#[derive(Debug)]
pub struct Erasures {
    path: PathBuf,
    /// The key of the school, where there is one.
    site: Option<[u8; 32]>,
    state: Mutex<Kept>,
    /// Why the file cannot be used.
    damaged: Option<Fault>,
    version: AtomicU64,
}

impl Erasures {
    /// Those of the data folder. `site`: the keys that the doors of the school share. Writes nothing.
    pub fn below(data_dir: &Path, site: Option<&Keys>) -> Self {
        let path = data_dir.join("erasures/list.json");
        let read = durable::read(&path).map_err(|error| error.to_string());
        let kept = read.and_then(|bytes| match bytes {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            None => Ok(Kept::default()),
        });
        let damaged = kept.as_ref().err().map(|error| {
            Fault::new(format!(
                "the list of erased students, {}, cannot be read ({error}); their photos may come back",
                path.display()
            ))
            .advise("replace the card if it fails; then remove that file, and erase them again")
        });
        if let Some(fault) = &damaged {
            log::error!("{fault}");
        }
        let (site, state) = (site.map(Keys::of_rolls), Mutex::new(kept.unwrap_or_default()));
        Self { path, site, state, damaged, version: AtomicU64::new(1) }
    }

    /// The students of the erasures that are in force, for code that must not bring them back. Follows every
    /// change.
    pub fn erased(self: &Arc<Self>) -> Erased {
        let all = Arc::clone(self);
        Erased::new(move |roll| all.is_erased(roll))
    }

    /// Whether a student is erased.
    pub fn is_erased(&self, roll: &RollNumber) -> bool {
        self.state().erasures.iter().any(|entry| entry.asked && !entry.lifted && entry.is_of(roll))
    }

    /// Whom the erasures mean whose data are still on this device; none where nothing is to be done.
    pub fn to_do(&self) -> Option<Erased> {
        let open: Vec<Entry> =
            self.state().erasures.iter().filter(|entry| entry.is_open()).cloned().collect();
        (!open.is_empty()).then(|| Erased::new(move |roll| open.iter().any(|entry| entry.is_of(roll))))
    }

    /// Notes that a student is to be erased, on the disk. Gives the number of the erasure: the one that there
    /// is already, where there is one; it is done again then.
    ///
    /// # Errors
    /// Too many, or it cannot be kept.
    pub fn ask(&self, roll: &RollNumber, by: &str, at: i64) -> Result<Id, Fault> {
        self.change(|kept| {
            let in_force = |entry: &&mut Entry| entry.asked && !entry.lifted && entry.is_of(roll);
            if let Some(entry) = kept.erasures.iter_mut().find(in_force) {
                entry.done = false;
                // So that the other doors of a school hear of it that has a site key since.
                if let Some(mark) = self.site.as_ref().map(|key| Mark::of(key, roll))
                    && !entry.marks.contains(&mark)
                {
                    entry.marks.push(mark);
                }
                return entry.number();
            }
            if kept.erasures.len() >= MOST {
                return Err(Fault::new(format!("{MOST} erasures are kept already"))
                    .advise("flash the card again: everything on it is gone then"));
            }
            let device_key = match bytes(&kept.device_key) {
                Some(key) => key,
                None => drawn::<32>()?,
            };
            kept.device_key = written(&device_key);
            let id = Device(drawn()?);
            let keys = self.site.iter().chain([&device_key]);
            let marks = keys.map(|key| Mark::of(key, roll)).collect();
            let by = by.to_owned();
            kept.erasures.push(Entry {
                id: id.to_string(),
                at,
                by,
                marks,
                asked: true,
                done: false,
                lifted: false,
            });
            Ok(id)
        })
    }

    /// Lifts an erasure: the student may be enrolled again. What was removed does not come back by it.
    ///
    /// # Errors
    /// There is no such erasure in force, or it cannot be kept.
    pub fn lift(&self, id: &str) -> Result<(), Fault> {
        self.change(|kept| {
            let in_force = |entry: &&mut Entry| entry.id == id && entry.asked && !entry.lifted;
            let Some(entry) = kept.erasures.iter_mut().find(in_force) else {
                return Err(Fault::new("there is no such erasure in force").advise("look at the list again"));
            };
            entry.lifted = true;
            Ok(())
        })
    }

    /// Everything on this device is removed of those whom [`to_do`](Self::to_do) meant.
    ///
    /// # Errors
    /// It cannot be kept: then it is done again at the next start.
    pub fn finish(&self) -> Result<(), Fault> {
        self.change(|kept| {
            kept.erasures.iter_mut().for_each(|entry| entry.done = true);
            Ok(())
        })
    }

    /// Takes in what another door has told. Gives whether there is something to be removed here now.
    ///
    /// # Errors
    /// It cannot be kept: it comes again with the next session.
    pub fn take(&self, told: &Told) -> Result<bool, Fault> {
        let Some(site) = self.site else { return Ok(false) };
        let id = told.id.to_string();
        let is_news = |kept: &Kept| {
            let known = kept.erasures.iter().find(|entry| entry.id == id);
            known.is_none_or(|entry| if told.lifted { !entry.lifted } else { !entry.asked })
        };
        if !is_news(&self.state()) {
            return Ok(false);
        }
        self.change(|kept| {
            let found = kept.erasures.iter().position(|entry| entry.id == id);
            if found.is_none() && kept.erasures.len() >= MOST {
                return Err(Fault::new(format!("{MOST} erasures are kept already; another one is not done"))
                    .advise("flash the card again: everything on it is gone then"));
            }
            let at = found.unwrap_or_else(|| {
                let marks = vec![Mark { key: written(&site), hash: told.student.to_string() }];
                let (by, id) = (String::new(), id.clone());
                // Only lifted, as far as is known: nothing to be done.
                let entry = Entry { id, at: told.at, by, marks, asked: false, done: true, lifted: false };
                kept.erasures.push(entry);
                kept.erasures.len() - 1
            });
            let entry = &mut kept.erasures[at];
            if told.lifted {
                entry.lifted = true;
            } else {
                (entry.asked, entry.done) = (true, false);
            }
            Ok(!entry.done)
        })
    }

    /// All of them, newest first.
    pub fn list(&self) -> Vec<Erasure> {
        let kept = self.state();
        let shown = kept.erasures.iter().filter(|entry| entry.asked).filter_map(|entry| {
            let (at, by) = (entry.at, entry.by.clone());
            Some(Erasure { id: entry.number().ok()?, at, by, done: entry.done, lifted: entry.lifted })
        });
        let mut list: Vec<Erasure> = shown.collect();
        list.sort_by_key(|erasure| std::cmp::Reverse(erasure.at));
        list
    }

    /// What the other doors have to be told: those whose hash is made with the present key of the school.
    pub fn told(&self) -> Vec<Told> {
        let Some(key) = self.site.map(|site| written(&site)) else { return Vec::new() };
        let kept = self.state();
        let of_site = kept.erasures.iter().filter_map(|entry| {
            let mark = entry.marks.iter().find(|mark| mark.key == key)?;
            let (id, student) = (entry.number().ok()?, Student::parse(&mark.hash)?);
            Some((entry, Told { id, student, at: entry.at, lifted: false }))
        });
        let both = of_site.flat_map(|(entry, told)| {
            let lifted = Told { lifted: true, ..told };
            [entry.asked.then_some(told), entry.lifted.then_some(lifted)]
        });
        both.flatten().collect()
    }

    /// Whether the student behind a hash of messages is erased.
    pub fn holds(&self, student: Student) -> bool {
        let Some(key) = self.site.map(|site| written(&site)) else { return false };
        let hash = student.to_string();
        let of = |entry: &&Entry| entry.marks.iter().any(|mark| mark.key == key && mark.hash == hash);
        self.state().erasures.iter().filter(|entry| entry.asked && !entry.lifted).any(|entry| of(&entry))
    }

    /// Differs from the last answer whenever the list has changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Why the list cannot be used; none while it can.
    pub fn fault(&self) -> Option<&Fault> {
        self.damaged.as_ref()
    }

    /// Changes the list: on the disk first.
    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> Result<T, Fault>) -> Result<T, Fault> {
        if let Some(fault) = &self.damaged {
            return Err(fault.clone());
        }
        let mut state = self.state();
        let mut new = state.clone();
        let answer = change(&mut new)?;
        if new != *state {
            let bytes = serde_json::to_vec(&new).map_err(std::io::Error::from);
            bytes.and_then(|bytes| replace_for(Access::Owner, &self.path, &bytes)).map_err(|error| {
                Fault::new(format!("the list of erased students cannot be kept: {error}"))
                    .advise("free space on the card, then try again")
            })?;
            *state = new;
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        Ok(answer)
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "erasure_tests.rs"]
mod tests;
