//! Trials, with the power cut at every write.
#![allow(clippy::unwrap_used)]

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::RealDisk;
use base::durable::{self, Access};

const OLD: &str = "[site]\nname = \"gate\"\n";
const NEW: &str = "[site]\nname = \"door\"\n";
const PAGE: &str = "[site]\nname = \"gate\"\n[page]\nsession_idle = \"5m\"\n";

/// The power goes at the write of this number: before it, or after it was done. Nothing is written any more
/// then.
struct Cut {
    left: AtomicUsize,
    done: bool,
}

impl Cut {
    /// Counts one write. An error when the power is gone; otherwise whether this is the last write.
    fn burn(&self) -> io::Result<bool> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(io::Error::other("the power is gone"));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        if left == 1 && !self.done {
            return Err(io::Error::other("the power goes"));
        }
        Ok(left == 1)
    }
}

fn after(last: bool) -> io::Result<()> {
    if last { Err(io::Error::other("the power goes")) } else { Ok(()) }
}

impl Disk for Cut {
    fn replace(&self, access: Access, path: &Path, content: &[u8]) -> io::Result<()> {
        let last = self.burn()?;
        durable::replace_for(access, path, content)?;
        after(last)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let last = self.burn()?;
        RealDisk.remove(path)?;
        after(last)
    }
}

