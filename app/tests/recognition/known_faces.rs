//! A folder of the site's own, `known_faces`, filled and emptied while the appliance runs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::event::Bus;
use base::progress::Progress;
use models::store::Store;
use recognition::SharedGallery;
use recognition::roster::worker::{Shared, run};
use recognition::roster::{Report, Settings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::material::Material;

/// Far more than the ten seconds that are promised: this machine may be busy, and compiles without
/// optimisation.
const PATIENCE: Duration = Duration::from_secs(120);

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for photo in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(photo.path(), to.join(photo.file_name())).unwrap();
    }
}

/// Waits until so many students are enrolled.
async fn enrolled(gallery: &SharedGallery, students: usize) {
    let begun = Instant::now();
    while gallery.load().people() != students {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} students are enrolled, not {students}",
            gallery.load().people()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_change_in_known_faces_is_enrolled_without_a_restart() {
    let Some(material) = Material::find() else { return };
    let data = tempfile::tempdir().unwrap();
    let faces = data.path().join("known_faces");
    copy(&material.folder_of(&material.person), &faces.join("first_person"));
    let settings = Settings {
        photos: vision::photos::Photos::default().settled(),
        data_dir: data.path().to_owned(),
        models_dir: Store::default_dir(),
        ..Settings::default()
    };
    // As in the appliance without photos.url: the synchronisation has ended, and its sender with it.
    let (_, changed) = watch::channel(0);
    let shared = Shared {
        settings: Arc::new(settings),
        bus: Bus::default(),
        gallery: SharedGallery::default(),
        report: Arc::new(arc_swap::ArcSwap::from_pointee(Report::default())),
        progress: Progress::default(),
        changed,
    };
    let stop = CancellationToken::new();
    let gallery = Arc::clone(&shared.gallery);
    let running = tokio::spawn(run(shared, stop.clone()));
    enrolled(&gallery, 1).await;
    copy(&material.folder_of("2110003"), &faces.join("second_person"));
    enrolled(&gallery, 2).await;
    std::fs::remove_dir_all(faces.join("first_person")).unwrap();
    enrolled(&gallery, 1).await;
    std::fs::remove_dir_all(faces.join("second_person")).unwrap();
    enrolled(&gallery, 0).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}
