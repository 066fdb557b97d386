//! The EEPROM's settings that updates lean on, as far as they can be seen.
//!
//! The Pi's firmware puts its configuration into memory that the kernel shows as a non-volatile memory called
//! `blconfig`. Reference: Raspberry Pi documentation, "Raspberry Pi bootloader configuration". Unproven
//! without a board. The mainline device trees of the image do not describe that memory, so that there the
//! answer is that nothing can be seen. Nor does the image hold the tool that sets them: they are set once for
//! each board, from Raspberry Pi OS.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Where the kernel shows its non-volatile memories.
pub const MEMORIES: &str = "/sys/bus/nvmem/devices";

/// Most bytes read of the configuration. The EEPROM has room for 4 kB of it.
const MAX_BYTES: u64 = 16 * 1024;

/// What matters, the least value that serves, the value to set, and what it is for.
const WANTED: [(&str, u64, u64, &str); 2] = [
    ("PARTITION_WALK", 1, 1, "a committed system whose boot partition goes bad is left for the other one"),
    ("BOOT_WATCHDOG_TIMEOUT", 30, 60, "a system that hangs before its kernel runs is left for the other one"),
];

/// How they are set.
const HOW: &str =
    "start this board once from a card with Raspberry Pi OS, run `sudo rpi-eeprom-config --edit`, and set";

/// A setting that is missing, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The setting and its value, as it stands in the EEPROM's configuration.
    pub setting: String,
    /// What it is for.
    pub purpose: &'static str,
}

/// What should be set and is not; `None` when the configuration cannot be seen here.
pub fn advice(memories: &Path) -> Option<Vec<Advice>> {
    let mut folders = std::fs::read_dir(memories).ok()?.flatten();
    let memory = folders.find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"blconfig"))?;
    let mut text = Vec::new();
    std::fs::File::open(memory.path().join("nvmem")).ok()?.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    Some(missing(&String::from_utf8_lossy(&text)))
}

/// What is known of the settings, and what to do.
pub fn sentence(memories: &Path) -> String {
    let listed = |settings: &[String]| settings.join(" and ");
    match advice(memories) {
        Some(missing) if missing.is_empty() => "The EEPROM is set as updates want it.".to_owned(),
        Some(missing) => {
            let settings: Vec<_> = missing.iter().map(|missing| missing.setting.clone()).collect();
            let purposes: Vec<_> = missing.iter().map(|missing| missing.purpose.to_owned()).collect();
            format!(
                "The EEPROM lacks settings with which {}: {HOW} {}.",
                listed(&purposes),
                listed(&settings)
            )
        }
        None => {
            let settings = WANTED.map(|(name, _, value, _)| format!("{name}={value}"));
            let purposes = WANTED.map(|(_, _, _, purpose)| purpose.to_owned());
            format!(
                "The EEPROM's settings cannot be seen from this system. If nobody did it yet: {HOW} {}. With them {}; without, such a \
                 system needs a person.",
                listed(&settings),
                listed(&purposes)
            )
        }
    }
}

/// What is missing in a configuration's text.
fn missing(text: &str) -> Vec<Advice> {
    // Zeros fill the memory behind the text.
    let lines = text.split('\0').next().unwrap_or("").lines();
    let settings: BTreeMap<_, _> = lines.filter_map(|line| line.trim().split_once('=')).collect();
    let is_set = |name, least| {
        settings
            .get(name)
            .and_then(|value| value.trim().parse().ok())
            .is_some_and(|value: u64| value >= least)
    };
    WANTED
        .into_iter()
        .filter(|(name, least, ..)| !is_set(*name, *least))
        .map(|(name, _, value, purpose)| Advice { setting: format!("{name}={value}"), purpose })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn missing_eeprom_settings_are_named() {
        let stock = "[all]\nBOOT_UART=1\nPOWER_OFF_ON_HALT=0\nBOOT_ORDER=0xf461\n\0\0\0\0";
        let named: Vec<_> = missing(stock).into_iter().map(|advice| advice.setting).collect();
        assert_eq!(named, ["PARTITION_WALK=1", "BOOT_WATCHDOG_TIMEOUT=60"]);
        assert_eq!(missing("[all]\nPARTITION_WALK=1\nBOOT_WATCHDOG_TIMEOUT=60\n"), []);
        assert_eq!(missing("PARTITION_WALK=0\nBOOT_WATCHDOG_TIMEOUT=60\n").len(), 1);
    }

    #[test]
    fn eeprom_advice_follows_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(advice(folder.path()), None);
        let told = sentence(folder.path());
        for part in
            ["cannot be seen", "PARTITION_WALK=1 and BOOT_WATCHDOG_TIMEOUT=60", "rpi-eeprom-config --edit"]
        {
            assert!(told.contains(part), "{told}");
        }
        std::fs::create_dir(folder.path().join("blconfig0")).unwrap();
        assert_eq!(advice(folder.path()), None);
        std::fs::write(folder.path().join("blconfig0/nvmem"), "PARTITION_WALK=1\n").unwrap();
        assert_eq!(advice(folder.path()).unwrap().len(), 1);
        let told = sentence(folder.path());
        assert!(told.contains("set BOOT_WATCHDOG_TIMEOUT=60.") && !told.contains("PARTITION_WALK"), "{told}");
        std::fs::write(folder.path().join("blconfig0/nvmem"), "PARTITION_WALK=1\nBOOT_WATCHDOG_TIMEOUT=30\n")
            .unwrap();
        assert_eq!(sentence(folder.path()), "The EEPROM is set as updates want it.");
    }
}
