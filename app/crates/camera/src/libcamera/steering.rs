//! What a camera is told while it runs: exposure and focus for the face.

use libcamera::controls::{AfMetering, AfWindows, ExposureValue, ScalerCrop};
use libcamera::geometry::Rectangle;
use libcamera::request::Request;

use crate::exposure::{Exposure, brightness};
use crate::focus::{Focus, on_sensor};
use crate::turn::Turn;
use vision::face::Bounds;
use vision::frame::Frame;

/// What this camera can do for a face, as far as the site wants it.
pub(super) struct Steering {
    pub(super) exposure: Option<Exposure>,
    pub(super) focus: Option<Focus>,
}

impl Steering {
    /// Puts into `request` what is to change after `frame`, in which the face was at `face`; what a camera is
    /// told once holds until it is told otherwise. A control that the camera refuses is its loss: the picture
    /// is as its own algorithms make it.
    pub(super) fn steer(
        &mut self,
        frame: &Frame,
        face: Option<Bounds>,
        turn: Turn,
        crop: Option<ScalerCrop>,
        request: &mut Request,
    ) {
        let (picture, at) = (&frame.picture, frame.at.since_boot);
        let controls = request.controls_mut();
        let bright = face.and_then(|face| brightness(picture, face));
        if let Some(stops) = self.exposure.as_mut().and_then(|exposure| exposure.steer(bright, at)) {
            log::debug!("exposure for the face: {stops:+.2} stops");
            let _ = controls.set(ExposureValue(stops));
        }
        let window = face.zip(crop).and_then(|(face, crop)| {
            let crop = (crop.x, crop.y, crop.width, crop.height);
            on_sensor(face, (picture.width(), picture.height()), turn, crop)
        });
        match self.focus.as_mut().and_then(|focus| focus.steer(window, at)) {
            Some(Some((x, y, width, height))) => {
                let _ = controls.set(AfMetering::Windows);
                let _ = controls.set(AfWindows(vec![Rectangle { x, y, width, height }]));
            }
            Some(None) => {
                let _ = controls.set(AfMetering::Auto);
            }
            None => {}
        }
    }
}
