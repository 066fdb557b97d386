//! The folder `words` of the card: recorded words that the door plays after its tones (`sound.words`).
//!
//! Each file takes the place of the one before it, an empty one removes it. They hold no secret; they leave
//! the card like the other files, so that it shows what is left to do.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use base::durable;
use base::failure::Diagnosis as _;
use door::recordings::{MAX_BYTES, Recording, RecordingError};

use super::{ImportedFile, Places};

/// The folder's name on the card.
const FOLDER: &str = "words";
/// Most file names that are reported because no recording has that name.
const MOST_NAMES: usize = 5;

/// Takes over the good ones; none where there is no such folder. `stays`: nothing is removed from the card.
pub(super) fn import(places: &Places, stays: bool) -> Vec<ImportedFile> {
    let folder = places.card.join(FOLDER);
    if !folder.is_dir() {
        return Vec::new();
    }
    let mut outcomes = Vec::new();
    for recording in Recording::ALL {
        let path = folder.join(recording.file());
        if !path.is_file() {
            continue;
        }
        let name = format!("{FOLDER}/{}", recording.file());
        let wrong = take(places, recording, &path, stays).err();
        match &wrong {
            None => log::info!("{name} was taken over from the card"),
            Some(wrong) => log::warn!("{name} on the card: {wrong}"),
        }
        outcomes.push(ImportedFile {
            name: name.into(),
            stays: stays && wrong.is_none(),
            wrong,
            remark: None,
        });
    }
    if let Some(wrong) = others(&folder) {
        log::warn!("{FOLDER} on the card: {wrong}");
        outcomes.push(ImportedFile { name: FOLDER.into(), wrong: Some(wrong), stays: false, remark: None });
    }
    // It stays while anything is in it.
    let _ = std::fs::remove_dir(&folder);
    outcomes
}

fn take(places: &Places, recording: Recording, path: &Path, stays: bool) -> Result<(), String> {
    let bytes = read(path).map_err(|error| RecordingError::from(error).fault().to_string())?;
    let kept = places.words.join(recording.file());
    if bytes.is_empty() {
        match std::fs::remove_file(&kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("the recording before it cannot be removed: {error}"));
            }
            _ => {}
        }
    } else {
        recording.parse(&bytes).map_err(|error| error.fault().to_string())?;
        keep(&places.words, &kept, &bytes).map_err(|error| format!("cannot be kept: {error}"))?;
    }
    if stays {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| {
        format!("was taken over, but cannot be removed from the card ({error}); remove it by hand")
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// For everybody to read, whatever the mask: the service is another account.
fn keep(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    durable::replace(path, bytes)
}

/// What is said of files whose names no recording has. Names with a dot are left by computers.
fn others(folder: &Path) -> Option<String> {
    let known =
        |name: &str| Recording::ALL.iter().any(|recording| recording.file().eq_ignore_ascii_case(name));
    let names = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut names: Vec<String> = names
        .map(|entry| {
            entry.file_name().to_string_lossy().chars().filter(|c| !c.is_control()).take(40).collect()
        })
        .filter(|name: &String| !name.starts_with('.') && !known(name))
        .take(MOST_NAMES)
        .collect();
    names.sort();
    if names.is_empty() {
        return None;
    }
    let known: Vec<_> = Recording::ALL.iter().map(|recording| recording.file()).collect();
    Some(format!("no recording is called {}; the names are {}", names.join(", "), known.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::*;

    fn wav(samples: u32) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        (0..samples).for_each(|_| writer.write_sample(7_i16).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn card(folder: &Path, files: &[(&str, &[u8])]) -> (Places, PathBuf) {
        let places = Places::below(folder);
        let words = places.card.join(FOLDER);
        std::fs::create_dir_all(&words).unwrap();
        for (name, bytes) in files {
            std::fs::write(words.join(name), bytes).unwrap();
        }
        (places, words)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn recordings_are_taken_over_where_the_service_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let (places, words) = card(folder.path(), &[("in.wav", &wav(100)), ("look-up.wav", &wav(200))]);
        let outcomes = import(&places, false);
        assert!(outcomes.len() == 2 && outcomes.iter().all(|one| one.wrong.is_none()), "{outcomes:?}");
        assert_eq!(outcomes[0].name, "words/in.wav");
        assert_eq!(std::fs::read(places.words.join("look-up.wav")).unwrap(), wav(200));
        assert_eq!((mode(&places.words), mode(&places.words.join("in.wav"))), (0o755, 0o644));
        assert!(!words.exists(), "nothing is left to do");
        let mut recordings = door::recordings::Recordings::of(places.words);
        assert!(recordings.refresh(|| false) && recordings.samples(Recording::In).is_some());
    }

    #[test]
    fn a_wrong_recording_stays_on_the_card_and_an_empty_one_removes() {
        let folder = tempfile::tempdir().unwrap();
        let (places, words) = card(folder.path(), &[("in.wav", &wav(100)), ("out.wav", &wav(100))]);
        import(&places, false);
        card(
            folder.path(),
            &[
                ("in.wav", b""),
                ("out.wav", &wav(6 * 48_000)),
                ("turn_left.wav", &wav(100)),
                ("._in.wav", b"of a Mac"),
            ],
        );
        let outcomes = import(&places, false);
        let wrong = |index: usize| outcomes[index].wrong.clone().unwrap();
        assert!(outcomes.len() == 3 && outcomes[0].wrong.is_none(), "{outcomes:?}");
        assert!(!places.words.join("in.wav").exists() && !words.join("in.wav").exists());
        assert!(wrong(1).contains("has more than 524288 bytes; export it as WAV"), "{}", wrong(1));
        assert_eq!(std::fs::read(places.words.join("out.wav")).unwrap(), wav(100), "the one before stays");
        assert!(
            wrong(2).starts_with("no recording is called turn_left.wav; the names are in.wav,"),
            "{}",
            wrong(2)
        );
        assert!(words.join("out.wav").exists() && words.join("turn_left.wav").exists());
    }

    #[test]
    fn on_memory_the_card_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let (places, words) = card(folder.path(), &[("in.wav", &wav(100))]);
        let outcomes = import(&places, true);
        assert!(outcomes[0].stays && words.join("in.wav").exists() && places.words.join("in.wav").exists());
        assert!(import(&Places::below(&folder.path().join("another")), false).is_empty());
    }
}
