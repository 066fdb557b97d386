//! What the machine says of itself: memory, storage, temperature. Whatever cannot be read is left out.

use std::path::{Path, PathBuf};

use base::failure::Fault;
use base::moment::Moment;
use config::Config;
use provision::network::state;
use view::card::Card;
use view::on_memory::OnMemory;

/// Free and all bytes of the file system that holds `path`, or of its nearest parent that exists.
pub fn storage(path: &Path) -> Option<(u64, u64)> {
    let there = path.ancestors().find(|ancestor| ancestor.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
}

/// Available and all bytes of memory.
pub fn memory() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some((meminfo(&text, "MemAvailable:")?, meminfo(&text, "MemTotal:")?))
}

fn meminfo(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Temperature of the processor, °C.
pub fn temperature() -> Option<f32> {
    let text = std::fs::read_to_string("/sys/class/thermal/thermal_zone0/temp").ok()?;
    text.trim().parse::<f32>().ok().map(|thousandths| thousandths / 1000.0)
}

/// Whether the kernel slows the processor down because it is too hot: any of its cooling devices is at work.
pub fn slowed_by_heat() -> bool {
    entries("/sys/class/thermal").any(|device| {
        let told = |file| std::fs::read_to_string(device.join(file)).unwrap_or_default();
        // The fan is a cooling device too.
        told("type").contains("cpufreq") && told("cur_state").trim().parse().unwrap_or(0) > 0
    })
}

/// Whether the firmware has seen the supply's voltage break down (driver raspberrypi-hwmon).
pub fn lacks_power() -> bool {
    entries("/sys/class/hwmon").any(|sensor| {
        let told = |file| std::fs::read_to_string(sensor.join(file)).unwrap_or_default();
        told("name").trim() == "rpi_volt" && told("in0_lcrit_alarm").trim() == "1"
    })
}

/// What the initramfs says of a start on memory, in the file at `path`; none where there is none. Also
/// logged: the file does not change before the next start.
pub fn on_memory(path: &Path) -> Option<OnMemory> {
    let on_memory = OnMemory::parse(&std::fs::read_to_string(path).ok()?);
    log::error!("{}", on_memory.fault());
    Some(on_memory)
}

/// What the initramfs says of the card's encryption, in the file at `path`. Also logged, once.
pub fn card(path: &Path) -> Option<Card> {
    let card = Card::parse(&std::fs::read_to_string(path).ok()?);
    match card.fault() {
        Some(fault) => log::warn!("{fault}"),
        None => log::info!("{}", card.line()),
    }
    Some(card)
}

/// What is wrong with the machine's network, as far as it sees that itself.
pub fn network(config: &Config, now: Moment) -> Vec<Fault> {
    state::faults(&state::System::default(), config, now.utc, now.trusted)
}

fn entries(folder: &str) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn malformed_meminfo_is_ignored() {
        let text = "MemTotal:       24588284 kB\nMemFree:        100 kB\nMemAvailable:   23488000 kB\n";
        assert_eq!(meminfo(text, "MemAvailable:"), Some(23_488_000 * 1024));
        assert_eq!(meminfo("MemTotal: much\n", "MemTotal:"), None);
        assert_eq!(meminfo("", "MemTotal:"), None);
    }

    #[test]
    fn start_on_memory_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        assert_eq!(on_memory(&path), None);
        std::fs::write(&path, "state=read-only\ncopy=all\noriginal=kept\n").unwrap();
        assert!(!on_memory(&path).unwrap().original_gone);
    }

    #[test]
    fn storage_of_a_missing_folder_is_that_of_its_parent() {
        let (free, total) = storage(Path::new("/tmp/not/yet/made")).unwrap();
        assert!(total > 0 && free <= total);
    }
}
