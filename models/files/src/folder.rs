//! The folder of converted weight files: names and bounded reads.
//!
//! It holds `<role>.safetensors` and nothing else that matters: what each must be is part of the program, in
//! `models.lock`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::lock::{Hashed, Pin};
use crate::{Role, Sha256};

/// What lies in the folder under a role's name.
#[derive(Debug)]
pub enum Found {
    /// The pinned file.
    Pinned(Vec<u8>),
    /// Nothing.
    Nothing,
    /// Another file: of another version, or damaged.
    Other,
}

/// Where the converted file of `role` lies.
pub fn path(dir: &Path, role: Role) -> PathBuf {
    dir.join(name(role))
}

/// Name of the converted file of `role`.
pub fn name(role: Role) -> String {
    format!("{role}.safetensors")
}

/// Whether the folder has a file of the pinned size for `pin`. Does not read it.
pub fn seems_pinned(dir: &Path, pin: &Pin) -> io::Result<bool> {
    match fs::metadata(path(dir, pin.role)) {
        Ok(metadata) => Ok(metadata.len() == pin.converted.bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads the file of `pin` and checks its hash.
pub fn read(dir: &Path, pin: &Pin) -> io::Result<Found> {
    let Hashed { sha256, bytes } = pin.converted;
    match File::open(path(dir, pin.role)) {
        // Reading what cannot be right would only cost time and memory.
        Ok(file) if file.metadata()?.len() != bytes => Ok(Found::Other),
        Ok(file) => {
            let contents = read_to_limit(file, bytes)?;
            Ok(if Sha256::of(&contents) == sha256 { Found::Pinned(contents) } else { Found::Other })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// Reads a whole file, but never more than `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_to_limit(File::open(path)?, limit)
}

fn read_to_limit(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(limit) as usize);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}
