//! The board's EEPROM: its age, and the settings that updates lean on, as far as they can be seen.
//!
//! The firmware says in the device tree when it was built, and puts its configuration into memory that the
//! kernel shows as a non-volatile memory. Reference: Raspberry Pi documentation, "Raspberry Pi bootloader
//! configuration"; rpi-eeprom's release notes for the dates. Unproven without a board. The image does not
//! hold the tool that writes the EEPROM: that is done from Raspberry Pi OS.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use base::failure::Fault;
use time::macros::date;
use time::{Date, OffsetDateTime};

use super::slot;

/// Where the firmware says what it is and how it started.
pub const CHOSEN: &str = "/sys/firmware/devicetree/base/chosen";

/// Where the kernel shows its non-volatile memories.
pub const MEMORIES: &str = "/sys/bus/nvmem/devices";

/// Most bytes read of the configuration. The EEPROM has room for 4 kB of it.
const MAX_BYTES: u64 = 16 * 1024;

/// Whether the firmware tries the other partitions when the chosen one does not start.
const WALK: &str = "PARTITION_WALK";
/// The first EEPROM that knows it (rpi-eeprom #659), and the first with which it is on where nothing is set
/// (#737).
const WALK_EXISTS: Date = date!(2025 - 01 - 27);
const WALKS_BY_DEFAULT: Date = date!(2025 - 08 - 13);
/// The first EEPROM that reports the boot partition (#575).
const REPORTS_PARTITION: Date = date!(2024 - 05 - 13);
/// The first EEPROM that reads how many cells a size has at the tree's root (linux #7405).
const READS_SIZE_CELLS: Date = date!(2025 - 02 - 11);

/// What matters, the least value that serves, the value to set, and what it is for.
const WANTED: [(&str, u64, u64, &str); 2] = [
    (WALK, 1, 1, "a committed system whose boot partition goes bad is left for the other one"),
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

/// What the firmware says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// The day on which the EEPROM's firmware was built.
    pub built: Option<Date>,
    /// The boot partition that it reports. Zero: none.
    pub partition: Option<u32>,
    /// The least `MFG_VER` that an EEPROM for this board must have. Zero: any.
    pub minimum: Option<u32>,
}

impl Firmware {
    /// Reads it from [`CHOSEN`]. What is not there stays unknown.
    pub fn read(chosen: &Path) -> Self {
        let cell = |name| slot::cell(&chosen.join(name)).ok();
        let built = cell("bootloader/build-timestamp").filter(|seconds| *seconds > 0);
        Self {
            built: built
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds.into()).ok())
                .map(OffsetDateTime::date),
            partition: cell("bootloader/partition"),
            minimum: cell("rpi-min-boot-ver"),
        }
    }

    fn is_before(&self, day: Date) -> bool {
        self.built.is_some_and(|built| built < day)
    }

    fn is_from(&self, day: Date) -> bool {
        self.built.is_some_and(|built| built >= day)
    }

    /// A start for which the firmware did not say which system it started.
    pub fn fault(&self) -> Option<Fault> {
        // No date and no partition: not a Raspberry Pi.
        if self.partition.is_some_and(|number| number != 0) || (self.partition, self.built) == (None, None) {
            return None;
        }
        let age = match self.built {
            Some(built) if built < REPORTS_PARTITION => {
                format!("the board’s EEPROM is of {built}, older than {REPORTS_PARTITION}: it")
            }
            Some(built) => format!("the board’s EEPROM, of {built},"),
            None => "the board’s EEPROM".to_owned(),
        };
        let fault = Fault::new(format!(
            "{age} does not report which system it started, and this start found that out from the files on the card"
        ));
        Some(fault.advise(
            "update the EEPROM: start this board once from a card with Raspberry Pi OS, run `sudo rpi-eeprom-update -a`, \
             and put this card back. If the green LED then flashes 8 or 9 times, the board does not work with the new \
             EEPROM: write a recovery card with the earlier one (Raspberry Pi Imager, “Misc utility images”)",
        ))
    }

    /// Its age, and what follows from it.
    fn sentences(&self) -> String {
        let mut text = self.built.map_or_else(String::new, |built| format!("The EEPROM is of {built}. "));
        if self.is_before(READS_SIZE_CELLS) {
            text += &format!(
                "It is older than {READS_SIZE_CELLS}: updates of it are recommended (`sudo rpi-eeprom-update -a` in Raspberry \
                 Pi OS). "
            );
        }
        if let Some(minimum) = self.minimum.filter(|minimum| *minimum > 0) {
            text += &format!(
                "This board was made for EEPROMs with MFG_VER {minimum} or later: do not install an older one. "
            );
        }
        text
    }
}

