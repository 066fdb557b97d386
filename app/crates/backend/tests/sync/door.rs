//! One appliance's configuration and data folder, and photos to serve.

use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use backend::http::{Retry, Timeouts};
use backend::sync;
use backend::sync::Settings;
use backend::sync::{Error, Patience, Report};
use base::secret::SecretUrl;
use vision::size::ByteSize;

pub const KEY: &str = "k3y-n0t-t0-be-seen";

/// Short enough for a test, long enough for a busy machine.
pub const PATIENCE: Patience = Patience {
    timeouts: Timeouts {
        connect: Duration::from_secs(5),
        head: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        whole: Duration::from_secs(20),
    },
    retry: Retry { tries: 3, first_pause: Duration::from_millis(20) },
};

pub struct Door {
    pub settings: Settings,
    pub folder: tempfile::TempDir,
}

impl Door {
    pub fn new(photos_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { data_dir: folder.path().to_owned(), ..Settings::default() };
        settings.photos.url = Some(SecretUrl::parse(photos_url).unwrap());
        settings.photos.max_file_size = ByteSize::from_mb(1);
        settings.photos.max_megapixels = 1;
        Self { settings, folder }
    }

    pub async fn sync(&self) -> Report {
        let report = self.try_sync().await.unwrap();
        assert!(report.stopped.is_none(), "{:?}", report.stopped);
        report
    }

    /// Synchronises, and checks what must hold after every synchronisation, however it ends.
    pub async fn try_sync(&self) -> Result<Report, Error> {
        self.try_sync_with(PATIENCE).await
    }

    pub async fn try_sync_with(&self, patience: Patience) -> Result<Report, Error> {
        let done = sync::once_with(&self.settings, patience, &|_| {}).await;
        self.check_photos();
        let told = format!("{done:?} {}", done.as_ref().err().map(ToString::to_string).unwrap_or_default());
        assert!(!told.contains(KEY), "the key is told: {told}");
        for file in [".cache_metadata.json", ".sync_state.json"] {
            let text = std::fs::read_to_string(self.mirror().join(file)).unwrap_or_default();
            assert!(!text.contains(KEY), "the key stands in {file}");
        }
        done
    }

    pub fn mirror(&self) -> PathBuf {
        self.settings.data_dir.join(sync::FOLDER)
    }

    /// Everything in the students' folders, by path.
    pub fn photos(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders: Vec<_> = folder(&self.mirror()).into_iter().filter(|path| path.is_dir()).collect();
        while let Some(next) = folders.pop() {
            for file in folder(&next) {
                if file.is_dir() {
                    folders.push(file);
                    continue;
                }
                let path = file.strip_prefix(self.mirror()).unwrap().to_str().unwrap().to_owned();
                match std::fs::read(&file) {
                    Ok(bytes) => drop(found.insert(path, bytes)),
                    // Another process writes here: what was listed got its name meanwhile.
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{path}: {error}"),
                }
            }
        }
        found
    }

    pub fn paths(&self) -> Vec<String> {
        self.photos().into_keys().collect()
    }

    fn check_photos(&self) {
        for (path, bytes) in self.photos() {
            assert!(image::load_from_memory(&bytes).is_ok(), "{path} is not a whole photo");
            assert!(!path.contains("/."), "{path} was left behind");
        }
    }
}

fn folder(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default()
}

pub fn counts(report: &Report) -> [usize; 5] {
    [report.new, report.updated, report.unchanged, report.removed, report.failed.len()]
}

/// A photo; the same `seed` makes the same bytes, and every seed as many bytes (BMP is not compressed).
pub fn bmp(seed: u8) -> Vec<u8> {
    photo(seed, image::ImageFormat::Bmp)
}

pub fn jpeg(seed: u8) -> Vec<u8> {
    photo(seed, image::ImageFormat::Jpeg)
}

fn photo(seed: u8, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_fn(64, 48, |x, y| {
        image::Rgb([(x * 3) as u8 ^ seed, (y * 5) as u8, (x * y) as u8 ^ seed.wrapping_mul(31)])
    })
    .write_to(&mut bytes, format)
    .unwrap();
    bytes.into_inner()
}

/// A served folder: `<roll>/<file>` with content.
pub fn write(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, content).unwrap();
}

/// Makes a file look older than the second in which it is served, as photos are.
pub fn age(root: &Path, path: &str, seconds: u64) {
    let file = std::fs::File::options().write(true).open(root.join(path)).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}
