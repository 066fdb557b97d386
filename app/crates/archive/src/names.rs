//! The files that an archive may hold. Every other name refuses the whole archive.

/// The settings, below the archive's top.
pub const SETTINGS: &str = "attendance.toml";

/// Folders of the data folder that an archive holds. Each is replaced as a whole.
pub const FOLDERS: [&str; 8] =
    ["journal", "attendance", "known_faces", "enrolled_at_the_door", "erasures", "office", "page", "tls"];

/// Folders of photos, in which folders and names are the site's own.
const PHOTOS: [&str; 2] = ["known_faces", "enrolled_at_the_door"];

/// Beside the photos of a student that were taken at the door: who took them, and when.
pub const TAKEN: &str = ".taken.json";

/// Photos lie in a student's folder, which lies in a class, and so on.
const MAX_DEPTH: usize = 10;
const MAX_NAME: usize = 255;

const MB: u64 = 1 << 20;
/// As large as the journal reads them.
const LOG: u64 = 64 * MB;
const PHOTO: u64 = 32 * MB;
const SMALL: u64 = MB;

/// The extensions of photos, the same as in the code that looks for photos.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "gif", "bmp", "webp"];

/// The largest size that a file of this name may have; none for a name that no archive of ours holds.
pub fn most_bytes(path: &str) -> Option<u64> {
    if path == SETTINGS {
        return Some(SMALL);
    }
    let (folder, rest) = path.split_once('/')?;
    match folder {
        "journal" => is_log(rest).then_some(LOG),
        "attendance" => is_day(rest).then_some(LOG),
        "office" => matches!(rest, "students.json" | "known_photos.json").then_some(16 * MB),
        "erasures" => (rest == "list.json").then_some(16 * MB),
        "enrolled_at_the_door"
            if rest.split_once('/').is_some_and(|(roll, file)| is_name(roll) && file == TAKEN) =>
        {
            Some(SMALL)
        }
        "page" => matches!(rest, "password" | "accounts.json" | "tokens.json").then_some(SMALL),
        "tls" => matches!(rest, "certificate.pem" | "key.pem").then_some(SMALL),
        photos if PHOTOS.contains(&photos) => is_photo(rest).then_some(PHOTO),
        _ => None,
    }
}

fn is_log(name: &str) -> bool {
    let number = ["journal-", "deliveries-", "visits-"]
        .iter()
        .find_map(|kind| name.strip_prefix(kind))
        .and_then(|rest| rest.strip_suffix(".log"));
    number.is_some_and(|number| number.len() == 8 && is_digits(number))
}

fn is_day(name: &str) -> bool {
    let date = name.strip_prefix("attendance_").and_then(|rest| rest.strip_suffix(".csv"));
    let parts: Option<Vec<&str>> = date.map(|date| date.split('-').collect());
    matches!(parts.as_deref(), Some([year, month, day])
        if [year.len(), month.len(), day.len()] == [4, 2, 2] && [year, month, day].iter().all(|part| is_digits(part)))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// A folder or file of the site's own: neither hidden nor empty, and no way up.
fn is_name(name: &str) -> bool {
    let is_plain = !name.starts_with('.') && !name.contains('/') && !name.chars().any(char::is_control);
    is_plain && (1..=MAX_NAME).contains(&name.len())
}

/// Photos, and the students' list beside them.
fn is_photo(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let is_known =
        extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension)) || path == "students.csv";
    parts.len() <= MAX_DEPTH && parts.iter().all(|name| is_name(name)) && is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_have_the_extensions_that_are_looked_for() {
        assert_eq!(EXTENSIONS, vision::kind::EXTENSIONS);
    }

    #[test]
    fn known_names_are_bounded() {
        for (path, most) in [
            ("attendance.toml", SMALL),
            ("journal/journal-00000001.log", LOG),
            ("journal/deliveries-00000012.log", LOG),
            ("attendance/attendance_2026-11-29.csv", LOG),
            ("known_faces/2110001/front.JPG", PHOTO),
            ("known_faces/2110001_Ana.jpg", PHOTO),
            ("known_faces/students.csv", PHOTO),
            ("enrolled_at_the_door/2110001/1.jpg", PHOTO),
            ("enrolled_at_the_door/2110001/.taken.json", SMALL),
            ("page/accounts.json", SMALL),
            ("tls/key.pem", SMALL),
        ] {
            assert_eq!(most_bytes(path), Some(most), "{path}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for path in [
            "",
            "/etc/passwd",
            "../journal/journal-00000001.log",
            "journal/../page/password",
            "journal/journal-1.log",
            "journal/journal-0000000a.log",
            "journal//journal-00000001.log",
            "attendance/attendance_2026-11-29.csv/x",
            "known_faces/../page/x.jpg",
            "known_faces/.hidden.jpg",
            "known_faces/2110001/.jpg",
            "known_faces/2110001/run.sh",
            "known_faces/2110001/students.csv",
            "known_faces//x.jpg",
            "known_faces/a\nb.jpg",
            "known_faces/1/2/3/4/5/6/7/8/9/10/x.jpg",
            "enrolled_at_the_door/.taken.json",
            "enrolled_at_the_door/../.taken.json",
            "known_faces/2110001/.taken.json",
            "settings/request.json",
            "update/try",
            "tls/other.pem",
            "page/password/",
        ] {
            assert_eq!(most_bytes(path), None, "{path:?}");
        }
    }
}
