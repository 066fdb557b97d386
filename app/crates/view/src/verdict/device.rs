//! The card, the clock, the power supply and the heat.

use super::words::{attention, broken, sentence, told};
use crate::state::{Problem, View};

/// Below this the journal may soon fail to grow.
const STORAGE_BROKEN: u64 = 100_000_000;

/// Below this somebody should look before it is too late: a thousand rows are a quarter of a megabyte, a
/// photo one or two.
const STORAGE_ATTENTION: u64 = 1_000_000_000;

/// A Pi 5 slows itself down from 80 °C on.
const TEMPERATURE_LIMIT_C: f32 = 80.0;

pub(super) fn on_memory(view: &View, found: &mut Vec<Problem>) {
    if let Some(on_memory) = &view.on_memory {
        let (what, advice) = told(Some(&on_memory.fault()), "", "replace the card");
        found.push(broken(format!("{}.", sentence(&what)), &advice));
    }
}

pub(super) fn storage(view: &View, found: &mut Vec<Problem>) {
    if view.today.lost > 0 {
        let rows = match view.today.lost {
            1 => "1 recognition was lost: there is no row of it".to_owned(),
            n => format!("{n} recognitions were lost: there are no rows of them"),
        };
        found.push(attention(
            format!("{rows}."),
            "Rows could not be written for hours. The log says when: enter by hand who came and went then, and check the card.",
        ));
    }
    if let Some(reason) = &view.today.unsaved_reason {
        let (what, advice) = told(Some(reason), "", "check the card");
        let rows = match view.today.unsaved {
            1 => "1 row is in memory only, and is".to_owned(),
            n => format!("{n} rows are in memory only, and are"),
        };
        let delivered = match view.today.unsaved_undelivered {
            0 => String::new(),
            1 => " The backend does not have 1 of them yet.".to_owned(),
            n => format!(" The backend does not have {n} of them yet."),
        };
        found.push(broken(
            format!("Rows cannot be saved: {what}."),
            &format!("Leave the power on: {rows} saved as soon as that works again.{delivered} {advice}"),
        ));
    }
    let Some(free) = view.system.storage_free else { return };
    if free < STORAGE_BROKEN {
        found.push(broken(
            format!("The card is full: {} MB are left.", free / 1_000_000),
            "New rows may soon not be saved. Remove photos from the server that nobody needs, or use a larger card.",
        ));
    } else if free < STORAGE_ATTENTION {
        found.push(attention(
            format!("The card is nearly full: {} MB are left.", free / 1_000_000),
            "Plan for a larger card.",
        ));
    }
}

pub(super) fn machine(view: &View, found: &mut Vec<Problem>) {
    if let Some(doubt) = &view.system.clock_doubt {
        found.push(attention(
            format!("The clock is in doubt: {doubt}."),
            "Rows are kept, and delivered once the backend’s clock agrees. If the clock is right, confirm it under “System”; if not, check the network’s time server.",
        ));
    } else if !view.system.clock_trusted {
        found.push(attention(
            "The clock is not set yet.".to_owned(),
            "Rows are kept and corrected as soon as a time server answers. Check that the network lets NTP through.",
        ));
    }
    if view.system.lacks_power {
        found.push(attention(
            "The power supply is too weak: its voltage broke down.".to_owned(),
            "Use a supply made for this device (5 V, 5 A) and its own cable.",
        ));
    }
    let hot = view.system.temperature_c.is_some_and(|celsius| celsius >= TEMPERATURE_LIMIT_C);
    if hot || view.system.slowed_by_heat {
        found.push(attention(
            format!("The device is hot: {:.0} °C.", view.system.temperature_c.unwrap_or_default()),
            "It slows down to protect itself. Give it air, or a cooler.",
        ));
    }
}
