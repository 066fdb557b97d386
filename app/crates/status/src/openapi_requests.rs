//! What a request must carry, for the OpenAPI document: the form, and the varying part of the path.

use serde_json::{Map, Value, json};

use super::limits::LONGEST_PASSPHRASE;
use super::request::LONGEST_ADDRESS;
use super::request::LONGEST_REASON;
use super::routes::{Endpoint, Route};

/// What a request must carry.
pub(super) fn request_body(route: &Route) -> Option<(&'static str, Value)> {
    match route.endpoint {
        Endpoint::ReceiveUpdate => {
            let bundle = json!({
                "type": "string", "format": "binary", "minLength": 1,
                "description": "The bundle (.raucb), at most 400 MiB, with its Content-Length",
            });
            Some(("application/octet-stream", bundle))
        }
        Endpoint::EraseStudent => {
            let confirm =
                json!({ "type": "string", "description": "The roll number of the address, once more" });
            let form = json!({
                "type": "object", "properties": { "confirm": confirm }, "required": ["confirm"],
            });
            Some(("application/x-www-form-urlencoded", form))
        }
        Endpoint::Import => {
            let archive = json!({
                "type": "string", "format": "binary", "minLength": 1,
                "description": "The file that the export made, with its Content-Length. The header X-Passphrase holds the \
                                passphrase, percent-encoded. With `X-Keep-Settings: 1` this device's settings stay.",
            });
            Some(("application/octet-stream", archive))
        }
        Endpoint::Export => {
            let passphrase = json!({ "type": "string", "minLength": 12, "maxLength": LONGEST_PASSPHRASE });
            let form = json!({
                "type": "object", "properties": { "passphrase": passphrase, "repeated": passphrase },
                "required": ["passphrase", "repeated"],
            });
            Some(("application/x-www-form-urlencoded", form))
        }
        Endpoint::InstallUpdate => {
            let address = json!({
                "type": "string", "format": "uri", "maxLength": LONGEST_ADDRESS,
                "description": "https address of a bundle (.raucb), or of the offer beside it (latest.json)",
            });
            let form = json!({
                "type": "object", "properties": { "url": address }, "required": ["url"],
            });
            Some(("application/x-www-form-urlencoded", form))
        }
        Endpoint::AddRow | Endpoint::ChangeRow | Endpoint::VoidRow | Endpoint::PlaceRow => {
            Some(("application/x-www-form-urlencoded", correction(route.endpoint)))
        }
        _ => None,
    }
}

/// The form of a correction.
fn correction(endpoint: Endpoint) -> Value {
    let reason = json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "description": "Why it is corrected.",
    });
    let day = json!({ "type": "string", "format": "date", "description": "A day of the site, YYYY-MM-DD." });
    let time = json!({ "type": "string", "description": "The site's time, HH:MM or HH:MM:SS." });
    let name = json!({ "type": "string", "description": "The student's roll number." });
    let status = json!({ "type": "string", "enum": ["IN", "OUT"] });
    let fields = match endpoint {
        Endpoint::AddRow => vec![("name", name), ("status", status), ("day", day), ("time", time)],
        Endpoint::ChangeRow => vec![("time", time)],
        Endpoint::VoidRow => Vec::new(),
        _ => vec![("day", day)],
    };
    let fields: Vec<_> = fields.into_iter().chain([("reason", reason)]).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The varying part of a path.
pub(super) fn parameter(route: &Route) -> Option<(&'static str, Value, &'static str)> {
    match route.endpoint {
        Endpoint::Day | Endpoint::DayCsv => {
            Some(("date", json!({ "type": "string", "format": "date" }), "A day of the site, YYYY-MM-DD."))
        }
        Endpoint::Retry | Endpoint::Dismiss => Some((
            "row",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$" }),
            "The id of a refused row, from upload.needs_person of /status.",
        )),
        Endpoint::ChangeRow | Endpoint::VoidRow | Endpoint::PlaceRow => Some((
            "row",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$" }),
            "The id of a row, from /attendance/{date} or from upload.needs_person of /status.",
        )),
        Endpoint::EraseStudent => Some((
            "roll",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" }),
            "The student's roll number.",
        )),
        Endpoint::LiftErasure => Some((
            "id",
            json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
            "The number of an erasure, from /students/erasures.",
        )),
        _ => None,
    }
}
