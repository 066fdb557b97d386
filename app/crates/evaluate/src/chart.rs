//! Pictures of measurements, as SVG that any browser shows.

use std::fmt::Write as _;

use super::statistics::Scores;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;
/// Decades of the FAR axis: from 1 down to one in a million.
const DECADES: u32 = 6;
/// Bars of a histogram.
const BINS: usize = 60;

/// TAR over FAR on a logarithmic axis (ROC).
pub fn roc(title: &str, scores: &Scores) -> String {
    let smallest = 10f64.powi(-(DECADES as i32));
    let points: Vec<(f64, f64)> = (0..=240)
        .map(|step| 10f64.powf(-f64::from(DECADES) * f64::from(240 - step) / 240.0))
        .filter(|far| *far * scores.impostor().len() as f64 >= 1.0)
        .map(|far| (far, scores.tar(scores.threshold_at_far(far)).rate))
        .collect();
    let lowest = points.iter().map(|point| point.1).fold(1.0, f64::min);
    let floor = ((lowest * 20.0).floor() / 20.0).min(0.95);
    let x = |far: f64| 1.0 - far.max(smallest).log10() / smallest.log10();
    let y = |tar: f64| (tar - floor) / (1.0 - floor);
    let mut svg = Sheet::new(title, "false accept rate (FAR)", "true accept rate (TAR)");
    for decade in 0..=DECADES {
        let far = 10f64.powi(-(decade as i32));
        svg.tick_x(x(far), &if decade == 0 { "1".to_owned() } else { format!("1e-{decade}") });
    }
    for step in 0..=5 {
        let tar = floor + (1.0 - floor) * f64::from(step) / 5.0;
        svg.tick_y(y(tar), &format!("{:.1} %", tar * 100.0));
    }
    svg.line(points.iter().map(|(far, tar)| (x(*far), y(*tar))), "#0b6bcb");
    svg.finish()
}

/// Histogram of two kinds of score, each scaled to its own count.
pub fn histogram(title: &str, axis: &str, range: (f32, f32), kinds: [(&str, &[f32]); 2]) -> String {
    let mut svg = Sheet::new(title, axis, "share of pairs");
    let share = |scores: &[f32]| {
        let mut bins = [0.0; BINS];
        for score in scores {
            let place = (score - range.0) / (range.1 - range.0) * BINS as f32;
            bins[(place.max(0.0) as usize).min(BINS - 1)] += 1.0 / scores.len() as f64;
        }
        bins
    };
    let both = kinds.map(|(_, scores)| share(scores));
    let highest = both.iter().flatten().fold(1e-9, |high: f64, value| high.max(*value));
    for step in 0..=5 {
        let part = f64::from(step) / 5.0;
        svg.tick_x(part, &format!("{:.2}", range.0 + (range.1 - range.0) * part as f32));
        svg.tick_y(part, &format!("{:.1} %", part * highest * 100.0));
    }
    for (index, ((name, scores), bins)) in kinds.iter().zip(both).enumerate() {
        let colour = ["#1a7f37", "#b3261e"][index];
        for (bin, value) in bins.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            svg.bar(bin as f64 / BINS as f64, 1.0 / BINS as f64, value / highest, colour);
        }
        svg.legend(index, &format!("{name} ({})", scores.len()), colour);
    }
    svg.finish()
}

/// One diagram; coordinates run from 0 to 1 within its axes.
struct Sheet(String);

impl Sheet {
    fn new(title: &str, x_axis: &str, y_axis: &str) -> Self {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"22\" text-anchor=\"middle\" font-size=\"15\">{}</text>",
            escaped(title)
        );
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 10.0,
            escaped(x_axis)
        );
        let up = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"14\" y=\"{up}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {up})\">{}</text>",
            escaped(y_axis)
        );
        Self(svg)
    }

    fn x(part: f64) -> f64 {
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(part: f64) -> f64 {
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }

    fn tick_x(&mut self, part: f64, label: &str) {
        let (x, top, bottom) = (Self::x(part), Self::y(1.0), Self::y(0.0));
        let _ = writeln!(
            self.0,
            "<path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            escaped(label)
        );
    }

    fn tick_y(&mut self, part: f64, label: &str) {
        let (y, left, right) = (Self::y(part), Self::x(0.0), Self::x(1.0));
        let _ = writeln!(
            self.0,
            "<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 5.0,
            y + 4.0,
            escaped(label)
        );
    }

    fn line(&mut self, points: impl Iterator<Item = (f64, f64)>, colour: &str) {
        let points: Vec<String> =
            points.map(|(x, y)| format!("{:.1},{:.1}", Self::x(x), Self::y(y))).collect();
        let _ = writeln!(
            self.0,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
    }

    fn bar(&mut self, x: f64, width: f64, height: f64, colour: &str) {
        let (left, top) = (Self::x(x), Self::y(height));
        let _ = writeln!(
            self.0,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\" fill-opacity=\".55\"/>",
            Self::x(x + width) - left,
            Self::y(0.0) - top
        );
    }

    fn legend(&mut self, index: usize, label: &str, colour: &str) {
        let y = TOP + 14.0 + 18.0 * index as f64;
        let _ = writeln!(
            self.0,
            "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            LEFT + 10.0,
            y - 10.0,
            LEFT + 28.0,
            escaped(label)
        );
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_separation_is_at_the_top() {
        let scores = Scores::new(vec![0.9; 100], vec![0.1; 1000]);
        let svg = roc("a < b", &scores);
        let line = svg.lines().find(|line| line.starts_with("<polyline")).unwrap_or_default();
        let top = format!("{:.1}", Sheet::y(1.0));
        assert!(
            line.split(['"', ' ']).filter(|point| point.contains(',')).all(|point| point.ends_with(&top)),
            "{line}"
        );
        assert!(svg.contains("a &lt; b"));
    }

    #[test]
    fn out_of_range_scores_have_a_bar() {
        let svg = histogram("t", "s", (0.0, 1.0), [("live", &[-1.0, 0.5, 2.0]), ("attack", &[])]);
        assert_eq!(svg.matches("fill-opacity").count(), 3);
    }
}
