//! Corrections of attendance by hand: from the page's words to the journal's, and their results.

use base::identity::RollNumber;
use base::moment::SiteZone;
use journal::{Corrected, Correction as Wish, SchoolDay, Status};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};
use view::corrections::Correction;
use view::{Refused, RowStatus};

use super::answer::NO_SUCH_ROW;

/// What the journal is asked for. `row_at`: the school day of a row.
pub(super) fn wish(
    correction: &Correction,
    day: &SchoolDay,
    day_of_row: impl FnOnce(u64) -> Option<Date>,
) -> Result<Wish, Refused> {
    let refused = |message: &str| Refused { message: message.to_owned(), details: String::new() };
    let row = |text: &str| text.parse::<u64>().map_err(|_| refused(NO_SUCH_ROW));
    let utc = |local| utc_of(local, day.zone()).ok_or_else(|| refused("This time did not exist on that day"));
    Ok(match correction {
        Correction::Add { roll, status, at } => Wish::Add {
            roll: RollNumber::parse(roll).map_err(|error| refused(&error.to_string()))?,
            status: match status {
                RowStatus::In => Status::In,
                RowStatus::Out => Status::Out,
            },
            utc: utc(*at)?,
        },
        Correction::Change { row: text, time } => {
            let id = row(text)?;
            let date = day_of_row(id).ok_or_else(|| refused(NO_SUCH_ROW))?;
            Wish::Change { id, utc: utc(on_day(day, date, *time))? }
        }
        Correction::Void { row: text } => Wish::Void { id: row(text)? },
        Correction::Place { row: text, day } => Wish::Place { id: row(text)?, date: *day },
    })
}

/// A time of a school day: in the night after midnight it lies on the next date.
fn on_day(day: &SchoolDay, date: Date, time: Time) -> PrimitiveDateTime {
    let local = PrimitiveDateTime::new(date, time);
    let belongs =
        |local: PrimitiveDateTime| utc_of(local, day.zone()).is_some_and(|utc| day.date(utc) == date);
    match date.next_day().map(|next| PrimitiveDateTime::new(next, time)) {
        Some(next) if !belongs(local) && belongs(next) => next,
        _ => local,
    }
}

/// The moment at which it was this time at the site: the first one, in the hour that comes twice. None in the
/// hour that is left out in spring.
fn utc_of(local: PrimitiveDateTime, zone: &SiteZone) -> Option<OffsetDateTime> {
    const QUARTERS_OF_A_DAY: i64 = 4 * 15;
    let offsets = (-QUARTERS_OF_A_DAY..=QUARTERS_OF_A_DAY).rev();
    let moments = offsets.map(|quarters| local.assume_utc() - time::Duration::minutes(15 * quarters));
    let mut moments = moments.filter(|utc| zone.local(*utc) == local);
    moments.next()
}

/// The result of a correction, in words.
pub(super) fn told(correction: &Correction, corrected: &Corrected, to_a_backend: bool) -> String {
    let what = match correction {
        Correction::Add { .. } => "The row is added".to_owned(),
        Correction::Change { .. } => "The time of the row is changed".to_owned(),
        Correction::Void { .. } => {
            "The row is taken away; the visit that it was made from counts for nothing".to_owned()
        }
        Correction::Place { .. } if corrected.others == 0 => "The row has its day".to_owned(),
        Correction::Place { .. } => {
            format!("The row has its day, and {} others of the same time with it", corrected.others)
        }
    };
    match (corrected.sent, to_a_backend) {
        (true, _) => format!(
            "{what} on this device. The backend has the row as it was, or may have it, and it cannot be changed there \
             from here: correct it there. It is listed under “Delivery” until you dismiss it"
        ),
        (false, true) => format!("{what}. The backend gets what follows with the next delivery"),
        (false, false) => what,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::{date, datetime, time};

    use super::*;

    #[test]
    fn a_time_of_the_site_is_one_moment() {
        let berlin = SiteZone::named("Europe/Berlin").unwrap();
        assert_eq!(utc_of(datetime!(2026-11-23 08:00), &berlin), Some(datetime!(2026-11-23 07:00 UTC)));
        // It comes twice in autumn and not at all in spring.
        assert_eq!(utc_of(datetime!(2026-10-25 02:30), &berlin), Some(datetime!(2026-10-25 00:30 UTC)));
        assert_eq!(utc_of(datetime!(2026-03-29 02:30), &berlin), None);
        let kathmandu = SiteZone::named("Asia/Kathmandu").unwrap();
        assert_eq!(utc_of(datetime!(2026-11-23 08:00), &kathmandu), Some(datetime!(2026-11-23 02:15 UTC)));
    }

    #[test]
    fn a_time_after_midnight_belongs_to_the_school_day_that_goes_on() {
        let zone = SiteZone::named("UTC").unwrap();
        let day = SchoolDay::new(zone, "04:00".parse().unwrap(), None);
        let row = Correction::Change { row: "7".to_owned(), time: time!(0:30) };
        let wish = wish(&row, &day, |_| Some(date!(2026 - 11 - 23))).unwrap();
        assert_eq!(wish, Wish::Change { id: 7, utc: datetime!(2026-11-24 00:30 UTC) });
    }

    #[test]
    fn what_the_backend_has_is_said_plainly() {
        let void = Correction::Void { row: "7".to_owned() };
        let corrected = Corrected { id: 7, sent: true, others: 0 };
        assert!(told(&void, &corrected, true).contains("cannot be changed there"));
    }
}
