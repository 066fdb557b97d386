//! The edges of a frame: a grey picture of about 320 pixels width, smoothed, and its Sobel gradient.

use image::RgbImage;

/// Width of the small picture, pixels.
pub const WIDTH: usize = 320;

/// Side of a window in which edges are compared, and the step from one to the next, pixels.
pub const WINDOW: usize = 8;
/// Step from one window to the next, pixels.
pub const STEP: usize = 4;

/// Blocks of [`STEP`] pixels across a picture of [`WIDTH`].
const BLOCKS: usize = WIDTH / STEP;

/// Kernel of a Gaussian with a standard deviation of one pixel.
const GAUSS: [f32; 5] = [0.054_488_685, 0.244_201_34, 0.402_619_95, 0.244_201_34, 0.054_488_685];

/// Width and height of the small picture for a frame, pixels; `None` for a frame too small or too narrow.
pub fn size_for(frame: (u32, u32)) -> Option<(usize, usize)> {
    let (width, height) = (frame.0 as usize, frame.1 as usize);
    let small = (WIDTH * height).checked_div(width)?;
    (width >= WIDTH && (60..=2 * WIDTH).contains(&small)).then_some((WIDTH, small))
}

/// A smoothed grey picture with its gradient, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradient {
    /// Width and height, pixels.
    pub size: (usize, usize),
    /// Smoothed brightness, 0 to 255.
    pub luma: Vec<f32>,
    /// Change to the right, brightness a pixel.
    pub x: Vec<f32>,
    /// Change downwards, brightness a pixel.
    pub y: Vec<f32>,
    /// Memory for the steps between.
    rows: Vec<f32>,
}

impl Gradient {
    /// Takes a frame; `false`, and nothing is changed, when its size does not serve.
    pub fn take(&mut self, frame: &RgbImage) -> bool {
        let Some((width, height)) = size_for(frame.dimensions()) else { return false };
        self.size = (width, height);
        self.shrink(frame);
        self.smooth();
        self.sobel();
        true
    }

    /// The mean of four samples in each small pixel's area: enough against aliasing at this scale, and much
    /// cheaper than the whole area.
    fn shrink(&mut self, frame: &RgbImage) {
        let (width, height) = self.size;
        let (full_width, full_height) = (frame.width() as usize, frame.height() as usize);
        let data = frame.as_raw();
        self.luma.clear();
        for row in 0..height {
            let lines =
                [1, 3].map(|part| ((4 * row + part) * full_height / (4 * height)).min(full_height - 1));
            for column in 0..width {
                let mut sum = 0;
                for part in [1, 3] {
                    let at = ((4 * column + part) * full_width / (4 * width)).min(full_width - 1);
                    for line in lines {
                        let pixel = &data[3 * (line * full_width + at)..][..3];
                        sum +=
                            77 * u32::from(pixel[0]) + 150 * u32::from(pixel[1]) + 29 * u32::from(pixel[2]);
                    }
                }
                self.luma.push(sum as f32 / 1024.0);
            }
        }
    }

    fn smooth(&mut self) {
        let (width, height) = self.size;
        self.rows.clear();
        for line in self.luma.chunks_exact(width) {
            for column in 0..width {
                let tap = |k: usize| line[(column + k).saturating_sub(2).min(width - 1)];
                self.rows.push((0..5).map(|k| GAUSS[k] * tap(k)).sum());
            }
        }
        for row in 0..height {
            let lines: [usize; 5] =
                std::array::from_fn(|k| width * (row + k).saturating_sub(2).min(height - 1));
            for column in 0..width {
                self.luma[width * row + column] =
                    (0..5).map(|k| GAUSS[k] * self.rows[lines[k] + column]).sum();
            }
        }
    }

    fn sobel(&mut self) {
        let (width, height) = self.size;
        for plane in [&mut self.x, &mut self.y] {
            plane.clear();
            plane.resize(width * height, 0.0);
        }
        for row in 1..height - 1 {
            let line = |row: usize| &self.luma[width * row..][..width];
            let (above, here, below) = (line(row - 1), line(row), line(row + 1));
            for c in 1..width - 1 {
                let (w, e) = (c - 1, c + 1);
                self.x[width * row + c] =
                    (above[e] - above[w] + 2.0 * (here[e] - here[w]) + below[e] - below[w]) / 8.0;
                self.y[width * row + c] =
                    (below[w] - above[w] + 2.0 * (below[c] - above[c]) + below[e] - above[e]) / 8.0;
            }
        }
    }
}

/// Sums of `value` over windows of [`WINDOW`]×[`WINDOW`] pixels at every [`STEP`] pixels, row by row;
/// windows that would leave the picture are left out.
pub fn windows(size: (usize, usize), value: impl Fn(usize) -> f32, sums: &mut Vec<f32>) {
    debug_assert!(size.0 <= WIDTH);
    let (across, down) = grid(size);
    // A window is two steps wide and two high: the sums of its four blocks.
    let mut above = [0.0; BLOCKS];
    sums.clear();
    for row in 0..=down {
        let mut blocks = [0.0; BLOCKS];
        for line in row * STEP..(row + 1) * STEP {
            for (block, sum) in blocks.iter_mut().enumerate().take(across + 1) {
                let start = size.0 * line + block * STEP;
                *sum += (start..start + STEP).map(&value).sum::<f32>();
            }
        }
        if row > 0 {
            let pairs = above.windows(2).zip(blocks.windows(2)).take(across);
            sums.extend(pairs.map(|(above, below)| above[0] + above[1] + below[0] + below[1]));
        }
        above = blocks;
    }
}

/// Windows across and down a picture of this size.
pub fn grid(size: (usize, usize)) -> (usize, usize) {
    ((size.0 / STEP).saturating_sub(1), (size.1 / STEP).saturating_sub(1))
}

/// The middle of a window, pixels of the small picture.
pub fn middle(index: usize, across: usize) -> (f32, f32) {
    let half = WINDOW as f32 / 2.0 - 0.5;
    ((STEP * (index % across)) as f32 + half, (STEP * (index / across)) as f32 + half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_has_its_gradient_where_it_is() {
        let frame = RgbImage::from_fn(1280, 720, |x, _| image::Rgb(if x < 640 { [50; 3] } else { [150; 3] }));
        let mut gradient = Gradient::default();
        assert!(gradient.take(&frame));
        assert_eq!(gradient.size, (320, 180));
        let line = &gradient.x[320 * 90..][..320];
        let sum: f32 = line.iter().sum();
        assert!((sum - 100.0).abs() < 0.1, "the whole step: {sum}");
        assert!(line[150..170].iter().sum::<f32>() > 99.0 && line[..150].iter().all(|x| x.abs() < 0.01));
        assert!(gradient.y.iter().all(|y| y.abs() < 0.01));
    }

    #[test]
    fn frames_that_do_not_serve_are_refused() {
        for size in [(0, 0), (100, 100), (1280, 10), (640, 6000)] {
            assert_eq!(size_for(size), None, "{size:?}");
        }
        assert_eq!(size_for((640, 480)), Some((320, 240)));
    }

    #[test]
    fn a_window_sums_its_pixels() {
        let (size, mut sums) = ((24, 16), Vec::new());
        windows(size, |at| (at % 24) as f32, &mut sums);
        assert_eq!(grid(size), (5, 3));
        assert_eq!(sums.len(), 15);
        assert_eq!(sums[1], 8.0 * (4..12).sum::<i32>() as f32);
        assert_eq!(middle(6, 5), (7.5, 7.5));
    }
}
