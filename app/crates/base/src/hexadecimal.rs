//! Bytes as hexadecimal digits, as `sha256sum` writes them.

use std::fmt::Write as _;

/// Two digits in lower case for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