struct Place {
    _folder: tempfile::TempDir,
    file: PathBuf,
    data: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, data) = (folder.path().join("attendance.toml"), folder.path().join("data"));
        std::fs::write(&file, OLD).unwrap();
        let place = Self { _folder: folder, file, data };
        assert_eq!(place.keeper(Arc::new(RealDisk)).begin(), Start::GoOn);
        place
    }

    fn keeper(&self, disk: Arc<dyn Disk>) -> Arc<Keeper> {
        Arc::new(Keeper::with(Writer::new(&self.file), Store::below(&self.data, disk)))
    }

    fn start(&self) -> (Arc<Keeper>, Start) {
        let keeper = self.keeper(Arc::new(RealDisk));
        let start = keeper.begin();
        (keeper, start)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_start_are_kept() {
    let place = Place::new();
    let (keeper, _) = place.start();
    keeper.change(OLD, NEW, "a technician").unwrap();
    assert!(keeper.change(NEW, OLD, "another").is_err(), "one trial at a time");
    let (keeper, start) = place.start();
    assert_eq!((place.text().as_str(), start), (NEW, Start::GoOn));
    Arc::clone(&keeper).watch().await;
    assert!(keeper.store.trial().is_none() && keeper.store.outcome().unwrap().kept);
    let by: Vec<_> = keeper.store.versions().into_iter().map(|version| version.by).collect();
    assert_eq!(by, [ELSEWHERE, "a technician"]);
}

#[test]
fn settings_that_do_not_start_go_back() {
    let place = Place::new();
    let (keeper, _) = place.start();
    // The program says so itself.
    keeper.change(OLD, NEW, "a technician").unwrap();
    let (keeper, _) = place.start();
    assert!(keeper.put_back("the journal cannot be opened") && place.text() == OLD);
    let outcome = keeper.store.outcome().unwrap();
    assert!(!outcome.kept && outcome.sentence.contains("journal"), "{outcome:?}");
    assert!(!keeper.put_back("again") && place.start().1 == Start::GoOn);
    // The program crashes before it can say so.
    keeper.change(OLD, NEW, "a technician").unwrap();
    assert_eq!(place.start().1, Start::GoOn);
    assert_eq!((place.start().1, place.text().as_str()), (Start::Again, OLD));
    assert_eq!(place.start().1, Start::GoOn);
}

#[tokio::test(start_paused = true)]
async fn settings_of_the_page_go_back_without_a_confirmation() {
    let place = Place::new();
    for confirms in [false, true] {
        let (keeper, _) = place.start();
        keeper.change(OLD, PAGE, "a technician").unwrap();
        let (keeper, _) = place.start();
        let watching = tokio::spawn(Arc::clone(&keeper).watch());
        sleep(CONFIRMATION - Duration::from_secs(1)).await;
        assert_eq!(place.text(), PAGE);
        assert!(matches!(keeper.stage(), Some(Stage::Runs { confirm: true, .. })));
        if confirms {
            assert!(keeper.confirm());
        }
        watching.await.unwrap();
        assert_eq!(place.text(), if confirms { PAGE } else { OLD });
        if !confirms {
            keeper.restart_wanted().await;
        }
        assert!(keeper.stage().is_none() && !keeper.confirm());
    }
}

#[test]
fn a_program_that_is_stopped_in_its_order_has_started() {
    let place = Place::new();
    for (text, kept) in [(NEW, true), (PAGE, false)] {
        let (keeper, _) = place.start();
        let before = place.text();
        keeper.change(&before, text, "a technician").unwrap();
        let (keeper, _) = place.start();
        keeper.stopped();
        let start = place.start().1;
        assert_eq!((start, place.text() == text), (if kept { Start::GoOn } else { Start::Again }, kept));
    }
}

#[test]
fn a_file_of_the_card_counts_and_is_a_version() {
    let place = Place::new();
    let (keeper, _) = place.start();
    keeper.change(OLD, NEW, "a technician").unwrap();
    std::fs::write(&place.file, PAGE).unwrap();
    let (keeper, start) = place.start();
    assert_eq!((start, place.text().as_str()), (Start::GoOn, PAGE));
    assert!(keeper.store.trial().is_none());
    assert!(keeper.store.outcome().unwrap().sentence.contains("card"));
    assert_eq!(keeper.store.versions().last().unwrap().text, PAGE);
}

/// Wherever the power goes, the next start finds settings that it can start with, whole, and the page says
/// which they are; the change can be made again.
#[test]
fn power_may_go_at_every_write() {
    for done in [false, true] {
        for writes in 1.. {
            let place = Place::new();
            let cut = Arc::new(Cut { left: AtomicUsize::new(writes), done });
            let keeper = place.keeper(cut.clone());
            // A change, the start with it, and its end.
            let all = keeper.change(OLD, NEW, "a technician").is_ok();
            let _ = keeper.begin();
            keeper.end(true, "The saved settings are in force.");
            let whole = cut.left.load(Ordering::SeqCst) > 0;
            let text = place.text();
            assert!([OLD, NEW].contains(&&*text), "{writes}: {text:?}");
            // The power is back; a second start, should the first have been one too many.
            let (keeper, start) = place.start();
            let (keeper, _) = if start == Start::Again { place.start() } else { (keeper, start) };
            let text = place.text();
            assert!([OLD, NEW].contains(&&*text), "{writes}: {text:?}");
            assert_eq!(keeper.store.versions().last().unwrap().text, text, "{writes}: the newest version");
            if keeper.store.trial().is_some() {
                assert_eq!(text, NEW, "{writes}: a trial of something else");
                keeper.end(true, "The saved settings are in force.");
            }
            let other = if text == OLD { NEW } else { OLD };
            keeper.change(&text, other, "again").unwrap();
            assert_eq!(place.text(), other, "{writes}");
            if whole {
                assert!(all);
                assert!(writes > 5, "the writes were not counted");
                break;
            }
        }
    }
}

/// Putting back must survive a power cut, too.
#[test]
fn power_may_go_while_settings_are_put_back() {
    for done in [false, true] {
        for writes in 1.. {
            let place = Place::new();
            let (keeper, _) = place.start();
            keeper.change(OLD, NEW, "a technician").unwrap();
            place.start();
            let cut = Arc::new(Cut { left: AtomicUsize::new(writes), done });
            let _ = place.keeper(cut.clone()).put_back("a test");
            let whole = cut.left.load(Ordering::SeqCst) > 0;
            for _ in 0..2 {
                place.start();
            }
            let (keeper, start) = place.start();
            assert_eq!((place.text().as_str(), start), (OLD, Start::GoOn), "{writes}");
            assert!(keeper.store.trial().is_none() && !keeper.store.outcome().unwrap().kept, "{writes}");
            if whole {
                break;
            }
        }
    }
}

/// Somebody who keeps settings keeps those that the file has.
#[tokio::test(start_paused = true)]
async fn settings_that_are_not_in_the_file_any_more_are_not_kept() {
    let place = Place::new();
    let (keeper, _) = place.start();
    keeper.change(OLD, PAGE, "a technician").unwrap();
    let (keeper, _) = place.start();
    let watching = tokio::spawn(Arc::clone(&keeper).watch());
    sleep(Duration::from_secs(1)).await;
    std::fs::write(&place.file, OLD).unwrap();
    assert!(!keeper.confirm());
    watching.await.unwrap();
    keeper.restart_wanted().await;
    let outcome = keeper.store.outcome().unwrap();
    assert!(!outcome.kept && outcome.sentence.contains("The ones before"), "{outcome:?}");
    assert_eq!((place.start().1, place.text().as_str()), (Start::GoOn, OLD));
}

/// Somebody changed the file while the page could not be reached: what they wrote counts.
#[tokio::test(start_paused = true)]
async fn a_text_that_came_meanwhile_is_not_overwritten() {
    const EDITED: &str = "[site]\nname = \"edited\"\n";
    let place = Place::new();
    // Nobody confirms; or the program does not start.
    for by_watch in [true, false] {
        std::fs::write(&place.file, OLD).unwrap();
        let (keeper, _) = place.start();
        keeper.change(OLD, PAGE, "a technician").unwrap();
        let (keeper, _) = place.start();
        std::fs::write(&place.file, EDITED).unwrap();
        if by_watch {
            Arc::clone(&keeper).watch().await;
            keeper.restart_wanted().await;
        } else {
            assert!(keeper.put_back("a test"), "the program starts again, with the other text");
        }
        assert_eq!((place.text().as_str(), keeper.store.trial()), (EDITED, None));
        assert!(keeper.store.outcome().unwrap().sentence.contains("editor"));
        assert_eq!(keeper.store.versions().last().unwrap().text, EDITED);
    }
}

/// A disk on which the settings' file cannot be replaced for some tries, which are counted.
struct Stubborn {
    file: PathBuf,
    refuses: AtomicUsize,
    tries: AtomicUsize,
}

impl Disk for Stubborn {
    fn replace(&self, access: Access, path: &Path, content: &[u8]) -> io::Result<()> {
        if path == self.file {
            let tries = self.tries.fetch_add(1, Ordering::SeqCst);
            if tries < self.refuses.load(Ordering::SeqCst) {
                return Err(io::Error::other("the card is write-protected"));
            }
        }
        durable::replace_for(access, path, content)
    }
}

#[tokio::test(start_paused = true)]
async fn going_back_that_fails_is_told_and_tried_again_seldom() {
    let place = Place::new();
    for keeps in [false, true] {
        std::fs::write(&place.file, OLD).unwrap();
        let (keeper, _) = place.start();
        keeper.change(OLD, PAGE, "a technician").unwrap();
        let (refuses, tries) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
        let disk = Arc::new(Stubborn { file: place.file.clone(), refuses, tries });
        let keeper = place.keeper(disk.clone());
        assert_eq!(keeper.begin(), Start::GoOn);
        let watching = tokio::spawn(Arc::clone(&keeper).watch());
        let tries = || disk.tries.load(Ordering::SeqCst);
        sleep(CONFIRMATION + Duration::from_secs(1)).await;
        let stage = keeper.stage();
        assert!(
            matches!(&stage, Some(Stage::CannotGoBack(fault)) if fault.what.contains("write-protected")),
            "{stage:?}"
        );
        assert!(keeper.change(PAGE, NEW, "another").is_err());
        sleep(Duration::from_secs(3000)).await;
        assert!((5..=10).contains(&tries()), "{} tries in fifty minutes", tries());
        let then = tries();
        sleep(Duration::from_secs(24 * 3600)).await;
        assert!((20..=24).contains(&(tries() - then)), "{} tries in a day", tries() - then);
        assert_eq!(place.text(), PAGE);
        if keeps {
            assert!(keeper.confirm());
        } else {
            disk.refuses.store(0, Ordering::SeqCst);
        }
        watching.await.unwrap();
        assert_eq!((place.text().as_str(), keeper.stage()), (if keeps { PAGE } else { OLD }, None));
        assert_eq!((keeper.store.trial(), keeper.store.outcome().unwrap().kept), (None, keeps));
    }
}

/// The helper's refusal counts, though the text was already in its place.
#[test]
fn network_that_fails_late_is_told() {
    let place = Place::new();
    let answers = place.data.clone();
    let store = Store::below(&place.data, Arc::new(RealDisk));
    let keeper = Keeper::with(Writer::by_helper(&place.file, &answers), store);
    let (request, file) = (keeper.store.request(), place.file.clone());
    let helper = std::thread::spawn(move || {
        while !request.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        crate::helper::serve(&file, &request, &answers, &answers.join("kept"), &|config| {
            std::thread::sleep(Duration::from_millis(500));
            let fixed = !config.network.addresses.is_empty();
            if fixed { Err(Fault::new("networkd is gone")) } else { Ok(()) }
        })
        .unwrap();
    });
    let text = "[site]\nname = \"gate\"\n[network]\naddresses = [\"192.0.2.10/24\"]\n";
    let changed = keeper.change(OLD, text, "a technician");
    helper.join().unwrap();
    assert!(changed.unwrap_err().what.contains("networkd is gone"));
    assert!(keeper.store.trial().is_none() && place.text() == OLD);
}

/// On the appliance another program writes, as root, and checks again.
#[test]
fn the_helper_is_asked_and_its_answer_told() {
    let place = Place::new();
    let answers = place.data.clone();
    let store = Store::below(&place.data, Arc::new(RealDisk));
    let keeper = Keeper::with(Writer::by_helper(&place.file, &answers), store);
    let served = |text: &str| {
        let (request, file, answers) = (keeper.store.request(), place.file.clone(), answers.clone());
        let helper = std::thread::spawn(move || {
            while !request.exists() {
                std::thread::sleep(Duration::from_millis(10));
            }
            crate::helper::serve(&file, &request, &answers, &answers.join("kept"), &|_| Ok(())).unwrap();
        });
        let changed = keeper.change(OLD, text, "a technician");
        helper.join().unwrap();
        changed
    };
    let refused = served("[site]\nname = \"gate\"\n[webhook]\nbatch_rows = 0\n").unwrap_err();
    assert!(refused.what.contains("batch_rows"), "{refused}");
    assert!(keeper.store.trial().is_none() && place.text() == OLD);
    served(NEW).unwrap();
    assert_eq!(place.text(), NEW);
}
