//! States of an appliance: healthy, and with everything broken.

use std::path::Path;
use std::sync::Arc;

use base::event::WorkerState;
use base::moment::SiteZone;
use bytes::Bytes;
use settings::desk::Desk;
use settings::store::{RealDisk, Store};
use settings::trial::Keeper;
use settings::writer::Writer;
use view::card::Card;
use view::systems::{
    Content, InstalledSystem, Origin, Signers, Slot, SlotView, Systems, UpdateEnd, UpdateOutcome,
};
use view::{
    Camera, KnownScene, LivenessCheck, Mark, PhotoSync, Picture, RefusedPhoto, RefusedRow, RosterCount, Row,
    RowDelivery, RowStatus, System, Today, Update, Upload, View, Worker,
};

/// Settings as a site has them, with secrets that are to be seen nowhere.
pub fn desk(folder: &Path) -> Desk {
    let file = folder.join("attendance.toml");
    let text = "# The north gate.\n[site]\nname = \"North gate\" # shown on the page\n\n[webhook]\nurl = \"https://backend.example/hook?key=s3cr3t\"\n\
                # From the office, 3 March.\nkey = \"s3cr3t\"\n";
    std::fs::write(&file, text).unwrap();
    let store = Store::below(folder, Arc::new(RealDisk));
    let keeper = Keeper::with(Writer::new(&file), store);
    assert_eq!(keeper.begin(), settings::trial::Start::GoOn);
    Desk::new(Arc::new(keeper), SiteZone::default())
}

pub fn row(name: &str, status: &str, timestamp: &str) -> Row {
    Row {
        name: name.to_owned(),
        status: if status == "OUT" { RowStatus::Out } else { RowStatus::In },
        timestamp: timestamp.to_owned(),
        provisional: false,
        delivery: RowDelivery::Delivered,
        ..Row::default()
    }
}

