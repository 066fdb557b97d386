//! A display through DRM/KMS: two buffers, of which one is shown while the other is written.
//!
//! Without X and Wayland the kernel gives the display to whoever opens it first. The console gets it back
//! when the device is closed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drm::Device as _;
use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{Device as _, Event, Mode, ModeTypeFlags, PageFlipFlags, connector, crtc, framebuffer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tiny_skia::Pixmap;

use super::{Outlet, Output, ScreenError, blit};
use crate::paint::Place;
use base::rotation::Rotation;

/// How long a flip may take: a display refreshes at least 20 times a second.
const FLIP_TIME: Duration = Duration::from_millis(100);

/// Displays of this machine.
#[derive(Debug, Clone)]
pub struct Kms {
    folder: PathBuf,
    rotation: Rotation,
}

impl Kms {
    /// The first display that is connected, its content turned by `rotation`.
    pub fn new(rotation: Rotation) -> Self {
        Self { folder: PathBuf::from("/dev/dri"), rotation }
    }
}

impl Outlet for Kms {
    fn is_shared(&self) -> bool {
        true
    }

    fn open(&mut self) -> Result<Box<dyn Output>, ScreenError> {
        let mut last = ScreenError::NoDisplay;
        for number in 0..8 {
            let path = self.folder.join(format!("card{number}"));
            if !path.exists() {
                continue;
            }
            match Display::open(&path, self.rotation) {
                Ok(display) => return Ok(Box::new(display)),
                // A card that only computes has no display; what another one says is worth more.
                Err(ScreenError::NoDisplay) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

struct Buffer {
    memory: DumbBuffer,
    frame: framebuffer::Handle,
    /// What the other buffer has and this one has not yet.
    missing: Place,
}

struct Display {
    card: Card,
    name: String,
    connector: connector::Handle,
    crtc: crtc::Handle,
    mode: Mode,
    rotation: Rotation,
    buffers: Vec<Buffer>,
    /// The buffer that is shown; none before the first picture.
    shown: Option<usize>,
}

impl Display {
    fn open(path: &Path, rotation: Rotation) -> Result<Self, ScreenError> {
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nonblocking)
            .open(path)
            .map_err(ScreenError::at("opening the graphics card"))?;
        let card = Card(file);
        let resources = match card.resource_handles() {
            Ok(resources) => resources,
            // A card without displays does not know the question.
            Err(_) => return Err(ScreenError::NoDisplay),
        };
        let connected = resources.connectors().iter().filter_map(|handle| {
            let info = card.get_connector(*handle, true).ok()?;
            let mode = preferred(&info)?;
            let crtc = crtc_for(&card, &resources, &info)?;
            Some((info, mode, crtc))
        });
        let (info, mode, crtc) = connected.into_iter().next().ok_or(ScreenError::NoDisplay)?;
        let name = info.to_string();
        let mut display = Self {
            card,
            name,
            connector: info.handle(),
            crtc,
            mode,
            rotation,
            buffers: Vec::new(),
            shown: None,
        };
        for _ in 0..2 {
            let buffer = display.buffer()?;
            display.buffers.push(buffer);
        }
        Ok(display)
    }

    fn buffer(&self) -> Result<Buffer, ScreenError> {
        let failed = ScreenError::at("making a buffer");
        let (width, height) = self.mode.size();
        let size = (u32::from(width), u32::from(height));
        let memory = self.card.create_dumb_buffer(size, DrmFourcc::Xrgb8888, 32).map_err(&failed)?;
        match self.card.add_framebuffer(&memory, 24, 32) {
            Ok(frame) => Ok(Buffer { memory, frame, missing: Place::default() }),
            Err(error) => {
                let _ = self.card.destroy_dumb_buffer(memory);
                Err(failed(error))
            }
        }
    }

    fn write(&mut self, index: usize, picture: &Pixmap, changed: Place) -> Result<(), ScreenError> {
        let quarters = self.rotation.quarters();
        let buffer = &mut self.buffers[index];
        let pitch = buffer.memory.pitch() as usize;
        let changed = changed.with(std::mem::take(&mut buffer.missing));
        let mut map =
            self.card.map_dumb_buffer(&mut buffer.memory).map_err(ScreenError::at("reaching a buffer"))?;
        blit(map.as_mut(), pitch, picture, changed, quarters);
        Ok(())
    }

    /// Shows the first buffer; the display gets its mode.
    fn light_up(&mut self) -> Result<(), ScreenError> {
        let frame = self.buffers[0].frame;
        self.card
            .set_crtc(self.crtc, Some(frame), (0, 0), &[self.connector], Some(self.mode))
            .map_err(|error| taken_or("setting the mode", error))?;
        self.shown = Some(0);
        Ok(())
    }

    fn flip(&mut self, to: usize) -> Result<(), ScreenError> {
        let frame = self.buffers[to].frame;
        self.card
            .page_flip(self.crtc, frame, PageFlipFlags::EVENT, None)
            .map_err(|error| taken_or("showing a picture", error))?;
        self.shown = Some(to);
        self.await_flip()
    }

    fn await_flip(&self) -> Result<(), ScreenError> {
        let failed = ScreenError::at("waiting for the display");
        let until = Instant::now() + FLIP_TIME;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(failed(io::ErrorKind::TimedOut.into()));
            }
            let time = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            let mut wanted = [PollFd::new(&self.card, PollFlags::IN)];
            match poll(&mut wanted, Some(&time)) {
                Ok(0) => continue,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(failed(error.into())),
                Ok(_) => {}
            }
            let mut events = self.card.receive_events().map_err(&failed)?;
            if events.any(|event| matches!(event, Event::PageFlip(_))) {
                return Ok(());
            }
        }
    }
}

impl Output for Display {
    fn size(&self) -> (u32, u32) {
        let (width, height) = self.mode.size();
        let (width, height) = (u32::from(width), u32::from(height));
        if self.rotation.quarters().is_multiple_of(2) { (width, height) } else { (height, width) }
    }

    fn describe(&self) -> String {
        let (width, height) = self.mode.size();
        format!("{}, {width}×{height} at {} Hz", self.name, self.mode.vrefresh())
    }

    fn show(&mut self, picture: &Pixmap, changed: Place, _word: &'static str) -> Result<(), ScreenError> {
        let Some(shown) = self.shown else {
            self.write(0, picture, changed)?;
            // The other buffer has nothing yet.
            self.buffers[1].missing = Place { x: 0, y: 0, width: picture.width(), height: picture.height() };
            return self.light_up();
        };
        let next = 1 - shown;
        self.write(next, picture, changed)?;
        self.buffers[shown].missing = self.buffers[shown].missing.with(changed);
        self.flip(next)
    }

    fn check(&mut self) -> Result<(), ScreenError> {
        let info = self
            .card
            .get_connector(self.connector, false)
            .map_err(ScreenError::at("asking for the display"))?;
        // Another display in the same socket is opened again, with its own mode.
        let same = preferred(&info).is_some_and(|mode| mode.size() == self.mode.size());
        if same { Ok(()) } else { Err(ScreenError::NoDisplay) }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for buffer in self.buffers.drain(..) {
            // The kernel frees what is left when the device is closed.
            let _ = self.card.destroy_framebuffer(buffer.frame);
            let _ = self.card.destroy_dumb_buffer(buffer.memory);
        }
        let _ = self.card.release_master_lock();
    }
}

/// The mode that the display prefers, where one is connected.
fn preferred(info: &connector::Info) -> Option<Mode> {
    if info.state() != connector::State::Connected {
        return None;
    }
    let prefers = |mode: &&Mode| mode.mode_type().contains(ModeTypeFlags::PREFERRED);
    info.modes().iter().find(prefers).or(info.modes().first()).copied()
}

fn crtc_for(
    card: &Card,
    resources: &drm::control::ResourceHandles,
    info: &connector::Info,
) -> Option<crtc::Handle> {
    info.encoders().iter().find_map(|handle| {
        let encoder = card.get_encoder(*handle).ok()?;
        resources.filter_crtcs(encoder.possible_crtcs()).into_iter().next()
    })
}

/// Without being the display's master, the kernel permits nothing.
fn taken_or(step: &'static str, source: io::Error) -> ScreenError {
    match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => ScreenError::Taken,
        _ => ScreenError::System { step, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_displays_says_so() {
        let mut nothing = Kms { folder: PathBuf::from("/nonexistent"), rotation: Rotation::default() };
        assert!(matches!(nothing.open(), Err(ScreenError::NoDisplay)));
        let refused = taken_or("", io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error()));
        assert!(matches!(refused, ScreenError::Taken));
    }
}
