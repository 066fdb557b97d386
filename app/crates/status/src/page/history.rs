//! The day in lines: rows an hour, frames a second, temperature, free space and backlog, drawn here.

use maud::{Markup, html};

use super::parts::{Home, time_of};
use crate::history::{points, rows_an_hour};

/// The drawing's own units.
const WIDTH: f32 = 240.0;
const HEIGHT: f32 = 40.0;

pub(super) fn card(home: &Home<'_>) -> Markup {
    let samples = home.history;
    let since = samples.first().map_or("", |sample| time_of(&sample.at));
    let rates: Vec<f32> = samples.iter().map(|sample| sample.frame_rate).collect();
    let heat: Vec<f32> = samples.iter().filter_map(|sample| sample.temperature_c).collect();
    let free: Vec<f32> =
        samples.iter().filter_map(|sample| sample.storage_free).map(|bytes| bytes as f32 / 1e9).collect();
    let backlog: Vec<f32> = samples.iter().map(|sample| sample.backlog as f32).collect();
    html! {
        section.card aria-labelledby="history-title" {
            h2 #history-title { "The day" }
            div #history data-live {
                (line("Rows an hour", "midnight", &rows_an_hour(home.view), 0, ""))
                (line("Frames a second", since, &rates, 1, ""))
                (line("Temperature", since, &heat, 0, " °C"))
                (line("Free space", since, &free, 1, " GB"))
                (line("Rows that wait", since, &backlog, 0, ""))
            }
        }
    }
}

/// One line with its least and its largest value, and the newest.
fn line(name: &str, since: &str, values: &[f32], digits: usize, unit: &str) -> Markup {
    let largest = values.iter().copied().fold(f32::MIN, f32::max);
    let least = values.iter().copied().fold(f32::MAX, f32::min);
    html! {
        @if let Some(points) = points(values, WIDTH, HEIGHT) {
            @let words = format!("{name}: {least:.digits$} to {largest:.digits$}{unit}");
            div.spark {
                p { (words) @if !since.is_empty() { span.quiet { ", since " (since) } } }
                svg viewBox=(format!("0 -2 {WIDTH} {}", HEIGHT + 4.0)) role="img" aria-label=(words) preserveAspectRatio="none" {
                    polyline points=(points) fill="none" stroke="currentColor" stroke-width="1.5" vector-effect="non-scaling-stroke" {}
                }
            }
        }
    }
}
