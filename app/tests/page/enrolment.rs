//! Enrolment at the door with the real program: a replayed camera, the real models, and the office in a real
//! browser.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use access::account::AccountFile;
use access::role::Role;
use base::secret::Secret;
use bytes::Bytes;
use models::store::Store;
use recognition::Engine;
use recognition::config::Recognition;
use view::enrolment::{Enrolment, Kept, Sitting};
use view::{Done, Refused};

use crate::browser::log_in;
use crate::browser_reading::reads_well;
use crate::client::As;
use crate::device::{Device, PASSWORD};
use crate::webdriver::Browser;

/// `attendance run` before the demo's film, which enrols nobody but the four who are not in the film.
struct Appliance {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder of the demo's data, with its models on the machine; none with a word about what is missing.
fn demo() -> Option<PathBuf> {
    let Some(demo) = std::env::var_os("ATTENDANCE_DEMO").map(PathBuf::from) else {
        skipped::skipped("the demo's data: set ATTENDANCE_DEMO, as scripts/test does");
        return None;
    };
    if Engine::load(&Store::default_dir(), &Recognition::default()).is_err() {
        skipped::skipped("the models; run fetch_models");
        return None;
    }
    Some(demo)
}

fn start(demo: &Path, person: &str) -> Appliance {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (data, photos) = (folder.path().join("data"), folder.path().join("photos"));
    for student in std::fs::read_dir(demo.join("students")).unwrap().flatten() {
        let to = photos.join(student.file_name());
        if student.file_name() == *person {
            continue;
        }
        std::fs::create_dir_all(&to).unwrap();
        for photo in std::fs::read_dir(student.path()).unwrap().flatten() {
            std::fs::copy(photo.path(), to.join(photo.file_name())).unwrap();
        }
    }
    std::fs::write(photos.join("students.csv"), format!("roll,name,class\n{person},Asha,9 B\n")).unwrap();
    let hash = access::password::hash(&Secret::new(PASSWORD)).unwrap();
    let film = demo.join("door.y4m");
    let text = format!(
        "[site]\nname = \"North gate\"\nclock = \"system\"\ndata_dir = {data:?}\n[photos]\nfolder = {photos:?}\n\
         [camera]\nsource = \"replay\"\nreplay = [{film:?}]\n[enrolment]\nat_the_door = true\n\
         [page]\nlisten = \"{address}\"\npassword_hash = \"{hash}\"\n"
    );
    let file = folder.path().join("attendance.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
    let process = command
        .args(["run", "--config"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Appliance { process, folder, address }
}

fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("ATTENDANCE_SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), browser.picture()).unwrap();
    }
}

impl Appliance {
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn log_in(&self, browser: &Browser) {
        let begun = Instant::now();
        loop {
            browser.go(&self.url("/login"));
            if browser.find("#password").is_some() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the page does not come");
            std::thread::sleep(Duration::from_millis(200));
        }
        let password =
            AccountFile::below(&self.folder.path().join("data")).add("anna", Role::Office).unwrap();
        browser.script("document.getElementById('account').value = ''");
        browser.write("#account", "anna");
        browser.write("#password", password.expose());
        browser.click("button[type=submit]");
        browser.until("North gate", |b| b.text("body"));
    }

    /// Looks at a page until it says `words`.
    fn until(&self, browser: &Browser, path: &str, words: &str) {
        let begun = Instant::now();
        loop {
            browser.go(&self.url(path));
            let text = browser.text("body");
            if text.contains(words) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{path} does not say {words}: {text}");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

#[test]
fn the_office_enrols_a_student_with_the_doors_camera() {
    let Some(browser) = Browser::open(true) else { return };
    let Some(demo) = demo() else { return };
    let person = std::fs::read_to_string(demo.join("person")).unwrap().trim().to_owned();
    let appliance = start(&demo, &person);
    browser.look(360, 740, false);
    appliance.log_in(&browser);
    let student = format!("/student/{person}");
    appliance.until(&browser, &student, "Asha");
    assert!(browser.text("body").contains("No photo is in use"));
    picture(&browser, "enrolment-real-student-phone");
    browser.click("form[action='/enrol/begin'] button");
    browser.until("begun by anna", |b| b.text("#sitting"));
    // The page is updated while the person of the film passes.
    let begun = Instant::now();
    while browser.find("form[action='/enrol/confirm'] button").is_none() {
        let said = browser.text("#sitting");
        assert!(begun.elapsed() < Duration::from_secs(300) && !said.contains("again"), "{said}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let loaded = "return [...document.querySelectorAll('.faces img')].filter(i => i.complete && i.naturalWidth > 60).length";
    browser.until("3", |b| b.script(loaded).to_string());
    picture(&browser, "enrolment-real-phone");
    browser.look(1280, 900, true);
    picture(&browser, "enrolment-real-desk-dark");
    let kept = appliance.folder.path().join("data/enrolled_at_the_door").join(&person);
    assert!(!kept.exists(), "nothing is on the disk before somebody confirms");
    browser.click("form[action='/enrol/confirm'] button");
    browser.until("are kept", |b| b.text("#outcome"));
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 4, "three pictures and who took them");
    appliance.until(&browser, &student, "taken at the door, 3.jpg");
    assert!(browser.text("body").contains("3 pictures, kept by anna"), "{}", browser.text("body"));
    picture(&browser, "enrolment-real-kept");
    // And the door knows them.
    appliance.until(&browser, "/", "Asha");
    let begun = Instant::now();
    while !browser.text("#list").contains("present") {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", browser.text("#list"));
        std::thread::sleep(Duration::from_secs(2));
        browser.go(&appliance.url(&format!("/?q={person}")));
    }
    browser.go(&appliance.url(&student));
    browser.click("details:has(form[action='/enrol/remove']) summary");
    browser.click("form[action='/enrol/remove'] button");
    browser.until("are deleted", |b| b.text("#outcome"));
    assert!(!kept.exists());
    appliance.until(&browser, &student, "No photo is in use");
    let mut complaints = browser.complaints();
    complaints.retain(|complaint| !complaint.contains("favicon"));
    assert_eq!(complaints, [""; 0]);
}

/// A stand-in that takes a picture each time somebody looks.
#[derive(Default)]
pub struct FakeEnrolment {
    sitting: Mutex<Option<Sitting>>,
    kept: Mutex<BTreeMap<String, Kept>>,
}

impl FakeEnrolment {
    fn sitting_of(&self, number: u64) -> Option<Sitting> {
        let sitting = self.sitting.lock().unwrap().clone();
        sitting.filter(|sitting| sitting.number == number && sitting.over.is_none())
    }

    fn end(&self, why: &str) {
        if let Some(sitting) = self.sitting.lock().unwrap().as_mut() {
            sitting.over = Some(why.to_owned());
        }
    }
}

impl Enrolment for FakeEnrolment {
    fn sitting(&self) -> Option<Sitting> {
        let mut sitting = self.sitting.lock().unwrap();
        if let Some(sitting) = sitting.as_mut().filter(|sitting| sitting.over.is_none()) {
            sitting.pictures = (sitting.pictures + 1).min(sitting.wanted);
        }
        sitting.clone()
    }

    fn begin(&self, roll: &str, by: &str) -> Result<(), Refused> {
        *self.sitting.lock().unwrap() = Some(Sitting {
            number: 1,
            roll: roll.to_owned(),
            name: "=Asha Student 7".to_owned(),
            by: by.to_owned(),
            wanted: 3,
            hint: "Not yet: the face is turned away (yaw 41°, pitch 3°); take a photo from the front."
                .to_owned(),
            seconds: 117,
            ..Sitting::default()
        });
        Ok(())
    }

    fn picture(&self, number: usize) -> Option<Bytes> {
        let taken = self.sitting.lock().unwrap().as_ref().map_or(0, |sitting| sitting.pictures);
        (1..=taken).contains(&number).then(|| crate::states::picture("", true).jpeg)
    }

    fn confirm(&self, sitting: u64, by: &str) -> Result<Done, Refused> {
        let Some(sitting) = self.sitting_of(sitting) else {
            return Err(Refused {
                message: "There is nothing to confirm".to_owned(),
                details: String::new(),
            });
        };
        let kept = Kept { by: by.to_owned(), at: "2026-11-22 09:30:12".to_owned(), pictures: 3 };
        self.kept.lock().unwrap().insert(sitting.roll, kept);
        self.end("The pictures are kept.");
        Ok(Done { message: "3 pictures are kept".to_owned(), output: String::new() })
    }

    fn cancel(&self, sitting: u64) {
        if self.sitting_of(sitting).is_some() {
            self.end("It was ended. No picture was kept.");
        }
    }

    fn kept(&self, roll: &str) -> Option<Kept> {
        self.kept.lock().unwrap().get(roll).cloned()
    }

    fn remove(&self, roll: &str) -> Result<Done, Refused> {
        match self.kept.lock().unwrap().remove(roll) {
            Some(_) => Ok(Done { message: "The pictures are deleted".to_owned(), output: String::new() }),
            None => Err(Refused { message: "There are no such pictures".to_owned(), details: String::new() }),
        }
    }

    fn is_allowed(&self) -> bool {
        true
    }
}

#[test]
fn pictures_of_the_door_are_for_the_office_alone_and_for_nobody_before_there_are_any() {
    let device = Device::start();
    let office = device.log_in();
    assert_eq!(device.get("/enrol/1.jpg", &office).status, 404);
    assert!(device.get("/enrol", &office).text().contains("No pictures are taken at present"));
    assert_eq!(device.post("/enrol/begin", &office, "roll=1999999").status, 409, "nobody's roll number");
    assert_eq!(device.post("/enrol/begin", &office, "roll=2110007").status, 303);
    assert_eq!(device.post("/enrol/now", &office, "roll=2110007").status, 404);
    let page = device.get("/enrol", &office).text();
    assert!(
        page.contains("1 of 3")
            && page.contains("/enrol/1.jpg?sitting=1")
            && !page.contains("/enrol/confirm")
    );
    assert_eq!(device.get("/enrol/1.jpg", &office).header("content-type"), Some("image/jpeg"));
    for token in [&device.read, &device.full] {
        assert_eq!(device.get("/enrol/1.jpg", &As::token(token)).status, 403);
        assert_eq!(device.post("/enrol/confirm", &As::token(token), "sitting=1").status, 403);
    }
    let viewer = AccountFile::below(device.path()).add("vera", Role::Viewer).unwrap();
    let form = format!("account=vera&password={}", viewer.expose());
    let cookie = device.post("/login", &As::default(), &form);
    let viewer =
        As::default().with("Cookie", cookie.header("set-cookie").unwrap().split(';').next().unwrap());
    assert_eq!(device.get("/enrol/1.jpg", &viewer).status, 403);
    assert!(!device.get("/student/2110007", &viewer).text().contains("/enrol/"));
    let without_token = office.headers.iter().filter(|(name, _)| name != "X-CSRF-Token");
    let without_token = As { headers: without_token.cloned().collect() };
    assert_eq!(device.post("/enrol/confirm", &without_token, "sitting=1").status, 403);
    assert_eq!(
        device.post("/enrol/confirm", &office, "sitting=2&roll=2110007").status,
        409,
        "another sitting"
    );
    assert_eq!(device.post("/enrol/confirm", &office, "sitting=1&roll=2110007").status, 200);
    let page = device.get("/student/2110007", &office).text();
    assert!(page.contains("3 pictures, kept by") && page.contains("2026-11-22 09:30:12"));
    assert_eq!(device.post("/enrol/remove", &office, "roll=2110007").status, 200);
    assert!(device.get("/student/2110007", &office).text().contains("None yet"));
}

#[test]
fn a_sitting_reads_well_on_phone_and_desk() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    log_in(&browser, &device);
    for (width, height, dark, kind) in [(360, 740, false, "phone"), (1280, 900, true, "desk-dark")] {
        browser.look(width, height, dark);
        browser.go(&format!("{}student/2110007", device.url()));
        reads_well(&browser, &format!("a student, {kind}"));
        picture(&browser, &format!("enrolment-student-{kind}"));
        browser.click("form[action='/enrol/begin'] button");
        browser.until("begun by", |b| b.text("#sitting"));
        reads_well(&browser, &format!("a sitting that begins, {kind}"));
        picture(&browser, &format!("enrolment-begins-{kind}"));
        // The page is updated.
        browser.until("3 of 3", |b| b.text("#sitting"));
        reads_well(&browser, &format!("a complete sitting, {kind}"));
        picture(&browser, &format!("enrolment-complete-{kind}"));
        browser.click("form[action='/enrol/confirm'] button");
        browser.until("are kept", |b| b.text("#outcome"));
        browser.click("a.button");
        browser.until("kept by", |b| b.text("body"));
        reads_well(&browser, &format!("kept pictures, {kind}"));
        picture(&browser, &format!("enrolment-kept-{kind}"));
    }
    let mut complaints = browser.complaints();
    complaints.retain(|complaint| !complaint.contains("favicon"));
    assert_eq!(complaints, [""; 0]);
}
