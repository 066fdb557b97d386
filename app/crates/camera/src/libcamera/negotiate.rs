//! Agreeing with a camera on size, packing, orientation and frame rate.

use libcamera::camera::{ActiveCamera, CameraConfiguration, Orientation};
use libcamera::color_space::{ColorSpace, Range, YcbcrEncoding};
use libcamera::control::{Control, ControlEntry, ControlList};
use libcamera::controls::{
    AeFlickerMode, AeFlickerPeriod, AfMode, AfWindows, ExposureValue, FrameDurationLimits,
};
use libcamera::formats;
use libcamera::geometry::Size;
use libcamera::pixel_format::PixelFormat;
use libcamera::stream::{Stream, StreamRole};
use libcamera::utils::UniquePtr;

use super::steering::Steering;
use crate::config;
use crate::config::Flicker;
use crate::error::CameraError;
use crate::exposure::Exposure;
use crate::focus::Focus;
use crate::planes::{Layout, Packing};
use crate::turn::Turn;
use vision::frame::{Colour, MAX_SIDE};

/// Buffers asked for: one being filled, one waiting to be, one being copied, and one for a late thread.
/// Pipelines may round up.
const BUFFERS: u32 = 4;

/// Uncompressed pictures of more pixels than this come too slowly over USB 2 (12 a second at most): JPEG is
/// taken instead.
const MOST_UNPACKED: u32 = 800 * 600;

/// What was agreed on.
pub(super) struct Agreed {
    pub(super) stream: Stream,
    pub(super) layout: Layout,
    pub(super) turn: Turn,
    /// What the camera is started with.
    pub(super) controls: UniquePtr<ControlList>,
    /// In words, for the log.
    pub(super) summary: String,
    /// What can be done for a face.
    pub(super) steering: Steering,
}

/// Configures `camera` as close to `config` as it can be.
pub(super) fn configure(
    camera: &mut ActiveCamera<'_>,
    config: &config::Camera,
) -> Result<Agreed, CameraError> {
    let device = |reason: String| CameraError::Device { reason };
    let roles = [StreamRole::VideoRecording, StreamRole::ViewFinder, StreamRole::StillCapture];
    let (mut offer, _) = camera
        .generate_first_supported_configuration(&roles)
        .ok_or_else(|| device("it offers no stream".to_owned()))?;
    let wanted = Size { width: config.width, height: config.height };
    let turn = Turn::new(config.rotation.quarters(), config.mirror);
    let packed = settle(&mut offer, wanted)?;
    camera
        .configure(&mut offer)
        .map_err(|error| device(format!("it refuses its own configuration: {error}")))?;

    let stream = offer.get(0).and_then(|stream| {
        let layout = Layout {
            packing: packed.with(stream.get_color_space()),
            width: stream.get_size().width,
            height: stream.get_size().height,
            stride: stream.get_stride(),
        };
        stream.stream().map(|handle| (handle, layout, stream.get_pixel_format()))
    });
    let (stream, layout, format) = stream.ok_or_else(|| device("it has no stream".to_owned()))?;
    if layout.width.max(layout.height) > MAX_SIDE {
        return Err(device(format!("its smallest picture has {}x{} pixels", layout.width, layout.height)));
    }
    let turn = turn.after(Turn::from(offer.orientation()));
    let controls = controls(camera, config);
    let steering = steering(camera, config);
    let summary = format!("{}x{} {format:?}", layout.width, layout.height);
    Ok(Agreed { stream, layout, turn, controls, summary, steering })
}

/// Tries the packings that the camera offers, best first, until one is valid.
fn settle(offer: &mut CameraConfiguration, wanted: Size) -> Result<Packed, CameraError> {
    let offered: Vec<PixelFormat> = match offer.get(0) {
        Some(stream) => stream.formats().pixel_formats().into_iter().collect(),
        None => Vec::new(),
    };
    for (format, packed) in preferences(wanted) {
        if !offered.contains(&format) {
            continue;
        }
        let Some(mut stream) = offer.get_mut(0) else { break };
        // Without a step the range is made of single sizes, and not everything between them is there.
        let range = stream.formats().range(format);
        let scales = range.h_step > 0 && range.contains(wanted);
        let size = if scales { wanted } else { nearest(&stream.formats().sizes(format), wanted) };
        stream.set_pixel_format(format);
        stream.set_size(size);
        stream.set_buffer_count(BUFFERS);
        // Upright is all that is asked for: some cameras correct how their sensor is mounted, and say when
        // they do not. The site's own rotation is done while copying, because some pipelines accept one and
        // do nothing.
        offer.set_orientation(Orientation::Rotate0);
        let valid = !offer.validate().is_invalid();
        if valid && offer.get(0).is_some_and(|stream| stream.get_pixel_format() == format) {
            return Ok(packed);
        }
    }
    let names: Vec<String> = offered.iter().map(|format| format!("{format:?}")).collect();
    Err(CameraError::Device {
        reason: format!("it offers no format that can be read, but {}", names.join(", ")),
    })
}

