//! A camera or enrolment picture with its marks, as one SVG that browsers scale and read aloud.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use maud::{PreEscaped, html};

use crate::reply::{Reply, of_type};
use view::Picture;

/// Colours of good and bad marks: bright, with a dark rim behind the text, to be seen on any picture.
const GOOD: &str = "#4ade80";
const BAD: &str = "#fbbf24";

/// The picture may hold its own data and nothing else.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; img-src data:; frame-ancestors 'none'");

/// The SVG.
pub(crate) fn picture(picture: &Picture) -> Reply {
    let (width, height) = (picture.width, picture.height);
    let stroke = (width / 320).max(2);
    let jpeg = format!("data:image/jpeg;base64,{}", STANDARD.encode(&picture.jpeg));
    let text = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) {
            image href=(jpeg) width=(width) height=(height) {}
            @for mark in &picture.marks {
                @let colour = if mark.good { GOOD } else { BAD };
                rect x=(mark.x) y=(mark.y) width=(mark.width) height=(mark.height) fill="none" stroke=(colour)
                    stroke-width=(stroke) rx=(stroke * 2) {}
                // A label that would leave the picture on the right ends there instead. Letters are about 0.6
                // as wide as high. On a phone the picture is some 330 pixels wide: a 24th of that is 14. A
                // long label is smaller rather than cut.
                @let letters = mark.label.chars().count().max(1) as f32;
                @let size = (width as f32 / 24.0).min(width as f32 / letters / 0.6).max(12.0);
                @let length = letters * size * 0.6;
                @let at_right = mark.x + length > width as f32;
                text x=(if at_right { width as f32 } else { mark.x.max(0.0) }) text-anchor=[at_right.then_some("end")] y=((mark.y - stroke as f32 * 2.0).max(size)) fill=(colour) stroke="#000"
                    stroke-width=(stroke) paint-order="stroke" font-family="system-ui, sans-serif" font-size=(size)
                    font-weight="600" { (mark.label) }
            }
        }
    };
    // maud writes HTML; an SVG of its own needs nothing but its head.
    let text = html! { (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")) (text) };
    let mut reply = of_type(StatusCode::OK, "image/svg+xml", text.into_string());
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    reply
}
