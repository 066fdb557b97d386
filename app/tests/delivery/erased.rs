//! A student is erased from a device that has everything of them, and does not come back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use attendance::appliance::known_photos::KnownPhotos;
use attendance::appliance::students::Students;
use attendance::erasing::{do_what_is_open, known};
use base::event::Bus;
use base::identity::RollNumber;
use base::moment::{ClockTrust, SiteZone, SystemClock};
use config::Config;
use journal::storage::erasing::hold;
use journal::storage::{Delivery, Fate};
use recognition::Quality;
use recognition::roster::PhotoOutcome;
use recognition::roster::cache::{Cache, Entry, Seen};
use tokio::net::TcpListener;
use vision::embedding::{DIMENSIONS, Embedding};
use vision::face::Bounds;

use crate::door::KEY;
use crate::site::{self, Site};

const GONE: &str = "2110001";
const STAYS: &str = "2110002";

/// A device with a backend, and both students in everything that it keeps.
struct Device {
    data: tempfile::TempDir,
    _others: [tempfile::TempDir; 2],
    file: PathBuf,
    config: Config,
}

impl Device {
    async fn filled() -> Self {
        let (photos, data, settings) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (roll, shade) in [(GONE, 10), (STAYS, 20)] {
            let photo = photos.path().join(roll).join("a.jpg");
            std::fs::create_dir_all(photo.parent().unwrap()).unwrap();
            image::RgbImage::from_pixel(64, 64, image::Rgb([shade; 3])).save(photo).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = site::origin(&listener, false).unwrap();
        tokio::spawn(Site::new(photos.path(), KEY).unwrap().serve(listener, None));
        let file = settings.path().join("attendance.toml");
        let text = format!(
            "[site]\ndata_dir = {:?}\nclock = \"system\"\n[photos]\nurl = \"{origin}/media/students?key={KEY}\"\n\
             [tls]\nallow_plain = true\n",
            data.path()
        );
        std::fs::write(&file, text).unwrap();
        let config = config::load(&file).unwrap();
        let device = Self { data, _others: [photos, settings], file, config };
        device.sync().await;
        device.fill();
        device
    }

    fn fill(&self) {
        let data = self.data.path();
        let clock = Arc::new(SystemClock::new(ClockTrust::System));
        let zone = SiteZone::named("UTC").unwrap();
        let records = journal::open(data, self.config.rows(), zone, clock.clone(), Bus::default()).unwrap();
        for roll in [GONE, STAYS] {
            let roll = RollNumber::parse(roll).unwrap();
            records
                .with_recorder(|recorder| recorder.sighted(&roll, base::moment::Clock::now(clock.as_ref())));
        }
        records.with_recorder(journal::Recorder::finish);
        let fate = Fate::Refused(format!("Student {GONE} is not known"));
        let refused = Delivery { id: 1, utc: time::OffsetDateTime::now_utc(), fate };
        records.deliveries.lock().unwrap().append(&[refused]).unwrap();
        drop(records);

        let students = Students::new(data, &data.join("cached_faces"), Default::default());
        let list = format!("roll,name\n{GONE},Asha\n{STAYS},Ben\n");
        students.take(list.as_bytes(), "anna").unwrap();
        std::fs::write(data.join("cached_faces/students.csv"), list).unwrap();
        KnownPhotos::below(data).accept(&format!("{GONE}/b.jpg"), "two faces", "anna").unwrap();
        let mut cache = Cache::default();
        for (number, roll) in [(1, GONE), (2, STAYS)] {
            let raw: Vec<f32> = (0..DIMENSIONS).map(|at| (at + number) as f32).collect();
            let entry = Entry {
                seen: Seen::default(),
                sha256: number.to_string(),
                content: None,
                outcome: PhotoOutcome::Enrolled { quality: Quality::default(), bounds: Bounds::default() },
                embedding: Some(Embedding::normalised(&raw).unwrap()),
            };
            cache.insert(format!("{roll}/a.jpg"), entry.clone());
            cache.insert(format!(".at-the-door/{roll}/1.jpg"), entry);
        }
        for name in ["embeddings.safetensors", "embeddings-sface.safetensors", "embeddings-both.safetensors"]
        {
            cache.save(&data.join(name), "model", "detectors").unwrap();
        }
        let at_the_door = recognition::roster::places::at_the_door(data).join(GONE);
        std::fs::create_dir_all(&at_the_door).unwrap();
        std::fs::write(at_the_door.join("1.jpg"), "a face").unwrap();
    }

    async fn sync(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
        command.arg("sync").arg("--config").arg(&self.file);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The files and folders that name this student, in their name or content.
    fn naming(&self, roll: &str) -> Vec<PathBuf> {
        let mut naming = Vec::new();
        look(self.data.path(), roll, &mut naming);
        naming
    }

    fn erase(&self) {
        do_what_is_open(&self.config, &known(&self.config)).unwrap();
    }
}

fn look(folder: &Path, roll: &str, naming: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_folder = path.is_dir();
        let holds = || std::fs::read(&path).unwrap().windows(roll.len()).any(|part| part == roll.as_bytes());
        if path.file_name().unwrap().to_str().unwrap().contains(roll) || (!is_folder && holds()) {
            naming.push(path.clone());
        }
        if is_folder {
            look(&path, roll, naming);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_student_is_left_and_the_next_synchronisation_does_not_bring_them_back() {
    let device = Device::filled().await;
    // The journal's three logs, the day's file, two lists, photo, state, two caches, the door's photo.
    assert!(device.naming(GONE).len() >= 11, "{:?}", device.naming(GONE));
    let others = device.naming(STAYS).len();

    let id = known(&device.config).ask(&RollNumber::parse(GONE).unwrap(), "anna (office)", 5).unwrap();
    device.erase();
    assert_eq!(device.naming(GONE), [""; 0].map(PathBuf::from));
    assert_eq!(device.naming(STAYS).len(), others, "everybody else stays as they were");

    device.sync().await;
    assert_eq!(device.naming(GONE), [""; 0].map(PathBuf::from), "fetched again");
    let erased = known(&device.config).erased();
    let students = Students::without(device.data.path(), device.data.path(), Default::default(), erased);
    let list = students.take(format!("roll,name\n{GONE},Asha\n{STAYS},Ben\n").as_bytes(), "anna").unwrap();
    assert!(list.students.len() == 1 && list.left_out[0].contains("erased earlier"), "{list:?}");
    assert_eq!(device.naming(GONE), [""; 0].map(PathBuf::from), "by the next list");

    known(&device.config).lift(&id.to_string()).unwrap();
    device.sync().await;
    assert!(device.data.path().join("cached_faces").join(GONE).join("a.jpg").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_off_is_finished_at_the_next_start() {
    let device = Device::filled().await;
    let erasures = known(&device.config);
    erasures.ask(&RollNumber::parse(GONE).unwrap(), "anna (office)", 5).unwrap();
    // The first step alone, then the power goes.
    let erased = erasures.to_do().unwrap();
    hold(device.data.path()).unwrap().erase(device.data.path(), &erased).unwrap();
    assert!(!device.naming(GONE).is_empty() && known(&device.config).to_do().is_some());
    // A start beside another process that has the journal does not say that it is done.
    let other = hold(device.data.path()).unwrap();
    assert!(do_what_is_open(&device.config, &known(&device.config)).is_err());
    assert!(known(&device.config).to_do().is_some());
    drop(other);
    device.erase();
    assert_eq!(device.naming(GONE), [""; 0].map(PathBuf::from));
    assert!(known(&device.config).to_do().is_none());
}
