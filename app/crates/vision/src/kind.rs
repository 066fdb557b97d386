//! What a file is, by its first bytes and by its name.
//!
//! People put into a student's folder what they have: a phone's HEIC, a JPEG that a browser called `.jfif`, a
//! PDF of a scan. The content decides what can be read. The name only decides what a server is asked for, and
//! whether somebody meant the file as a photo at all.

use base::failure::Fault;

/// Bytes from the beginning of a file that [`Kind::of`] looks at.
pub const HEAD: usize = 64;

/// The usual name endings of photos, in lower case (backend-contract.md §1).
pub const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "gif", "bmp", "webp"];

/// Name endings of files that nobody means as a photo, in lower case: texts, and what systems leave behind.
const OTHER_FILES: [&str; 19] = [
    "txt", "md", "csv", "json", "xml", "html", "htm", "css", "js", "php", "asp", "aspx", "log", "ini", "db",
    "lnk", "url", "bak", "tmp",
];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JPEG, PNG, GIF, BMP or WebP: what can be read.
    Photo,
    /// HEIC or HEIF, as iPhones and some Android phones take photos.
    Heic,
    /// AVIF.
    Avif,
    /// TIFF, or a camera's raw file that begins like one.
    Tiff,
    /// JPEG XL.
    JpegXl,
    /// JPEG 2000.
    Jpeg2000,
    /// A film.
    Film,
    /// PDF.
    Pdf,
    /// A page of HTML: often an error page that was saved instead of the photo.
    Html,
    /// None of these.
    Unknown,
}

impl Kind {
    /// What a file is that begins with these bytes, at most [`HEAD`] of them.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0xff, 0xd8, 0xff, ..] | [0x89, b'P', b'N', b'G', ..] | [b'B', b'M', ..] => Self::Photo,
            [b'G', b'I', b'F', b'8', ..] => Self::Photo,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Photo,
            [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] => Self::Tiff,
            [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] | [0xff, 0x0a, ..] => Self::JpegXl,
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Self::Jpeg2000,
            [b'%', b'P', b'D', b'F', ..] => Self::Pdf,
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => of_brands(brands),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Film,
            _ if is_markup(head) => Self::Html,
            _ => Self::Unknown,
        }
    }

    /// Why it is not a usable photo, and what to do; `None` when it can be read.
    pub fn fault(self) -> Option<Fault> {
        let (what, advice) = match self {
            Self::Photo => return None,
            Self::Heic => (
                "a HEIC picture (a format of phones), which this device cannot read",
                "save it as JPEG and upload that; an iPhone takes JPEG with Settings, Camera, Formats, \"Most \
                 Compatible\"",
            ),
            Self::Avif => {
                ("an AVIF picture, which this device cannot read", "save it as JPEG and upload that")
            }
            Self::Tiff => {
                ("a TIFF or raw picture, which this device cannot read", "save it as JPEG and upload that")
            }
            Self::JpegXl => {
                ("a JPEG XL picture, which this device cannot read", "save it as JPEG and upload that")
            }
            Self::Jpeg2000 => {
                ("a JPEG 2000 picture, which this device cannot read", "save it as JPEG and upload that")
            }
            Self::Film => ("a film and no photo", "upload a photo as JPEG"),
            Self::Pdf => ("a PDF and no photo", "save the picture in it as JPEG and upload that"),
            Self::Html => ("a web page and no photo", "upload the photo again"),
            Self::Unknown => {
                ("not a picture (JPEG, PNG, GIF, BMP or WebP)", "upload the photo again, as JPEG")
            }
        };
        Some(Fault::new(what).advise(advice))
    }
}

/// What the brands of an ISO base media file say (ISO/IEC 14496-12): one is AVIF's even where `mif1`, which
/// HEIC has too, stands first.
fn of_brands(brands: &[u8]) -> Kind {
    let (brands, _) = brands.as_chunks::<4>();
    let has = |names: &[&[u8; 4]]| brands.iter().any(|brand| names.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        Kind::Avif
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        Kind::Heic
    } else if has(&[b"crx "]) {
        Kind::Tiff
    } else {
        Kind::Film
    }
}

fn is_markup(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    matches!(text, [b'<', b'!' | b'h' | b'H' | b'?', ..])
}

/// Whether a file of this name is called like a photo.
pub fn is_photo(name: &str) -> bool {
    extension(name).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Whether a file of this name may be meant as a photo, so that whoever leaves it out says so. Hidden files
/// never are: `._photo.jpg` is what a Mac writes beside `photo.jpg`.
pub fn may_be_photo(name: &str) -> bool {
    !is_hidden(name)
        && !name.eq_ignore_ascii_case("thumbs.db")
        && extension(name).is_none_or(|extension| !OTHER_FILES.contains(&extension.as_str()))
}

/// Whether a file or folder of this name is hidden.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

fn extension(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_what_a_file_is() {
        for (head, kind) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Kind::Photo),
            (b"\x89PNG\r\n", Kind::Photo),
            (b"RIFF\0\0\0\0WEBPVP8 ", Kind::Photo),
            (b"RIFF\0\0\0\0WAVE", Kind::Unknown),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Kind::Heic),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Kind::Avif),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Kind::Heic),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Kind::Film),
            (b"II*\0\x08\0", Kind::Tiff),
            (b"%PDF-1.7", Kind::Pdf),
            (b"\xef\xbb\xbf\r\n <!doctype html>", Kind::Html),
            (b"", Kind::Unknown),
        ] {
            assert_eq!(Kind::of(head), kind, "{head:?}");
            assert_eq!(kind.fault().is_none(), kind == Kind::Photo);
            assert!(kind.fault().is_none_or(|fault| fault.advice.is_some()));
        }
    }

    #[test]
    fn names_tell_what_was_meant_as_a_photo() {
        for name in ["a.jpg", "A.JPG", "IMG_1.HEIC", "a.jfif", "a.tif", "photo", "a.jpg_original", "scan.pdf"]
        {
            assert!(may_be_photo(name), "{name}");
        }
        for name in ["._a.jpg", ".DS_Store", "Thumbs.db", "notes.txt", "index.html"] {
            assert!(!may_be_photo(name), "{name}");
        }
        assert!(is_photo("a.JPG") && !is_photo("a.HEIC") && !is_photo("jpg"));
    }
}
