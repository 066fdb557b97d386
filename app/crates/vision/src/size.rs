//! Sizes as people write them: "20 MB".

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(&str, u64); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// A number of bytes, written with a decimal unit: "512 kB", "20 MB", "4 GB".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many million bytes.
    pub const fn from_mb(megabytes: u64) -> Self {
        Self(megabytes * 1_000_000)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(*factor).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / factor)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a size; write it like \"512 kB\", \"20 MB\" or \"4 GB\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_alike() {
        for (text, bytes) in [("20 MB", 20_000_000), ("512kB", 512_000), ("7 B", 7), ("4 GB", 4_000_000_000)]
        {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)));
        }
        assert_eq!(ByteSize::from_mb(20).to_string(), "20 MB");
        assert_eq!(ByteSize(1_500).to_string(), "1500 B");
        for bad in ["", "20", "MB", "-1 MB", "1.5 MB", "99999999999999999999 GB", "20000000000000 GB"] {
            assert_eq!(ByteSize::parse(bad), None, "{bad}");
        }
    }
}
