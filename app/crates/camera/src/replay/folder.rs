//! A folder of pictures, in the order of their names.

use std::path::{Path, PathBuf};

use super::{Picture, Reel, ReelError};
use vision::frame::MAX_SIDE;
use vision::photo;
use vision::photo::PhotoLimits;

/// Most pictures of a folder; an hour at 15 frames a second.
const MAX_PICTURES: usize = 54_000;

/// Limits of one picture: what a frame may have.
const LIMITS: PhotoLimits =
    PhotoLimits { max_bytes: 64 << 20, max_pixels: MAX_SIDE as u64 * MAX_SIDE as u64 };

/// The pictures that are still to come.
pub(super) struct Folder {
    pictures: std::vec::IntoIter<PathBuf>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, ReelError> {
        let mut pictures = Vec::new();
        for entry in std::fs::read_dir(path)?.take(MAX_PICTURES) {
            let path = entry?.path();
            if path.is_file() {
                pictures.push(path);
            }
        }
        if pictures.is_empty() {
            return Err(ReelError::Malformed("the folder holds no picture".to_owned()));
        }
        pictures.sort();
        Ok(Self { pictures: pictures.into_iter() })
    }
}

impl Reel for Folder {
    fn next(&mut self, picture: &mut Picture) -> Result<bool, ReelError> {
        for path in self.pictures.by_ref() {
            // One bad file among many is told and skipped, as a photo among the students' would be.
            match std::fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| photo::decode(&bytes, LIMITS).map_err(|error| error.to_string()))
            {
                Ok(rgb) if rgb.width().max(rgb.height()) <= MAX_SIDE => {
                    *picture = Picture::from_rgb(rgb);
                    return Ok(true);
                }
                Ok(_) => {
                    log::warn!(personal:% = path.display(); "skipped {}: a side has more than {MAX_SIDE} pixels", path.display())
                }
                Err(reason) => {
                    log::warn!(personal:% = path.display(); "skipped {}: {reason}", path.display())
                }
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pictures_are_sorted_and_bad_ones_skipped() {
        let dir = tempfile::tempdir().unwrap();
        for (name, width) in [("2.png", 2), ("1.png", 1), ("4.png", 4)] {
            image::RgbImage::new(width, 1).save(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("3.png"), "no picture").unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        let mut picture = Picture::default();
        let mut widths = Vec::new();
        while folder.next(&mut picture).unwrap() {
            widths.push(picture.width());
        }
        assert_eq!(widths, [1, 2, 4]);
    }
}
