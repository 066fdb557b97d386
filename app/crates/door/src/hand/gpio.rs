//! Lines of the header by the kernel's GPIO character devices.

use std::sync::Arc;

use gpiocdev::Request;
use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::Value;

use super::{Line, LineError, Lines};
use crate::pins::Pin;

/// The controller whose lines the header brings out.
pub struct Header {
    controller: String,
}

impl Header {
    /// The controller with this label ([`crate::pins::CONTROLLER`] on a Pi 5).
    pub fn new(controller: impl Into<String>) -> Self {
        Self { controller: controller.into() }
    }
}

impl Lines for Header {
    fn claim(&mut self, pin: Pin, active_high: bool) -> Result<Arc<dyn Line>, LineError> {
        let is_ours = |path: &std::path::PathBuf| {
            let info = Chip::from_path(path).and_then(|chip| chip.info());
            info.is_ok_and(|info| info.label == self.controller)
        };
        // Without any controller this is an error, too.
        let path = chips().unwrap_or_default().into_iter().find(is_ours);
        let path = path.ok_or_else(|| LineError::NoController(self.controller.clone()))?;
        let taken = Chip::from_path(&path).and_then(|chip| chip.line_info(pin.line()));
        if taken.is_ok_and(|line| line.used) {
            return Err(LineError::Busy(pin));
        }
        let mut request = Request::builder();
        request.on_chip(path).with_consumer("attendance").with_line(pin.line());
        if !active_high {
            request.as_active_low();
        }
        let request = request.as_output(Value::Inactive).request().map_err(|error| refused(pin, &error))?;
        Ok(Arc::new(Held { pin, request }))
    }
}

struct Held {
    pin: Pin,
    request: Request,
}

impl Line for Held {
    fn set(&self, on: bool) -> Result<(), LineError> {
        let value = if on { Value::Active } else { Value::Inactive };
        self.request.set_lone_value(value).map(|_| ()).map_err(|error| refused(self.pin, &error))
    }
}

fn refused(pin: Pin, error: &gpiocdev::Error) -> LineError {
    LineError::Refused { pin, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_machine_without_the_header_says_so() {
        let pin = Pin::try_from(16).unwrap();
        let missing = Header::new("no such controller").claim(pin, true).err().unwrap();
        assert_eq!(missing, LineError::NoController("no such controller".to_owned()));
    }
}
