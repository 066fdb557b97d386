//! One record, one line: `crc32,payload\n`.
//!
//! The CRC (IEEE, eight hexadecimal digits) covers the payload. Lines are at most [`MAX_LINE`] bytes, over
//! which this CRC has a Hamming distance of 4: it finds every three flipped bits, and a single one it even
//! locates. So one flipped bit costs nothing, wherever it is, line ends included.

/// Longest line, end included. A row has about 130 bytes; the backend's refusals are cut to fit.
pub const MAX_LINE: usize = 1024;

/// Lines repaired in one file. Each costs some ten thousand short CRCs; a file with more damage than this is
/// no file with a flipped bit.
const MAX_REPAIRS: usize = 64;

/// What was read from a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The payloads of all valid lines, in order.
    pub payloads: Vec<String>,
    /// Lines in which one flipped bit was put right.
    pub repaired: usize,
    /// Lines that could not be read. They stay in the file.
    pub damaged: usize,
    /// Bytes up to the end of the last complete line: where the next record belongs.
    pub end: usize,
    /// Whether what follows `end` is a whole record that lacks only its line end, and so is among `payloads`.
    pub unended: bool,
}

/// Appends `payload` as a line. Line breaks inside become spaces; what is too long is cut.
pub fn encode(payload: &str, into: &mut Vec<u8>) {
    const FRAME: usize = 8 + 1 + 1;
    let mut payload: String = payload.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }).collect();
    if payload.len() > MAX_LINE - FRAME {
        let cut = (0..=MAX_LINE - FRAME).rev().find(|at| payload.is_char_boundary(*at)).unwrap_or(0);
        payload.truncate(cut);
    }
    into.extend_from_slice(format!("{:08x},{payload}\n", crc32fast::hash(payload.as_bytes())).as_bytes());
}

/// Reads every line that can be read. Never fails: what is damaged is counted.
pub fn decode(bytes: &[u8]) -> Lines {
    let mut lines = Lines::default();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = rest.iter().position(|b| *b == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        if let Some(payload) = valid(line) {
            lines.payloads.push(payload.to_owned());
        } else if let Some((payload, length)) =
            (lines.repaired < MAX_REPAIRS).then(|| with_one_bit_put_right(rest)).flatten()
        {
            lines.payloads.push(payload);
            lines.repaired += 1;
            at += length;
            lines.end = at;
            continue;
        } else if end.is_some() {
            lines.damaged += 1;
        } else {
            // A torn tail: the next append writes over it.
            return lines;
        }
        let Some(end) = end else {
            lines.unended = true;
            return lines;
        };
        at += end + 1;
        lines.end = at;
    }
    lines
}

/// The payload of a line without its end.
fn valid(line: &[u8]) -> Option<&str> {
    if line.len() >= MAX_LINE || line.get(8) != Some(&b',') {
        return None;
    }
    let crc = std::str::from_utf8(&line[..8]).ok().filter(|text| text.bytes().all(is_lower_hex))?;
    let payload = &line[9..];
    let matches = u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(payload);
    if matches { std::str::from_utf8(payload).ok() } else { None }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Flips each bit at the start of `rest` in turn until its first line is valid: the payload and the line's
/// length. A flip may make a lost line end again, or take a false one away.
fn with_one_bit_put_right(rest: &[u8]) -> Option<(String, usize)> {
    let first = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
    let second = rest[first..].iter().position(|b| *b == b'\n').map_or(rest.len(), |end| first + end + 1);
    let mut window = rest[..second.min(MAX_LINE)].to_vec();
    for index in 0..first.min(window.len()) {
        for bit in 0..8 {
            window[index] ^= 1 << bit;
            if let Some(end) = window.iter().position(|b| *b == b'\n')
                && let Some(payload) = valid(&window[..end])
            {
                return Some((payload.to_owned(), end + 1));
            }
            window[index] ^= 1 << bit;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const PAYLOADS: [&str; 4] =
        ["journal,1,1", "row,1,2110001,IN", "row,2,J*J-JZ_z,OUT", "settled,1,\"a, \"\"b\"\"\""];

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in PAYLOADS {
            encode(payload, &mut bytes);
        }
        bytes
    }

    #[test]
    fn the_format_is_as_documented() {
        let mut bytes = Vec::new();
        encode("123456789", &mut bytes);
        assert_eq!(bytes, b"cbf43926,123456789\n", "CRC-32/IEEE's check value");
    }

    #[test]
    fn every_prefix_gives_the_whole_records_before_it() {
        let bytes = file();
        for length in 0..=bytes.len() {
            let lines = decode(&bytes[..length]);
            let whole = bytes[..length].iter().filter(|b| **b == b'\n').count();
            let read = whole + usize::from(lines.unended);
            assert_eq!(lines.payloads, PAYLOADS[..read], "prefix of {length} bytes");
            assert_eq!((lines.damaged, lines.repaired), (0, 0), "prefix of {length} bytes");
            // A record is read without its line end only when all of it is there.
            assert!(!lines.unended || bytes[length] == b'\n', "prefix of {length} bytes");
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_costs_nothing() {
        let bytes = file();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                let lines = decode(&flipped);
                assert_eq!(lines.payloads, PAYLOADS, "byte {index}, bit {bit}");
                assert_eq!(lines.damaged, 0, "byte {index}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_destroyed_line_costs_only_itself() {
        let mut bytes = file();
        let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        bytes[second + 2] = b'!';
        bytes[second + 12] = b'!';
        let lines = decode(&bytes);
        assert_eq!(lines.payloads, [PAYLOADS[0], PAYLOADS[2], PAYLOADS[3]]);
        assert_eq!((lines.damaged, lines.end), (1, bytes.len()));
    }

    #[test]
    fn a_tail_of_zeros_is_a_torn_tail() {
        let mut bytes = file();
        let whole = bytes.len();
        bytes.extend([0; 4096]);
        let lines = decode(&bytes);
        assert_eq!((lines.payloads.len(), lines.end, lines.unended), (4, whole, false));
    }

    #[test]
    fn what_is_too_long_or_breaks_lines_is_made_to_fit() {
        let mut bytes = Vec::new();
        encode(&"ä\n".repeat(MAX_LINE), &mut bytes);
        encode("next", &mut bytes);
        let lines = decode(&bytes);
        assert_eq!(lines.payloads.len(), 2);
        assert!(lines.payloads[0].starts_with("ä ä "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut file = file();
            file.extend(&bytes);
            prop_assert!(decode(&file).payloads.len() >= 4);
        }
    }
}
