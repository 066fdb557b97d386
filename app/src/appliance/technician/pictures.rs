//! Pictures for the page, with the faces found in them.

use bytes::Bytes;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::Technician;
use recognition::Finder;
use recognition::watch::preview::TrackView;
use view::{Mark, Pending, Picture, Refused};
use vision::photo;
use vision::photo::PhotoLimits;

/// JPEG quality of pictures for the page, 1 to 100.
const JPEG_QUALITY: u8 = 80;

/// Widest picture sent, pixels: a phone shows less.
const PICTURE_WIDTH: u32 = 960;

/// A picture as the page shows it: no wider than it needs, with its marks.
pub(super) fn shown(picture: &RgbImage, mut marks: Vec<Mark>) -> Option<Picture> {
    let scale = PICTURE_WIDTH as f32 / picture.width().max(1) as f32;
    let small = (scale < 1.0).then(|| {
        for mark in &mut marks {
            for value in [&mut mark.x, &mut mark.y, &mut mark.width, &mut mark.height] {
                *value *= scale;
            }
        }
        let height = (picture.height() as f32 * scale).max(1.0) as u32;
        image::imageops::thumbnail(picture, PICTURE_WIDTH, height)
    });
    let picture = small.as_ref().unwrap_or(picture);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(picture).ok()?;
    Some(Picture { jpeg: Bytes::from(jpeg), width: picture.width(), height: picture.height(), marks })
}

fn mark(track: &TrackView) -> Mark {
    let who = track.roll.as_ref().map_or("unknown", |roll| roll.as_str());
    Mark {
        x: track.bounds.x,
        y: track.bounds.y,
        width: track.bounds.width,
        height: track.bounds.height,
        label: format!("{who} {:.2} {}", track.similarity, track.liveness),
        good: track.roll.is_some(),
    }
}

impl Technician {
    /// A photo that did not enrol, with the faces that the detector finds in it.
    pub(super) fn photo_with_faces(&self, photo: &str) -> Option<Picture> {
        let limits = PhotoLimits::from(&self.config.photos);
        let path = self.photo(photo)?;
        if std::fs::metadata(&path).ok()?.len() > limits.max_bytes {
            return None;
        }
        let picture = photo::decode(&std::fs::read(path).ok()?, limits).ok()?;
        // The detectors alone are loaded in a moment, and are gone again with the answer.
        let mut finder = Finder::load(&self.config.models_dir(), self.config.recognition.detector).ok()?;
        let marks = finder.find_thoroughly(&picture).ok()?.into_iter().map(|face| Mark {
            x: face.bounds.x,
            y: face.bounds.y,
            width: face.bounds.width,
            height: face.bounds.height,
            label: format!("face {:.0} %", face.score * 100.0),
            good: true,
        });
        shown(&picture, marks.collect())
    }

    /// What stands on the screen at the door.
    pub(super) fn screen(&self) -> Option<Bytes> {
        let picture = self.shot.picture()?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(picture.as_ref()).ok()?;
        Some(Bytes::from(jpeg))
    }

    /// The next frame of the camera with what was found in it.
    pub(super) fn frame_with_faces(&self) -> Pending<Result<Picture, Refused>> {
        let preview = self.frames.preview(self.clock.now());
        let none = || Refused {
            message: "There is no picture yet; it comes with the next frame.".to_owned(),
            details: String::new(),
        };
        Box::pin(async move {
            let preview = preview.ok_or_else(none)?;
            let marks = preview.tracks.iter().map(mark).collect();
            let made = tokio::task::spawn_blocking(move || shown(&preview.picture, marks)).await;
            made.ok().flatten().ok_or_else(none)
        })
    }
}
