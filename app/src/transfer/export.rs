//! Collecting the files of this device, while it runs.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use archive::names::{FOLDERS, SETTINGS, TAKEN, most_bytes};
use archive::write::Archiver;
use archive::{About, ArchiveError, FORMAT};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use base::failure::Fault;
use base::secret::Secret;

/// What was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files of the photo folder that are not photos, and photos that lie elsewhere: not in the archive.
    pub left_out: Vec<String>,
}

/// Folders without one of whose files an archive is of no use.
const NEEDED: [&str; 5] = ["journal", "erasures", "office", "page", "tls"];
/// Most lines that say what was left out.
const MOST_LEFT_OUT: usize = 20;
/// Folders in folders, as deep as photos are looked for.
const MAX_DEPTH: usize = 12;

/// The logs of the journal in the order in which they are copied. Results of deliveries come first. So a row
/// that is delivered meanwhile still waits in the archive: it is sent again, and the backend knows it
/// already.
const LOGS: [&str; 3] = ["deliveries-", "visits-", "journal-"];

/// Writes everything that belongs to the appliance with the settings at `config` to `output`, encrypted.
///
/// # Errors
/// What is wrong and what to do; what was written until then is not an archive.
pub fn export(config: &Path, passphrase: &Secret, output: impl Write) -> Result<Exported, Fault> {
    let text = config::read(config).map_err(|error| Fault::new(error.to_string()))?;
    let (read, _) = config::examine(&text);
    let about = About {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        site: read.site.name.chars().take(200).collect(),
        made: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
    };
    let mut done = Exported::default();
    let mut archiver = Archiver::begin(output, passphrase, &about)?;
    archiver.file(SETTINGS, text.len() as u64, text.as_bytes())?;
    done.files += 1;
    for folder in FOLDERS {
        let mut files = Vec::new();
        collect(&read.site.data_dir.join(folder), folder, MAX_DEPTH, &mut files)
            .map_err(|error| unreadable(folder, error))?;
        files.sort_by_cached_key(|(name, _)| (log_order(name), name.clone()));
        for (name, path) in files {
            let Some(most) = most_bytes(&name) else {
                if folder == "known_faces" {
                    left_out(&mut done, format!("{name} is not a photo"));
                }
                continue;
            };
            let file = match File::open(&path) {
                // Pruned, or removed by a person, since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if !NEEDED.contains(&folder) => {
                    left_out(&mut done, format!("{name} cannot be read ({error})"));
                    continue;
                }
                file => file.map_err(|error| unreadable(&name, error))?,
            };
            // Whatever is appended from now on belongs to the next archive.
            let bytes = file.metadata().map_err(|error| unreadable(&name, error))?.len();
            if bytes > most {
                left_out(&mut done, format!("{name} is too large"));
                continue;
            }
            // A card that fails is what an archive is for: a photo that cannot be read keeps nothing else
            // from being saved.
            if !NEEDED.contains(&folder) {
                let mut content = Vec::new();
                match file.take(bytes).read_to_end(&mut content) {
                    Ok(_) => archiver.file(&name, content.len() as u64, &*content)?,
                    Err(error) => {
                        left_out(&mut done, format!("{name} cannot be read ({error})"));
                        continue;
                    }
                }
            } else {
                archiver.file(&name, bytes, file)?;
            }
            done.files += 1;
            done.bytes += bytes;
        }
    }
    archiver.finish()?;
    if let Some(photos) = read.photos.folder.filter(|_| read.photos.url.is_none()) {
        left_out(&mut done, format!("the photos in {} (photos.folder)", photos.display()));
    }
    Ok(done)
}

fn left_out(done: &mut Exported, what: String) {
    if done.left_out.len() < MOST_LEFT_OUT {
        done.left_out.push(what);
    }
}

fn unreadable(name: &str, error: io::Error) -> Fault {
    ArchiveError::Io { what: format!("cannot read {name}"), source: error }.into()
}

fn log_order(name: &str) -> Option<usize> {
    let log = name.strip_prefix("journal/")?;
    LOGS.iter().position(|kind| log.starts_with(kind))
}

/// The plain files below `folder`, with their names in the archive. No link is followed.
fn collect(folder: &Path, name: &str, depth: usize, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // Names that are not text, and hidden files, are nobody's photo.
        let Some(own) = entry
            .file_name()
            .to_str()
            .filter(|own| !own.starts_with('.') || *own == TAKEN)
            .map(str::to_owned)
        else {
            continue;
        };
        let (name, kind) = (format!("{name}/{own}"), entry.file_type()?);
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), &name, depth - 1, files)?;
        } else if kind.is_file() {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
