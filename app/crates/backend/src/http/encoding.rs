//! Bodies that a server or a proxy compressed, though nobody asked for it.
//!
//! A few bytes of gzip can stand for gigabytes. So the input goes in small slices, and the limit on the body
//! counts what comes out: at most one slice's output is ever beyond it.

use std::io::{self, Write as _};

use flate2::write::{MultiGzDecoder, ZlibDecoder};

/// Input decompressed at once. 4 kB of deflate become at most about 4 MB.
const SLICE: usize = 4096;

/// How a body is encoded.
#[derive(Debug)]
pub(super) enum Encoding {
    /// As it is.
    Plain,
    /// gzip.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// zlib, which HTTP calls deflate.
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
    /// One that is not known here, by its name.
    Unknown(String),
}

/// Longest name of an encoding that is repeated.
const MAX_NAME: usize = 40;

impl Encoding {
    /// The encoding that the header `Content-Encoding` names.
    pub(super) fn named(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Self::Plain,
            "gzip" | "x-gzip" => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Self::Deflate(Box::new(ZlibDecoder::new(Vec::new()))),
            other => Self::Unknown(other.chars().take(MAX_NAME).collect()),
        }
    }

    /// Whether the body is sent as it is.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// What `piece` becomes: at most `left` bytes, or `None` when there are more.
    ///
    /// # Errors
    /// The decoder's, when the data are not what the header says; and for an unknown encoding.
    pub(super) fn decode(&mut self, piece: &[u8], left: u64) -> io::Result<Option<Vec<u8>>> {
        let mut whole = Vec::new();
        for slice in piece.chunks(SLICE) {
            let output = match self {
                Self::Plain => {
                    whole.extend_from_slice(slice);
                    &mut Vec::new()
                }
                Self::Gzip(decoder) => {
                    decoder.write_all(slice)?;
                    decoder.flush()?;
                    decoder.get_mut()
                }
                Self::Deflate(decoder) => {
                    decoder.write_all(slice)?;
                    decoder.flush()?;
                    decoder.get_mut()
                }
                Self::Unknown(name) => return Err(io::Error::other(format!("unknown encoding {name}"))),
            };
            whole.append(output);
            if whole.len() as u64 > left {
                return Ok(None);
            }
        }
        Ok(Some(whole))
    }

    /// What is left at the end of a body that was not empty.
    ///
    /// # Errors
    /// The decoder's, when the compressed data ended in the middle.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain | Self::Unknown(_) => Ok(Vec::new()),
            Self::Gzip(decoder) => {
                decoder.try_finish()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Deflate(decoder) => {
                decoder.try_finish()?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Decodes `sent`, which comes in pieces of `size` bytes.
    fn decoded(name: &str, sent: &[u8], size: usize, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let (mut encoding, mut whole) = (Encoding::named(name), Vec::new());
        for piece in sent.chunks(size) {
            match encoding.decode(piece, limit - whole.len() as u64)? {
                Some(bytes) => whole.extend(bytes),
                None => return Ok(None),
            }
        }
        whole.extend(encoding.finish()?);
        Ok(Some(whole))
    }

    #[test]
    fn a_small_body_that_becomes_a_large_one_is_left_at_the_limit() {
        let bomb = gzip(&vec![0; 50_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(decoded("gzip", &bomb, bomb.len(), 1_000_000).unwrap(), None);
        let mut encoding = Encoding::named("gzip");
        encoding.decode(&bomb[..SLICE.min(bomb.len())], 1_000).unwrap();
        assert!(matches!(Encoding::named("br"), Encoding::Unknown(_)));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_out_and_half_of_it_is_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..20_000), size in 1..9000_usize,
        ) {
            for (name, sent) in [("GZIP", gzip(&bytes)), ("deflate", zlib(&bytes)), ("identity", bytes.clone())] {
                prop_assert_eq!(decoded(name, &sent, size, 20_000).unwrap().unwrap(), bytes.clone());
                if name != "identity" {
                    prop_assert!(decoded(name, &sent[..sent.len() / 2], size, 20_000).is_err(), "{}", name);
                }
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = decoded("gzip", &bytes, 100, 1_000_000);
            let _ = decoded("deflate", &bytes, 100, 1_000_000);
        }
    }
}