/// What should be set and is not; `None` when the configuration cannot be seen here.
pub fn advice(memories: &Path, firmware: &Firmware) -> Option<Vec<Advice>> {
    let mut folders = std::fs::read_dir(memories).ok()?.flatten();
    let memory = folders.find(|entry| is_configuration(&entry.path()))?;
    let mut text = Vec::new();
    std::fs::File::open(memory.path().join("nvmem")).ok()?.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    Some(missing(&String::from_utf8_lossy(&text), firmware))
}

/// Whether a non-volatile memory is the EEPROM's configuration: the kernel numbers such memories, and the
/// device tree says what each is.
fn is_configuration(memory: &Path) -> bool {
    let compatible = std::fs::read(memory.join("of_node/compatible")).unwrap_or_default();
    compatible.split(|byte| *byte == 0).any(|name| name == b"raspberrypi,bootloader-config")
}

/// What is known of the EEPROM, and what to do.
pub fn sentence(memories: &Path, firmware: &Firmware) -> String {
    let listed = |settings: Vec<String>| settings.join(" and ");
    let seen = advice(memories, firmware);
    let is_seen = seen.is_some();
    let missing = seen.unwrap_or_else(|| missing("", firmware));
    let purposes = listed(missing.iter().map(|missing| missing.purpose.to_owned()).collect());
    let settings = listed(missing.into_iter().map(|missing| missing.setting).collect());
    let about = firmware.sentences();
    match (is_seen, settings.is_empty()) {
        (true, true) => format!("{about}The EEPROM is set as updates want it."),
        (true, false) => {
            format!("{about}The EEPROM lacks settings with which {purposes}: {HOW} {settings}.")
        }
        (false, _) => format!(
            "{about}The EEPROM's settings cannot be seen from this system. If nobody did it yet: {HOW} {settings}. With them \
             {purposes}; without, such a system needs a person."
        ),
    }
}

