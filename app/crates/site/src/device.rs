//! Which device this is: a number drawn at the first start, mixed with the board's own, and a counter of
//! starts.
//!
//! A card that is copied with its data has the same drawn number, and another board: so two doors made by
//! copying a card are two devices.

use std::io;
use std::path::Path;

use base::durable;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::book::Device;

/// Where a board tells its serial number: the device tree's, else the operating system's own number.
const BOARD: [&str; 2] = ["/sys/firmware/devicetree/base/serial-number", "/etc/machine-id"];

/// This device in this run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The device.
    pub device: Device,
    /// How often the program has started here.
    pub start: u32,
}

impl Identity {
    /// The sequence of the `n`th message of this run: greater than every one of an earlier run.
    pub fn sequence(self, n: u32) -> u64 {
        u64::from(self.start) << 32 | u64::from(n)
    }

    /// The start of the program that a sequence is of.
    pub fn start_of(sequence: u64) -> u64 {
        sequence >> 32
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    drawn: String,
    starts: u32,
}

/// This device, and one more start of it. Kept in the file `mqtt/device.json` of the data folder.
///
/// # Errors
/// An error of the file system.
pub fn identify(data_dir: &Path) -> io::Result<Identity> {
    let board = BOARD.iter().find_map(|path| std::fs::read(path).ok().filter(|serial| !serial.is_empty()));
    identify_on(data_dir, &board.unwrap_or_default())
}

/// As [`identify`], on a board with this serial number.
///
/// # Errors
/// An error of the file system.
pub fn identify_on(data_dir: &Path, board: &[u8]) -> io::Result<Identity> {
    let path = data_dir.join("mqtt/device.json");
    let kept = durable::read(&path)?.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    let Kept { drawn, starts } = match kept {
        Some(kept) => kept,
        None => Kept { drawn: draw()?, starts: 0 },
    };
    let start = starts.saturating_add(1);
    let content = serde_json::to_vec(&Kept { drawn: drawn.clone(), starts: start })?;
    durable::replace(&path, &content)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(drawn.as_bytes());
    context.update(&[0]);
    context.update(board);
    let mut device = [0; 8];
    device.copy_from_slice(&context.finish().as_ref()[..8]);
    Ok(Identity { device: Device(device), start })
}

fn draw() -> io::Result<String> {
    let mut number = [0; 8];
    SystemRandom::new()
        .fill(&mut number)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(Device(number).to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_device_stays_the_same_and_counts_its_starts() {
        let folder = tempfile::tempdir().unwrap();
        let first = identify_on(folder.path(), b"board").unwrap();
        let second = identify_on(folder.path(), b"board").unwrap();
        assert_eq!(first.device, second.device);
        assert!(second.sequence(0) > first.sequence(u32::MAX));
    }

    #[test]
    fn a_copied_card_is_another_device_on_another_board() {
        let folder = tempfile::tempdir().unwrap();
        let here = identify_on(folder.path(), b"board").unwrap();
        assert_ne!(identify_on(folder.path(), b"other board").unwrap().device, here.device);
        assert_ne!(identify_on(tempfile::tempdir().unwrap().path(), b"board").unwrap().device, here.device);
    }

    #[test]
    fn a_damaged_file_gives_a_new_device() {
        let folder = tempfile::tempdir().unwrap();
        let before = identify_on(folder.path(), b"board").unwrap();
        std::fs::write(folder.path().join("mqtt/device.json"), "{").unwrap();
        assert_ne!(identify_on(folder.path(), b"board").unwrap().device, before.device);
    }
}
