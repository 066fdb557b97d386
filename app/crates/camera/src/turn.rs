//! Which way up a camera is mounted.

/// A quarter-turn and a mirror: one of the eight ways to hold a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// Quarter-turns clockwise, 0 to 3, after mirroring.
    quarters: u8,
    /// Whether left and right are exchanged.
    mirror: bool,
}

#[cfg(test)]
thread_local! {
    /// Bytes that this thread has copied, for the tests that count them.
    pub(super) static COPIED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Turn {
    /// Mirrors left and right if asked to, then turns clockwise by that many quarters.
    pub fn new(quarters: u8, mirror: bool) -> Self {
        Self { quarters: quarters % 4, mirror }
    }

    /// Whether nothing is to be done.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Whether width and height change places.
    pub fn is_sideways(self) -> bool {
        self.quarters % 2 == 1
    }

    /// Quarter-turns clockwise, 0 to 3.
    pub fn quarters(self) -> u8 {
        self.quarters
    }

    /// Whether left and right are exchanged.
    pub fn mirrors(self) -> bool {
        self.mirror
    }

    /// What is left to do to come to `self` from a picture that was turned by `done`.
    pub fn after(self, done: Self) -> Self {
        // Mirroring exchanges the directions of rotation.
        let quarters = if self.mirror == done.mirror {
            4 + self.quarters - done.quarters
        } else {
            self.quarters + done.quarters
        };
        Self::new(quarters, self.mirror != done.mirror)
    }

    /// Copies `source` (rows of `width` samples of `N` bytes, `stride` bytes apart) turned into `target`,
    /// whose rows follow each other without padding.
    ///
    /// `None` when one of them is too short, and then nothing is known about `target`.
    pub fn copy<const N: usize>(
        self,
        source: &[u8],
        (width, height): (usize, usize),
        stride: usize,
        target: &mut [u8],
    ) -> Option<()> {
        let row = width * N;
        if stride < row || target.len() < row * height {
            return None;
        }
        let source = source.get(..stride * height.checked_sub(1)? + row)?;
        #[cfg(test)]
        COPIED.set(COPIED.get() + row * height);
        if self.is_none() && stride == row {
            target.get_mut(..source.len())?.copy_from_slice(source);
            return Some(());
        }
        let rows = source.chunks(stride).map(|line| &line[..row]);
        if self.is_sideways() {
            // By columns of the target: what was a row becomes a column of `height` places.
            let (samples, _) = target.as_chunks_mut::<N>();
            for (y, line) in rows.enumerate() {
                // A clockwise quarter puts the first row into the last column, three quarters into the first.
                let column = if self.quarters == 1 { height - 1 - y } else { y };
                let upwards = (self.quarters == 3) != self.mirror;
                let (line, _) = line.as_chunks::<N>();
                for (x, sample) in line.iter().enumerate() {
                    let place = if upwards { width - 1 - x } else { x };
                    samples[place * height + column] = *sample;
                }
            }
            return Some(());
        }
        let upside_down = self.quarters == 2;
        for (y, line) in rows.enumerate() {
            let y = if upside_down { height - 1 - y } else { y };
            let target = &mut target[y * row..][..row];
            target.copy_from_slice(line);
            if upside_down != self.mirror {
                target.as_chunks_mut::<N>().0.reverse();
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A picture without padding, width first.
    type Plain = (usize, usize, Vec<u8>);

    fn turned<const N: usize>(turn: Turn, (width, height, bytes): &Plain) -> Plain {
        let mut target = vec![0; bytes.len()];
        turn.copy::<N>(bytes, (*width, *height), width * N, &mut target).unwrap();
        if turn.is_sideways() { (*height, *width, target) } else { (*width, *height, target) }
    }

    fn any_turn() -> impl Strategy<Value = Turn> {
        (0..4u8, any::<bool>()).prop_map(|(quarters, mirror)| Turn::new(quarters, mirror))
    }

    #[test]
    fn all_eight_orientations_are_correct() {
        // 1 2 3
        // 4 5 6
        let picture = (3, 2, vec![1, 2, 3, 4, 5, 6]);
        for (quarters, mirror, expected) in [
            (0, false, vec![1, 2, 3, 4, 5, 6]),
            (1, false, vec![4, 1, 5, 2, 6, 3]),
            (2, false, vec![6, 5, 4, 3, 2, 1]),
            (3, false, vec![3, 6, 2, 5, 1, 4]),
            (0, true, vec![3, 2, 1, 6, 5, 4]),
            (1, true, vec![6, 3, 5, 2, 4, 1]),
            (2, true, vec![4, 5, 6, 1, 2, 3]),
            (3, true, vec![1, 4, 2, 5, 3, 6]),
        ] {
            assert_eq!(turned::<1>(Turn::new(quarters, mirror), &picture).2, expected, "{quarters} {mirror}");
        }
    }

    #[test]
    fn short_buffer_is_refused() {
        let mut target = [0; 6];
        let turn = Turn::default();
        assert!(turn.copy::<1>(&[0; 9], (3, 2), 8, &mut target).is_none(), "source");
        assert!(turn.copy::<1>(&[0; 11], (3, 2), 8, &mut target).is_some(), "the last row needs no padding");
        assert!(turn.copy::<1>(&[0; 11], (3, 2), 8, &mut target[..5]).is_none(), "target");
        assert!(turn.copy::<1>(&[0; 11], (3, 2), 2, &mut target).is_none(), "stride");
        assert!(turn.copy::<1>(&[], (3, 0), 3, &mut target).is_none(), "nothing");
    }

    proptest! {
        #[test]
        fn camera_and_software_turns_add_up(
            wanted in any_turn(), done in any_turn(), width in 1..7usize, height in 1..7usize,
        ) {
            let bytes = (0..(width * height * 2) as u8).collect();
            let picture = (width, height, bytes);
            let halfway = turned::<2>(done, &picture);
            prop_assert_eq!(turned::<2>(wanted.after(done), &halfway), turned::<2>(wanted, &picture));
        }

        #[test]
        fn padding_never_shows(
            turn in any_turn(), width in 1..7usize, height in 1..7usize, padding in 0..9usize,
        ) {
            let plain: Vec<u8> = (0..(width * height * 3) as u8).collect();
            let mut padded = Vec::new();
            for row in plain.chunks(width * 3) {
                padded.extend_from_slice(row);
                padded.extend(std::iter::repeat_n(0xEE, padding));
            }
            let mut target = vec![0; plain.len()];
            turn.copy::<3>(&padded, (width, height), width * 3 + padding, &mut target).unwrap();
            prop_assert_eq!(target, turned::<3>(turn, &(width, height, plain)).2);
        }
    }
}
