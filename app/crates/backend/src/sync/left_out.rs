//! Links to what was meant as a photo and cannot be fetched: pure.
//!
//! Some servers write a name into a link as it is, or in letters that are not UTF-8. Such a link leads
//! somewhere else than to the photo, or nowhere. It is not followed, and the technician is told, for
//! otherwise a student's photo would be missing without a word.

use percent_encoding::percent_decode_str;

use super::bounds::Link;
use super::link::{Base, Place, Refused};
use super::step::Failure;
use vision::kind::is_hidden;

/// Longest name that is shown, characters.
const MAX_SHOWN: usize = 200;

/// Name endings of pictures, in lower case: those that are read, and those that people upload all the same.
const PICTURES: [&str; 16] = [
    ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".heic", ".heif", ".hif", ".avif", ".jfif", ".jpe",
    ".tif", ".tiff", ".jxl", ".dng",
];

/// Why such a link is not followed, and what to do.
pub(super) const UNUSABLE_LINK: &str = "the server's link to it cannot be followed: its name has a slash, a \
    backslash, '?', '#', ':' or letters that are not UTF-8; rename it on the server (letters, digits, '-', '_' and '.')";

/// The photo or folder that a link on the page at `at` fails to name; `None` for a link that can be followed,
/// or that leads to neither.
pub(super) fn unusable(base: &Base, at: &Place, link: &Link) -> Option<Failure> {
    let href = link.href.trim();
    if link.is_image || href.contains("://") || href.starts_with("//") {
        return None;
    }
    let path = match (base.query(), href.rsplit_once('?')) {
        (Some(query), Some((path, own))) if own == query => path,
        _ => href,
    };
    // A name that begins like a scheme ("a:b.jpg") is one, unless nothing else looks like an address.
    let name = percent_decode_str(path).decode_utf8_lossy();
    let name = below(&name, at);
    if !is_name(name) {
        return None;
    }
    let is_picture = is_called_like_a_picture(name);
    let is_lost = match base.follow(at, &link.href) {
        // The rest of the name stands where a query does.
        Ok(_) => is_picture && path.split_once('?').is_some_and(|(_, rest)| !rest.contains('=')),
        Err(Refused::Malformed | Refused::Dangerous) => {
            is_picture || (name.ends_with('/') && percent_decode_str(path).decode_utf8().is_err())
        }
        Err(Refused::Fragment | Refused::Sort | Refused::Scheme | Refused::TooDeep) => is_picture,
        Err(_) => false,
    };
    let shown: String =
        name.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let folder = at.segments().iter().map(|name| format!("{name}/")).collect::<String>();
    is_lost.then(|| Failure { photo: format!("{folder}{shown}"), reason: UNUSABLE_LINK.to_owned() })
}

/// A name without the path of the page that some servers write before it.
fn below<'a>(name: &'a str, at: &Place) -> &'a str {
    let folder = at.segments().last().map(|last| format!("/{last}/"));
    let inside = folder.and_then(|folder| name.rfind(&folder).map(|at| &name[at + folder.len()..]));
    let inside = inside.unwrap_or(name);
    inside.strip_prefix("./").unwrap_or(inside)
}

/// Whether a text may be the name of a file or folder here: none of a step upwards, and none hidden.
fn is_name(name: &str) -> bool {
    let mut parts = name.trim_end_matches('/').split('/');
    !name.starts_with(['/', '?', '#']) && parts.all(|part| !part.is_empty() && !is_hidden(part))
}

fn is_called_like_a_picture(name: &str) -> bool {
    let lower = name.to_lowercase();
    PICTURES.iter().any(|extension| lower.ends_with(extension))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::secret::SecretUrl;

    fn named(href: &str) -> Option<String> {
        let base = Base::new(&SecretUrl::parse("https://backend.example/students?key=k3y").unwrap());
        let at = base.follow(&base.root(), "2110001/").unwrap();
        let link = Link { href: href.to_owned(), is_image: false };
        unusable(&base, &at, &link).map(|failure| failure.photo)
    }

    #[test]
    fn what_a_link_fails_to_name_is_named() {
        for (href, photo) in [
            ("a%2Fb.jpg", "2110001/a/b.jpg"),
            ("a%5Cb.jpg", "2110001/a\\b.jpg"),
            ("a\\b.jpg", "2110001/a\\b.jpg"),
            ("Ren%e9.jpg", "2110001/Ren\u{fffd}.jpg"),
            ("Ren%e9.HEIC", "2110001/Ren\u{fffd}.HEIC"),
            ("Ren%e9/", "2110001/Ren\u{fffd}/"),
            ("who?.jpg", "2110001/who?.jpg"),
            ("who?.jpg?key=k3y", "2110001/who?.jpg"),
            ("no#1.jpg", "2110001/no#1.jpg"),
            ("a:b.jpg", "2110001/a:b.jpg"),
            ("/students/2110001/no#1.jpg", "2110001/no#1.jpg"),
        ] {
            assert_eq!(named(href).as_deref(), Some(photo), "{href}");
        }
    }

    #[test]
    fn links_that_can_be_followed_and_links_to_other_things_are_not_named() {
        for href in [
            "a.jpg",
            "a.jpg?v=2",
            "a.jpg?key=k3y",
            "?file=a.jpg",
            "index.php?path=2110001/a.jpg",
            "caf%C3%A9.jpg",
            "../",
            "../../logo.png",
            "/static/logo.png",
            "https://other.example/a.jpg",
            "mailto:office@backend.example",
            "#top",
            "?C=N;O=D",
            "._a%2Fb.jpg",
            ".a#1.jpg",
        ] {
            assert_eq!(named(href), None, "{href}");
        }
    }

    #[test]
    fn a_credential_in_a_link_is_not_shown() {
        assert_eq!(named("no#1.jpg?key=k3y").unwrap(), "2110001/no#1.jpg");
    }
}
