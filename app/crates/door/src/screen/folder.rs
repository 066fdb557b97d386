//! The screen as files, for a machine without a display: `now.png`, and one picture for each thing that was
//! shown.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::ImageEncoder as _;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use tiny_skia::Pixmap;

use super::{Outlet, Output, ScreenError};
use crate::paint::Place;

/// Pictures written in one run; then `now.png` alone goes on.
const MOST: usize = 500;
/// `now.png` is written at most so often.
const EVERY: Duration = Duration::from_millis(500);

/// Pictures in a folder.
#[derive(Debug, Clone)]
pub struct Folder {
    folder: PathBuf,
    size: (u32, u32),
}

impl Folder {
    /// Pictures of this size in `folder`, which is made where it is missing.
    pub fn new(folder: PathBuf, size: (u32, u32)) -> Self {
        Self { folder, size }
    }
}

impl Outlet for Folder {
    fn open(&mut self) -> Result<Box<dyn Output>, ScreenError> {
        std::fs::create_dir_all(&self.folder).map_err(ScreenError::at("making the folder for pictures"))?;
        Ok(Box::new(Files { place: self.clone(), written: 0, last: "", now: None }))
    }
}

struct Files {
    place: Folder,
    written: usize,
    last: &'static str,
    now: Option<Instant>,
}

impl Output for Files {
    fn size(&self) -> (u32, u32) {
        self.place.size
    }

    fn describe(&self) -> String {
        format!("pictures in {}", self.place.folder.display())
    }

    fn show(&mut self, picture: &Pixmap, _changed: Place, word: &'static str) -> Result<(), ScreenError> {
        let new = word != self.last;
        if !new && self.now.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        let png = png(picture).map_err(ScreenError::at("encoding a picture"))?;
        let folder = &self.place.folder;
        let failed = ScreenError::at("writing a picture");
        replace(folder, "now.png", &png).map_err(&failed)?;
        self.now = Some(Instant::now());
        if new && self.written < MOST {
            self.written += 1;
            replace(folder, &format!("{:03}-{word}.png", self.written), &png).map_err(&failed)?;
        }
        self.last = word;
        Ok(())
    }
}

/// Whoever looks sees a whole picture.
fn replace(folder: &Path, name: &str, png: &[u8]) -> io::Result<()> {
    let new = folder.join(".new.png");
    std::fs::write(&new, png)?;
    std::fs::rename(new, folder.join(name))
}

fn png(picture: &Pixmap) -> io::Result<Vec<u8>> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Sub);
    let (width, height) = (picture.width(), picture.height());
    encoder
        .write_image(picture.data(), width, height, image::ExtendedColorType::Rgba8)
        .map_err(io::Error::other)?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_thing_shown_is_a_picture_and_now_is_the_newest() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("screen");
        let mut output = Folder::new(folder.clone(), (64, 64)).open().unwrap();
        let mut picture = Pixmap::new(64, 64).unwrap();
        for (word, red) in [("idle", 10), ("idle", 20), ("in", 30)] {
            picture.fill(tiny_skia::Color::from_rgba8(red, 0, 0, 255));
            output.show(&picture, Place::default(), word).unwrap();
        }
        let red = |name: &str| image::open(folder.join(name)).unwrap().into_rgb8().get_pixel(0, 0)[0];
        assert_eq!((red("001-idle.png"), red("002-in.png"), red("now.png")), (10, 30, 30));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    }
}
