//! Where messages are published. Pure.
//!
//! Devices stand in topics, not doors' names: two doors that have one name do not overwrite each other.

use time::Date;
use time::macros::format_description;

use crate::book::{Device, Student};
use crate::erasure::{Id, Told};

/// A topic that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// What a device has seen of a student on a day.
    Book(Date, Device, Student),
    /// A device says that it is here.
    Beacon(Device),
    /// A command to a device, by its name.
    Command(Device, String),
    /// A student is erased, by the number of the erasure; and whether that was lifted.
    Erasure(Id, bool),
}

/// Topics of one school.
#[derive(Debug, Clone)]
pub struct Topics {
    site: String,
}

impl Topics {
    /// Those of the school `mqtt.site`.
    pub fn new(site: &str) -> Self {
        Self { site: site.to_owned() }
    }

    /// What a device has seen of a student on a day.
    pub fn book(&self, day: Date, device: Device, student: Student) -> String {
        format!("attendance/{}/book/{}/{device}/{student}", self.site, written(day))
    }

    /// A filter for everything of one day.
    pub fn all_of_day(&self, day: Date) -> String {
        format!("attendance/{}/book/{}/+/+", self.site, written(day))
    }

    /// A device says that it is here.
    pub fn beacon(&self, device: Device) -> String {
        self.of(device, "beacon")
    }

    /// A filter for all beacons.
    pub fn beacons(&self) -> String {
        format!("attendance/{}/device/+/beacon", self.site)
    }

    /// A student is erased, or that was lifted.
    pub fn erasure(&self, told: &Told) -> String {
        format!("attendance/{}/{}/{}", self.site, if told.lifted { "lifted" } else { "erased" }, told.id)
    }

    /// Filters for all erasures.
    pub fn erasures(&self) -> [String; 2] {
        ["erased", "lifted"].map(|what| format!("attendance/{}/{what}/+", self.site))
    }

    /// Something else of a device: `availability`, `state`, `event`.
    pub fn of(&self, device: Device, what: &str) -> String {
        format!("attendance/{}/device/{device}/{what}", self.site)
    }

    /// A command to a device.
    pub fn command(&self, device: Device, name: &str) -> String {
        self.of(device, &format!("command/{name}"))
    }

    /// Reads a topic; none where it is not one that this program takes messages from.
    pub fn read(&self, topic: &str) -> Option<Topic> {
        let rest = topic.strip_prefix("attendance/")?.strip_prefix(&*self.site)?.strip_prefix('/')?;
        let parts: Vec<&str> = rest.split('/').collect();
        match parts[..] {
            ["book", day, device, student] => {
                Some(Topic::Book(read(day)?, Device::parse(device)?, Student::parse(student)?))
            }
            ["erased", id] => Some(Topic::Erasure(Id::parse(id)?, false)),
            ["lifted", id] => Some(Topic::Erasure(Id::parse(id)?, true)),
            ["device", device, "beacon"] => Some(Topic::Beacon(Device::parse(device)?)),
            ["device", device, "command", name] => {
                Some(Topic::Command(Device::parse(device)?, name.to_owned()))
            }
            _ => None,
        }
    }
}

fn written(day: Date) -> String {
    day.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

fn read(day: &str) -> Option<Date> {
    Date::parse(day, format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn topics_are_read_as_they_are_written() {
        let topics = Topics::new("school");
        let (device, student) = (Device([1; 8]), Student([255; 16]));
        let day = date!(2026 - 03 - 05);
        let book = topics.book(day, device, student);
        assert_eq!(
            book,
            "attendance/school/book/2026-03-05/0101010101010101/ffffffffffffffffffffffffffffffff"
        );
        assert_eq!(topics.read(&book), Some(Topic::Book(day, device, student)));
        assert_eq!(topics.read(&topics.beacon(device)), Some(Topic::Beacon(device)));
        for lifted in [false, true] {
            let told = Told { id: device, student, at: 0, lifted };
            assert_eq!(topics.read(&topics.erasure(&told)), Some(Topic::Erasure(device, lifted)));
        }
        let command = topics.command(device, "sync");
        assert_eq!(topics.read(&command), Some(Topic::Command(device, "sync".to_owned())));
    }

    #[test]
    fn other_topics_are_none_of_ours() {
        let topics = Topics::new("school");
        for other in [
            "",
            "attendance/other/book/2026-03-05/0101010101010101/ffffffffffffffffffffffffffffffff",
            "attendance/schoolx/device/0101010101010101/beacon",
            "attendance/school/book/2026-13-05/0101010101010101/ffffffffffffffffffffffffffffffff",
            "attendance/school/book/2026-03-05/01/ff",
            "attendance/school/device/0101010101010101/state",
        ] {
            assert_eq!(topics.read(other), None, "{other}");
        }
    }
}
