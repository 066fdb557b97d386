//! Where pictures go: a display that is connected, or files.
//!
//! [`Screen`] keeps one [`Output`] open, and opens it again after a fault. What is wrong is told once.

mod blit;
mod folder;
mod kms;

use std::time::Duration;

use base::failure::{Diagnosis, Fault};
use tiny_skia::Pixmap;

pub use blit::blit;
pub use folder::Folder;
pub use kms::Kms;

use crate::paint::Place;

/// Time between two tries to open an output.
const RETRY: Duration = Duration::from_secs(2);

/// Why a display shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// No display is connected. That is not a fault.
    #[error("no display is connected")]
    NoDisplay,
    /// Another program has the display.
    #[error("another program has the display")]
    Taken,
    /// The system refuses something.
    #[error("the display cannot be used: {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// An error of the operating system.
        source: std::io::Error,
    },
}

impl ScreenError {
    pub(crate) fn at(step: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::System { step, source }
    }
}

impl Diagnosis for ScreenError {
    fn fault(&self) -> Fault {
        let advice = match self {
            Self::NoDisplay => "connect one, or set screen.enabled = false",
            Self::Taken => "end the program that shows something there, or set screen.enabled = false",
            Self::System { .. } => "check the cable and the supply of the display; it is tried again",
        };
        Fault::new(self.to_string()).advise(advice)
    }
}

/// Something that shows pictures.
pub trait Output {
    /// Its size for the painter, pixels.
    fn size(&self) -> (u32, u32);
    /// What it is, for the log.
    fn describe(&self) -> String;
    /// Shows the picture, of which `changed` is new. `word` says what it shows.
    ///
    /// # Errors
    /// [`ScreenError`]; the output is then closed and opened again.
    fn show(&mut self, picture: &Pixmap, changed: Place, word: &'static str) -> Result<(), ScreenError>;
    /// Whether the display is still there. Called about once a second.
    ///
    /// # Errors
    /// [`ScreenError`] when it is not.
    fn check(&mut self) -> Result<(), ScreenError> {
        Ok(())
    }
}

/// Opens an output.
pub trait Outlet: Send {
    /// Whether another program may want the same display.
    fn is_shared(&self) -> bool {
        false
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`ScreenError`]; it is tried again.
    fn open(&mut self) -> Result<Box<dyn Output>, ScreenError>;
}

/// One output, kept open.
pub struct Screen {
    outlet: Box<dyn Outlet>,
    output: Option<Box<dyn Output>>,
    next_try: Duration,
    next_check: Duration,
    told: Option<String>,
    fault: Option<Fault>,
    /// Whether everything has to be shown: the output is new.
    whole: bool,
}

impl Screen {
    /// A screen that is opened when it is first needed.
    pub fn new(outlet: Box<dyn Outlet>) -> Self {
        Self {
            outlet,
            output: None,
            next_try: Duration::ZERO,
            next_check: Duration::ZERO,
            told: None,
            fault: None,
            whole: false,
        }
    }

    /// What is wrong now; a display that is not connected is not.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Size of the open output. Opens it where it is time to try.
    pub fn size(&mut self, now: Duration) -> Option<(u32, u32)> {
        if self.output.is_some() && now >= self.next_check {
            self.next_check = now + Duration::from_secs(1);
            let checked = self.output.as_mut().map(|output| output.check());
            if let Some(Err(error)) = checked {
                self.lose(now, &error);
            }
        }
        if self.output.is_none() && now >= self.next_try {
            match self.outlet.open() {
                Ok(output) => {
                    log::info!("Screen: {}", output.describe());
                    (self.output, self.whole) = (Some(output), true);
                    self.next_check = now + Duration::from_secs(1);
                }
                Err(error) => self.lose(now, &error),
            }
        }
        self.output.as_ref().map(|output| output.size())
    }

    /// Shows a picture on the open output.
    pub fn show(&mut self, now: Duration, picture: &Pixmap, changed: Place, word: &'static str) {
        let Some(output) = &mut self.output else { return };
        if output.size() != (picture.width(), picture.height()) {
            return;
        }
        let all = Place { x: 0, y: 0, width: picture.width(), height: picture.height() };
        let changed = if self.whole { all } else { changed };
        if changed.is_empty() {
            return;
        }
        match output.show(picture, changed, word) {
            // Only now is it known that no other program has the display.
            Ok(()) => (self.whole, self.told, self.fault) = (false, None, None),
            Err(error) => self.lose(now, &error),
        }
    }

    /// Whether it shows on something that the console wants, too.
    pub fn can_give_way(&self) -> bool {
        self.outlet.is_shared()
    }

    /// Closes the output, for somebody else to use the display.
    pub fn give_way(&mut self, now: Duration) {
        self.output = None;
        self.next_try = now;
    }

    fn lose(&mut self, now: Duration, error: &ScreenError) {
        self.output = None;
        self.next_try = now + RETRY;
        let fault = error.fault();
        let text = fault.to_string();
        if self.told.as_ref() != Some(&text) {
            match error {
                ScreenError::NoDisplay => log::info!("Screen: {error}"),
                _ => log::warn!("Screen: {text}"),
            }
            self.told = Some(text);
        }
        self.fault = (!matches!(error, ScreenError::NoDisplay)).then_some(fault);
    }
}