/// A packing without its colour space, which the camera names only after it is configured.
#[derive(Debug, Clone, Copy)]
enum Packed {
    Yuv420,
    Nv12,
    Yuyv,
    Plain(Packing),
}

impl Packed {
    fn with(self, space: Option<ColorSpace>) -> Packing {
        let colour = colour(space);
        match self {
            Self::Yuv420 => Packing::Yuv420(colour),
            Self::Nv12 => Packing::Nv12(colour),
            Self::Yuyv => Packing::Yuyv(colour),
            Self::Plain(packing) => packing,
        }
    }
}

/// What can be read, cheapest first: 1.5 bytes a pixel before 3, and compressed only where the bus is too
/// slow for less.
///
/// libcamera names RGB formats by the order of bits in a word, so `BGR888` is red, green, blue in memory.
fn preferences(wanted: Size) -> [(PixelFormat, Packed); 7] {
    let yuyv = (formats::YUYV, Packed::Yuyv);
    let jpeg = (formats::MJPEG, Packed::Plain(Packing::Jpeg));
    let (third, fourth) =
        if wanted.width * wanted.height > MOST_UNPACKED { (jpeg, yuyv) } else { (yuyv, jpeg) };
    [
        (formats::YUV420, Packed::Yuv420),
        (formats::NV12, Packed::Nv12),
        third,
        fourth,
        (formats::BGR888, Packed::Plain(Packing::Rgb)),
        (formats::RGB888, Packed::Plain(Packing::Bgr)),
        (formats::R8, Packed::Plain(Packing::Grey)),
    ]
}

/// What YUV means where the camera says nothing: what USB cameras use.
fn colour(space: Option<ColorSpace>) -> Colour {
    let Some(space) = space else { return Colour::default() };
    match (space.ycbcr_encoding, space.range) {
        (YcbcrEncoding::Rec709 | YcbcrEncoding::Rec2020, Range::Full) => Colour::Bt709Full,
        (YcbcrEncoding::Rec709 | YcbcrEncoding::Rec2020, Range::Limited) => Colour::Bt709,
        (_, Range::Full) => Colour::Bt601Full,
        (_, Range::Limited) => Colour::Bt601,
    }
}

/// The size on offer nearest to `wanted`: the smallest that is as large in both directions, or else the
/// largest.
fn nearest(sizes: &[Size], wanted: Size) -> Size {
    let area = |size: &&Size| u64::from(size.width) * u64::from(size.height);
    let enough = sizes.iter().filter(|size| size.width >= wanted.width && size.height >= wanted.height);
    *enough.min_by_key(area).or_else(|| sizes.iter().max_by_key(area)).unwrap_or(&wanted)
}

/// What the camera is started with, of what it has.
fn controls(camera: &ActiveCamera<'_>, config: &config::Camera) -> UniquePtr<ControlList> {
    let mut controls = ControlList::new();
    let mut set = Settings { camera, controls: &mut controls };
    let longest = config.slowest_frame_rate.min(config.frame_rate);
    let [shortest, longest] = [config.frame_rate, longest].map(|rate| (1e6 / f64::from(rate)) as i64);
    set.if_there(FrameDurationLimits([shortest, longest]));
    if let Some(period) = config.flicker.period_us() {
        if set.if_there(AeFlickerPeriod(period)) {
            set.if_there(AeFlickerMode::FlickerManual);
        }
    } else if config.flicker == Flicker::Auto {
        set.if_there(AeFlickerMode::FlickerAuto);
    }
    if config.autofocus {
        set.if_there(AfMode::Continuous);
    }
    controls
}

/// What the camera offers of what the site wants done for a face.
fn steering(camera: &ActiveCamera<'_>, config: &config::Camera) -> Steering {
    let stops = camera.controls().find(ExposureValue::ID).ok().filter(|_| config.expose_for_face);
    let exposure = stops
        .and_then(|info| Some(f32::try_from(info.min()).ok()?..=f32::try_from(info.max()).ok()?))
        .map(Exposure::new);
    let focuses = config.autofocus && camera.controls().count(AfWindows::ID) > 0;
    Steering { exposure, focus: focuses.then(Focus::default) }
}

/// Sets what the camera has and leaves out what it has not.
struct Settings<'a, 'd> {
    camera: &'a ActiveCamera<'d>,
    controls: &'a mut ControlList,
}

impl Settings<'_, '_> {
    /// Whether the camera has the control and took the value.
    fn if_there<C: Control + ControlEntry>(&mut self, value: C) -> bool {
        self.camera.controls().count(C::ID) > 0 && self.controls.set(value).is_ok()
    }
}

impl From<Orientation> for Turn {
    fn from(orientation: Orientation) -> Self {
        match orientation {
            Orientation::Rotate0 => Self::new(0, false),
            Orientation::Rotate0Mirror => Self::new(0, true),
            Orientation::Rotate90 => Self::new(1, false),
            Orientation::Rotate90Mirror => Self::new(1, true),
            Orientation::Rotate180 => Self::new(2, false),
            Orientation::Rotate180Mirror => Self::new(2, true),
            Orientation::Rotate270 => Self::new(3, false),
            Orientation::Rotate270Mirror => Self::new(3, true),
        }
    }
}
