//! Factory reset: everything on the data partition is erased, and the device starts as freshly flashed.
//!
//! # By accident, never
//! A person types words that name the device, and the number of rows that nobody else has, if there are any.
//! On the page a technician types them; on the card they are the one line of `factory-reset.txt`.
//!
//! # How
//! Whoever took the words writes a request into the data folder. `attendance-reset.service` takes it as root,
//! leaves a mark at the top of the data partition, and restarts the machine. The initramfs finds the mark and
//! creates the file system again (`forget` in `data.sh`): nothing runs then, and a power cut at any moment
//! leaves the mark, or a fresh card.

pub mod card;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use base::durable::{Access, replace_for};
use base::failure::Fault;

/// What request and mark say.
const WORDS: &str = "ERASE EVERYTHING\n";

/// Where the words go; on the appliance the defaults.
#[derive(Debug, Clone)]
pub struct Places {
    /// What the initramfs looks for, at the top of the data partition.
    pub mark: PathBuf,
    /// There when an initramfs of ours started this machine.
    pub started: PathBuf,
    /// There when this start runs on memory.
    pub memory: PathBuf,
    /// The device's name.
    pub name: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            mark: "/data/factory-reset".into(),
            started: "/run/attendance-boot/slot".into(),
            memory: view::on_memory::PATH.into(),
            name: "/etc/hostname".into(),
        }
    }
}

impl Places {
    /// The device's name, where a factory reset is possible.
    ///
    /// # Errors
    /// Why it is not.
    pub fn device(&self) -> Result<String, Fault> {
        if !self.started.exists() {
            return Err(Fault::new("a factory reset is possible on the appliance's own image only")
                .advise("here, stop the program and remove its data folder"));
        }
        if self.memory.exists() {
            return Err(Fault::new("this start runs on memory: nothing on the card can be erased")
                .advise("replace the card; its data can be read by whoever has it"));
        }
        let name = std::fs::read_to_string(&self.name).unwrap_or_default();
        match name.trim() {
            "" => Err(Fault::new("this device has no name").advise("restart it")),
            name => Ok(name.to_owned()),
        }
    }
}

/// The words that a person types, for a device of this name with so many rows that nobody else has.
pub fn words(device: &str, rows: usize) -> String {
    match rows {
        0 => format!("ERASE {device}"),
        rows => format!("ERASE {device} AND {rows} ROWS"),
    }
}

/// Whether the right words were typed.
///
/// # Errors
/// Names the rows that would be lost, and the words.
pub fn check(typed: &str, device: &str, rows: usize) -> Result<(), Fault> {
    let words = words(device, rows);
    if typed.split_ascii_whitespace().eq(words.split(' ')) {
        return Ok(());
    }
    Err(match rows {
        0 => Fault::new("these are not the words for a factory reset")
            .advise(format!("to erase everything, type: {words}")),
        rows => Fault::new(format!("{rows} rows are on this device only, and a factory reset erases them"))
            .advise(format!("let them be delivered first; or, to erase everything with them, type: {words}")),
    })
}

/// Where the request lies in a data folder.
pub fn request(data_dir: &Path) -> PathBuf {
    data_dir.join("factory-reset")
}

/// Asks for the reset. The machine restarts within seconds.
///
/// # Errors
/// An error of the file system; nothing is erased then.
pub fn ask(data_dir: &Path) -> io::Result<()> {
    replace_for(Access::Owner, &request(data_dir), WORDS.as_bytes())
}

/// As root: takes the request and leaves the mark for the initramfs. Whether there was one.
///
/// # Errors
/// An error of the file system; nothing is erased then.
pub fn carry_out(data_dir: &Path, mark: &Path) -> io::Result<bool> {
    let request = request(data_dir);
    // The folder belongs to the service: a link is not followed.
    let file =
        OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&request);
    let mut text = String::new();
    let read = file.and_then(|file| file.take(64).read_to_string(&mut text));
    // Whatever it is, it is not looked at again.
    match std::fs::remove_file(&request) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
        Ok(()) => File::open(data_dir)?.sync_all()?,
    }
    read?;
    if text != WORDS {
        return Ok(false);
    }
    replace_for(Access::Owner, mark, WORDS.as_bytes())?;
    Ok(true)
}
