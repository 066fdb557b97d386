//! A year of a large school in the journal, made here: 600 students and 300 days, read by the real program's
//! own eyes and seen in a real browser.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::identity::RollNumber;
use base::moment::SiteZone;
use journal::storage::{Certainty, Record, Row};
use journal::{Stamp, Status};
use time::macros::date;
use time::{Date, Time};

use crate::real::Real;
use crate::webdriver::Browser;

const STUDENTS: u32 = 600;
const DAYS: i64 = 300;
/// The day before the one of [`Real`].
const LAST: Date = date!(2026 - 11 - 21);

fn roll(number: u32) -> RollNumber {
    RollNumber::parse(&format!("{}", 2_110_000 + number)).unwrap()
}

/// Whether this student stays away on this day: one in eleven does, another one each day.
fn is_away(number: u32, day: i64) -> bool {
    (i64::from(number) + 3 * day) % 11 == 0
}

/// Writes the journal: who comes has an IN after 8 and an OUT after 15 o'clock.
fn write(folder: &Path) {
    let zone = SiteZone::named("UTC").unwrap();
    let mut opened = journal::storage::open(&folder.join("journal"), zone, |_| {}).unwrap();
    let boot: Arc<str> = Arc::from("boot");
    for day in 0..DAYS {
        let date = LAST - time::Duration::days(DAYS - 1 - day);
        let mut records = Vec::new();
        for (status, hour) in [(Status::In, 8), (Status::Out, 15)] {
            for number in (1..=STUDENTS).filter(|number| !is_away(*number, day)) {
                let second = number * 5;
                let time = Time::from_hms(hour, (second / 60) as u8, (second % 60) as u8).unwrap();
                let at = Stamp {
                    utc: date.with_time(time).assume_utc(),
                    since_boot: Duration::from_secs(u64::from(second)),
                    boot: Arc::clone(&boot),
                };
                let id = opened.journal.next_id();
                let row = Row { id, roll: roll(number), status, at, clock: Certainty::Known };
                records.push(Record::Row(row));
            }
        }
        opened.journal.append(&records).unwrap();
    }
    let names =
        (1..=STUDENTS).map(|number| format!("{},Student {number},{} A\n", roll(number), 8 + number % 3));
    std::fs::write(folder.join("students.csv"), format!("roll,name,class\n{}", names.collect::<String>()))
        .unwrap();
}

#[test]
fn a_year_of_six_hundred_students_is_browsed_and_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let real = Real::start(
        "[site]\ndata_dir = \"DATA\"\ntime_zone = \"UTC\"\n[attendance]\nlate_after = \"08:45\"\n",
        folder.path(),
    );
    let who = real.device.log_in().with("Accept", "text/html");
    let timed = |path: &str| {
        let begun = Instant::now();
        let answer = real.device.get(path, &who);
        assert_eq!(answer.status, 200, "{path}");
        eprintln!("{path}: {:.1} s, {} bytes", begun.elapsed().as_secs_f32(), answer.body.len());
        answer
    };
    // A day of the past, from the disk.
    let away = |day: i64| (1..=STUDENTS).filter(|number| is_away(*number, day)).count();
    let csv = timed("/sheets/day.csv?day=2026-03-02").text();
    let day = DAYS - 1 - (LAST - date!(2026 - 03 - 02)).whole_days();
    let count = |state: &str| csv.lines().filter(|line| line.contains(&format!(",{state},"))).count();
    assert_eq!(count("absent"), away(day));
    let late = (1..=STUDENTS).filter(|number| !is_away(*number, day) && number * 5 > 45 * 60).count();
    assert_eq!((count("late"), count("present")), (late, 600 - away(day) - late));
    // The longest range there is, and a month by student.
    let range = timed("/sheets/range.csv?from=2026-08-21&to=2026-11-21").text();
    assert_eq!(range.lines().count(), 93 * 600 + 1);
    timed("/sheets/range.xlsx?from=2026-08-21&to=2026-11-21");
    let month = timed("/sheets/month.csv?month=2026-10").text();
    let line = month.lines().find(|line| line.starts_with("2110011,")).unwrap();
    let october = (0..31).map(|n| DAYS - 1 - (LAST - date!(2026 - 10 - 01)).whole_days() + n);
    let absent = october.filter(|day| is_away(11, *day)).count();
    assert!(line.ends_with(&format!(",{absent},0")), "{line}");
    assert!(timed("/range?from=2026-08-21&to=2026-11-21").text().contains("Student 1"));
    assert!(timed("/student/2110011").text().contains("2026-11-21"));
    let too_long = real.device.get("/range?from=2025-01-01&to=2026-11-21", &who);
    assert!(too_long.status == 400 && too_long.text().contains("days"), "{}", too_long.text());

    let Some(browser) = Browser::open(true) else { return };
    browser.look(360, 740, false);
    browser.go(&real.device.url());
    browser.write("#password", &real.device.password);
    browser.click("button[type=submit]");
    browser.until("600", |b| b.text(".states"));
    browser.go(&format!("{}?day=2026-03-02&class=9%20A", real.device.url()));
    browser.until("Attendance of 2026-03-02", |b| b.text("body"));
    browser.until("of 200", |b| b.text(".paging"));
    browser.click("nav.days a");
    browser.until("2026-03-01", |b| b.text("#attendance-title"));
    let height = browser.script("return document.documentElement.scrollHeight").as_f64().unwrap();
    // Fifty students and fifty rows, each with its folded form.
    assert!(height < 9000.0, "{height} pixels tall");
    if let Some(folder) = std::env::var_os("ATTENDANCE_SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join("year-phone.png"), browser.picture()).unwrap();
    }
}
