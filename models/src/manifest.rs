//! `manifest.json` of a model folder: what was converted from what, and the hash that each file must have.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::convert::CONVERTER_VERSION;
use crate::lock::Pin;
use crate::{Role, Sha256};

/// Name of the manifest in its folder.
pub(crate) const FILE_NAME: &str = "manifest.json";

/// How unfinished files begin; whoever holds the folder's lock may remove them.
pub(crate) const PART_PREFIX: &str = ".part-";

/// Largest manifest that is read: a dozen entries have some 3 KB.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Largest converted file that is read; see [`crate::convert::MAX_TENSOR_BYTES`].
const MAX_MODEL_BYTES: u64 = 160 << 20;

/// Contents of a model folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// One entry a converted file.
    pub(crate) models: BTreeMap<Role, Entry>,
}

/// One converted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Hash of the converted file.
    pub(crate) sha256: Sha256,
    /// Size of the converted file.
    pub(crate) bytes: u64,
    /// Hash of the published file it was made from.
    pub(crate) source_sha256: Sha256,
    /// Version of the converter that made it.
    pub(crate) converter: u32,
}

impl Manifest {
    /// Reads the manifest of `dir`; an absent one is an empty one.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FILE_NAME);
        match read_bounded(&path, MAX_MANIFEST_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the manifest to `dir`.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_atomically(dir, FILE_NAME, &text)
    }
}

impl Entry {
    /// Whether this build would make the same file from the same source.
    pub(crate) fn is_current(&self, pin: &Pin) -> bool {
        self.source_sha256 == pin.sha256 && self.converter == CONVERTER_VERSION
    }

    /// Reads the file of `role` and checks it; `None` if it is not what the manifest says.
    pub(crate) fn read_verified(&self, dir: &Path, role: Role) -> io::Result<Option<Vec<u8>>> {
        let bytes = read_bounded(&file_path(dir, role), MAX_MODEL_BYTES)?;
        Ok((bytes.len() as u64 == self.bytes && Sha256::of(&bytes) == self.sha256).then_some(bytes))
    }
}

/// Where the converted file of `role` lies.
pub(crate) fn file_path(dir: &Path, role: Role) -> PathBuf {
    dir.join(file_name(role))
}

/// Name of the converted file of `role`.
pub(crate) fn file_name(role: Role) -> String {
    format!("{role}.safetensors")
}

/// Reads a whole file, but never more than `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(limit) as usize);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Replaces `dir/name` in one step: after a power cut it is the old file or the new one, never a part of either.
pub(crate) fn write_atomically(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut part = tempfile::Builder::new()
        .prefix(PART_PREFIX)
        // The appliance runs as another user than whoever fetched.
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(dir.join(name)).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}