/// A grey picture with one mark: no face.
pub fn picture(label: &str, good: bool) -> Picture {
    let grey =
        image::RgbImage::from_fn(320, 180, |x, y| image::Rgb([(x / 2) as u8, (y / 2) as u8 + 60, 110]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    grey.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let mark = Mark { x: 120.0, y: 50.0, width: 70.0, height: 90.0, label: label.to_owned(), good };
    Picture { jpeg: Bytes::from(jpeg.into_inner()), width: 320, height: 180, marks: vec![mark] }
}

/// An appliance at half past nine on a good day.
pub fn healthy() -> View {
    let running =
        |name: &str| Worker { name: name.to_owned(), state: WorkerState::Running, reason: None, restarts: 0 };
    View {
        site: "North gate".to_owned(),
        now: "2026-11-22 09:30:12".to_owned(),
        system: System {
            version: "0.1.0".to_owned(),
            slot: Some("A".to_owned()),
            pid: std::process::id(),
            started: "2026-11-20 06:00:00".to_owned(),
            uptime_s: 185_412,
            storage_free: Some(21_400_000_000),
            storage_total: Some(28_900_000_000),
            memory_free: Some(6_100_000_000),
            memory_total: Some(8_200_000_000),
            temperature_c: Some(54.2),
            slowed_by_heat: false,
            lacks_power: false,
            clock_trusted: true,
            clock_doubt: None,
            time_zone: "Asia/Kolkata".to_owned(),
            liveness: LivenessCheck::PassiveAny,
            scene: KnownScene::Usable,
        },
        workers: ["recognition", "sync", "upload", "attendance"].map(running).to_vec(),
        camera: Camera {
            restarts: 0,
            reboots: 0,
            source: "imx708".to_owned(),
            frame_rate: 14.6,
            latency_ms: 61.0,
            dropped: 214,
            frames: 2_702_331,
            last_frame_age_s: Some(0.07),
            decisions: Vec::new(),
        },
        today: Today {
            date: "2026-11-22".to_owned(),
            file: "/var/lib/attendance/attendance_2026-11-22.csv".to_owned(),
            exists: true,
            unsaved: 0,
            unsaved_undelivered: 0,
            unsaved_reason: None,
            lost: 0,
            policy: "first-in-last-out".to_owned(),
            outs_are_sent: "OUT rows are open until 19:00, and are sent then.".to_owned(),
            rows: (0..42)
                .map(|n| {
                    let at = format!("2026-11-22 {:02}:{:02}:{:02}", 8 + n / 30, (n * 2) % 60, (n * 37) % 60);
                    row(&format!("21100{:02}", n % 36 + 1), if n < 36 { "IN" } else { "OUT" }, &at)
                })
                .collect(),
            ..Today::default()
        },
        upload: Upload {
            url: Some("https://backend.example/attendance/webhook".to_owned()),
            interval_s: 60,
            last_success: Some("2026-11-22 09:29:40".to_owned()),
            ..Upload::default()
        },
        sync: PhotoSync {
            source: "https://backend.example/media/students".to_owned(),
            interval_s: 900,
            last_success: Some("2026-11-22 09:15:03".to_owned()),
            summary: Some("Nothing changed: 2104 photos as they were.".to_owned()),
            ..PhotoSync::default()
        },
        roster: RosterCount { students: 1021, photos: 2104, unrecognisable: 0, refused: Vec::new() },
        update: Update {
            systems: Some(systems(UpdateEnd::Committed)),
            window: "02:00-04:30".to_owned(),
            ..Update::default()
        },
        school: None,
        plain_http: Vec::new(),
        on_memory: None,
        card: Some(Card::parse("state=plain\n")),
        problems: Vec::new(),
    }
}

/// Slot A runs and is committed; the last update, in A or (rolled back) in B, ended so.
pub fn systems(end: UpdateEnd) -> Systems {
    let system = |version: &str, day: &str| {
        Some(InstalledSystem { version: version.to_owned(), built: Some(format!("{day}T12:00:00Z")) })
    };
    let failed = !end.is_success();
    let a = system("1.3.0+20261118.1610.9b3e01c", "2026-11-18");
    let b = if failed {
        system("1.4.0+20261120.0830.77d0c52", "2026-11-20")
    } else {
        system("1.2.0+20261002.0900.4f1c2aa", "2026-10-02")
    };
    let to = InstalledSystem { version: if failed { "1.4.0" } else { "1.3.0" }.to_owned(), built: None };
    let last = UpdateOutcome {
        trial: 3,
        slot: if failed { Slot::B } else { Slot::A },
        from: InstalledSystem::default(),
        went_back: false,
        to: Some(to),
        origin: Origin::Page,
        at: time::macros::datetime!(2026-11-21 02:14:00 UTC),
        end,
    };
    let sentence = if failed {
        "The update to version 1.4.0 was rolled back: its check \"camera\" failed (no frame within 180 s). The previous version runs."
    } else {
        "Updated to version 1.3.0 from the page."
    };
    Systems {
        slot: Slot::A,
        on_trial: false,
        committed: Slot::A,
        a: SlotView { content: Content::Whole, system: a },
        b: SlotView { content: if failed { Content::Failed } else { Content::Whole }, system: b },
        waits_for_trial: None,
        sentence: Some(sentence.to_owned()),
        attempt: None,
        installed: None,
        needs_acknowledgement: failed,
        signers: if failed { Signers::Development } else { Signers::Own },
        eeprom: "The EEPROM's settings cannot be seen from this system.".to_owned(),
        not_wanted: if failed { vec!["1.4.0".to_owned()] } else { Vec::new() },
        last: Some(last),
    }
}

/// Much is wrong at once.
pub fn broken(view: &mut View) {
    view.update.systems = Some(systems(UpdateEnd::Failed {
        check: "camera".to_owned(),
        reason: "no frame within 180 s".to_owned(),
        log: vec!["camera: opening imx708".to_owned(), "WARN: camera failed: no such device".to_owned()],
    }));
    view.camera.last_frame_age_s = Some(73.0);
    view.camera.frame_rate = 0.0;
    view.system.clock_trusted = false;
    view.workers[0].restarts = 3;
    view.workers[2].state = WorkerState::Held;
    view.workers[2].reason = Some("the webhook refuses the key (401)".into());
    view.upload.backlog = 318;
    view.upload.error = Some("the webhook refuses the key (401)".into());
    view.upload.needs_person = ["2110007", "9999999"]
        .map(|name| RefusedRow {
            id: format!("2026-11-21:{name}:IN"),
            name: name.to_owned(),
            status: RowStatus::In,
            timestamp: "2026-11-21 09:02:10".to_owned(),
            reason: format!("Student not found: {name}"),
            ..RefusedRow::default()
        })
        .to_vec();
    view.roster.refused = [
        ("2110004/group.jpg", "Two faces; use a photo with one person."),
        ("2110005/broken.jpg", "The file is damaged; upload it again."),
    ]
    .map(|(photo, reason)| RefusedPhoto {
        photo: photo.to_owned(),
        reason: reason.to_owned(),
        picture: true,
        accepted_by: None,
    })
    .to_vec();
}