/// What is missing in a configuration's text, for an EEPROM of this date. It lists only what was set.
fn missing(text: &str, firmware: &Firmware) -> Vec<Advice> {
    // Zeros fill the memory behind the text.
    let lines = text.split('\0').next().unwrap_or("").lines();
    let settings: BTreeMap<_, _> = lines.filter_map(|line| line.trim().split_once('=')).collect();
    let is_set = |name, least| match settings.get(name) {
        Some(value) => value.trim().parse().is_ok_and(|value: u64| value >= least),
        None => name == WALK && firmware.is_from(WALKS_BY_DEFAULT),
    };
    let setting = |name, value| match name {
        WALK if firmware.is_before(WALK_EXISTS) => {
            format!("{name}={value} (after an update of the EEPROM: this one does not know it)")
        }
        _ => format!("{name}={value}"),
    };
    WANTED
        .into_iter()
        .filter(|(name, least, ..)| !is_set(*name, *least))
        .map(|(name, _, value, purpose)| Advice { setting: setting(name, value), purpose })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(built: Date) -> Firmware {
        Firmware { built: Some(built), partition: Some(2), minimum: None }
    }

    fn named(text: &str, firmware: &Firmware) -> Vec<String> {
        missing(text, firmware).into_iter().map(|advice| advice.setting).collect()
    }

    #[test]
    fn missing_eeprom_settings_are_named() {
        let stock = "[all]\nBOOT_UART=1\nPOWER_OFF_ON_HALT=0\nBOOT_ORDER=0xf461\n\0\0\0\0";
        let unknown = Firmware::default();
        assert_eq!(named(stock, &unknown), ["PARTITION_WALK=1", "BOOT_WATCHDOG_TIMEOUT=60"]);
        assert_eq!(named("[all]\nPARTITION_WALK=1\nBOOT_WATCHDOG_TIMEOUT=60\n", &unknown).len(), 0);
        assert_eq!(named("PARTITION_WALK=0\nBOOT_WATCHDOG_TIMEOUT=60\n", &unknown).len(), 1);
    }

    #[test]
    fn missing_partition_walk_follows_the_eeproms_date() {
        let watchdog = "BOOT_WATCHDOG_TIMEOUT=60\n";
        assert_eq!(named(watchdog, &of(date!(2025 - 08 - 13))).len(), 0);
        assert_eq!(named("PARTITION_WALK=0\nBOOT_WATCHDOG_TIMEOUT=60", &of(date!(2026 - 01 - 01))).len(), 1);
        assert_eq!(named(watchdog, &of(date!(2025 - 08 - 12))), ["PARTITION_WALK=1"]);
        let old = named(watchdog, &of(date!(2024 - 09 - 10)));
        assert!(old[0].contains("after an update of the EEPROM"), "{old:?}");
    }

    #[test]
    fn firmware_is_read_from_the_device_tree() {
        let chosen = tempfile::tempdir().unwrap();
        assert_eq!(Firmware::read(chosen.path()), Firmware::default());
        std::fs::create_dir(chosen.path().join("bootloader")).unwrap();
        let put = |name: &str, cell: u32| {
            std::fs::write(chosen.path().join(name), cell.to_be_bytes()).unwrap();
        };
        put("bootloader/build-timestamp", 1_698_624_000);
        put("bootloader/partition", 0);
        put("rpi-min-boot-ver", 1);
        let read = Firmware::read(chosen.path());
        assert_eq!(
            read,
            Firmware { built: Some(date!(2023 - 10 - 30)), partition: Some(0), minimum: Some(1) }
        );
        assert!(read.sentences().contains("MFG_VER 1 or later: do not install an older one"));
    }

    #[test]
    fn eeprom_that_reports_no_partition_is_a_fault_with_its_date() {
        let fault = |built, partition| Firmware { built, partition, minimum: None }.fault();
        let old = fault(Some(date!(2023 - 10 - 30)), Some(0)).unwrap();
        assert!(old.what.contains("of 2023-10-30, older than 2024-05-13"), "{old}");
        assert!(old.advice.unwrap().contains("rpi-eeprom-update -a"));
        let new = fault(Some(date!(2026 - 01 - 01)), Some(0)).unwrap();
        assert!(!new.what.contains("older"), "{new}");
        assert_eq!(fault(Some(date!(2023 - 10 - 30)), Some(2)), None);
        assert_eq!(fault(None, None), None);
    }

    #[test]
    fn eeprom_advice_follows_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let firmware = Firmware::default();
        assert_eq!(advice(folder.path(), &firmware), None);
        let told = sentence(folder.path(), &firmware);
        for part in
            ["cannot be seen", "PARTITION_WALK=1 and BOOT_WATCHDOG_TIMEOUT=60", "rpi-eeprom-config --edit"]
        {
            assert!(told.contains(part), "{told}");
        }
        // Another memory: that of the board's one-time settings.
        std::fs::create_dir_all(folder.path().join("rmem0/of_node")).unwrap();
        std::fs::write(folder.path().join("rmem0/nvmem"), "PARTITION_WALK=1\n").unwrap();
        std::fs::write(folder.path().join("rmem0/of_node/compatible"), "nvmem-rmem\0").unwrap();
        assert_eq!(advice(folder.path(), &firmware), None);
        let memory = folder.path().join("rmem1");
        std::fs::create_dir_all(memory.join("of_node")).unwrap();
        std::fs::write(memory.join("of_node/compatible"), "raspberrypi,bootloader-config\0nvmem-rmem\0")
            .unwrap();
        assert_eq!(advice(folder.path(), &firmware), None);
        std::fs::write(memory.join("nvmem"), "PARTITION_WALK=1\n").unwrap();
        assert_eq!(advice(folder.path(), &firmware).unwrap().len(), 1);
        let told = sentence(folder.path(), &firmware);
        assert!(told.contains("set BOOT_WATCHDOG_TIMEOUT=60.") && !told.contains("PARTITION_WALK"), "{told}");
        std::fs::write(memory.join("nvmem"), "PARTITION_WALK=1\nBOOT_WATCHDOG_TIMEOUT=30\n").unwrap();
        assert_eq!(
            sentence(folder.path(), &of(date!(2026 - 01 - 01))),
            "The EEPROM is of 2026-01-01. The EEPROM is set as updates want it."
        );
    }
}
