//! The OpenAPI 3.1 document, made from the table of routes and the types of the answers: it cannot differ
//! from either.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api;
use super::archive::LONGEST_PASSPHRASE;
use super::corrections::LONGEST_REASON;
use super::request::LONGEST_ADDRESS;
use super::rights::Rights;
use super::routes::{Access, Endpoint, ROUTES, Route};
use access::role::Role;
use view::Roster;

/// The document.
pub(super) fn document() -> Value {
    // JSON Schema 2020-12, which OpenAPI 3.1 uses, with definitions where OpenAPI expects them.
    let mut schemas = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.meta_schema = None;
            settings.definitions_path = "/components/schemas".into();
        })
        .into_generator();
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| !route.summary.is_empty()) {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route, &mut schemas);
    }
    let mut components: Map<String, Value> = schemas.take_definitions(true).into_iter().collect();
    components.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Attendance appliance",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the original system's API answers, field for field, and what was added. \
                            Errors are always {\"detail\": {\"error\", \"details\"}}.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`attendance token add NAME` makes one that may look, with `--full` one that may also act, with `--role ROLE` one that may do what an account of this role may, and shows it once.",
                },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer(route, schemas));
    let failure = failure(schemas);
    let mut add = |status: &str, description: &str| {
        let mut body = failure.clone();
        body["description"] = description.into();
        responses.insert(status.to_owned(), body);
    };
    if route.access != Access::Open {
        add("401", "Neither a token nor a log-in came along.");
        add("429", "Too many wrong tokens came from this address.");
    }
    if route.access == Access::Read && Rights::default().least(route.endpoint) > Role::Viewer {
        add("403", "The token names a role that may not do this.");
    }
    if route.access == Access::Page {
        add("403", "The token names no role that may do this.");
    }
    let is_transfer = matches!(route.endpoint, Endpoint::Export | Endpoint::Import);
    if matches!(route.access, Access::Full | Access::PageChange) && !is_transfer {
        add("403", "The token may only read, or names no role that may do this.");
        add("413", "The body is larger than this address takes.");
        match route.endpoint {
            Endpoint::Retry | Endpoint::Dismiss => {
                add("404", "There is no such row.");
                add("409", "The same is being done with another row.");
            }
            Endpoint::AddRow | Endpoint::ChangeRow | Endpoint::VoidRow | Endpoint::PlaceRow => {
                add("400", "The form lacks a field, or one cannot be read.");
                add("409", "It cannot be corrected so; the detail says why.");
            }
            Endpoint::ReceiveUpdate => {
                add("400", "The request holds no update, or broke off.");
                add("408", "The update came too slowly.");
                add("409", "Another update is on its way in, or none can be installed here.");
                add("411", "The request does not say how long it is.");
            }
            Endpoint::InstallUpdate => {
                add("400", "The form holds no address of an update.");
                add("409", "Another update is being installed.");
            }
            Endpoint::EraseStudent => {
                add("400", "The form does not hold the roll number again.");
                add("404", "The address holds no roll number.");
            }
            Endpoint::LiftErasure => add("404", "There is no such erasure in force."),
            _ => {}
        }
        if route.endpoint == Endpoint::Upload {
            let schema = schemas.subschema_for::<api::Uploaded>();
            let body = json!({ "description": "It failed.", "content": { "application/json": { "schema": schema } } });
            responses.insert("500".to_owned(), body);
        } else {
            add("500", "It failed; the detail says why.");
        }
        let schema = schemas.subschema_for::<api::Acted>();
        responses.insert(
            "202".to_owned(),
            json!({
                "description": "Still under way after a quarter of an hour; it goes on by itself.",
                "content": { "application/json": { "schema": schema } },
            }),
        );
    } else if is_transfer {
        add("400", "The passphrase is too short, or the two differ; or no archive came.");
        add("403", "The token does not name the role technician.");
        add(
            "409",
            "Another export or import is under way, or the archive is not taken; the detail says why.",
        );
        add("413", "The body is larger than this address takes.");
        add("500", "It failed; the detail says why.");
        if route.endpoint == Endpoint::Import {
            add("408", "The archive came too slowly.");
            add("411", "The request does not say how long it is.");
        }
    } else if matches!(route.endpoint, Endpoint::Day | Endpoint::DayCsv) {
        add("404", "The path holds no day.");
        add("500", "The day's rows cannot be read.");
    } else if route.endpoint == Endpoint::Events {
        add("503", "Too many listen already.");
    } else if route.endpoint == Endpoint::Health {
        let schema = schemas.subschema_for::<api::Problems>();
        let content = json!({ "application/json": { "schema": schema } });
        let said = "It does not do its work; the body as with 200.";
        responses.insert("503".to_owned(), json!({ "description": said, "content": content }));
    }
    responses.sort_keys();
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "responses": responses,
    });
    if route.access == Access::Open {
        operation["security"] = json!([]);
    }
    if let Some((name, schema, description)) = parameter(route) {
        operation["parameters"] = json!([{
            "name": name, "in": "path", "required": true, "description": description, "schema": schema,
        }]);
    }
    if let Some((kind, schema)) = request_body(route) {
        operation["requestBody"] = json!({ "required": true, "content": { kind: { "schema": schema } } });
    }
    operation
}

/// What a request must carry.
fn request_body(route: &Route) -> Option<(&'static str, Value)> {
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

fn answer(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let (content_type, schema) = match route.endpoint {
        Endpoint::Root => json_of::<api::Root>(schemas),
        Endpoint::Status => json_of::<api::Status>(schemas),
        Endpoint::Today | Endpoint::Day => json_of::<api::Day>(schemas),
        Endpoint::SystemHealth => json_of::<api::Health>(schemas),
        // Without a token there is no body.
        Endpoint::Health => json_of::<api::Problems>(schemas),
        Endpoint::Logs => json_of::<api::Logs>(schemas),
        Endpoint::Roster => json_of::<Roster>(schemas),
        Endpoint::Erasures => json_of::<api::Erasures>(schemas),
        Endpoint::Upload => json_of::<api::Uploaded>(schemas),
        Endpoint::Restart => json_of::<api::Restarted>(schemas),
        Endpoint::Sync
        | Endpoint::TestPhotos
        | Endpoint::TestWebhook
        | Endpoint::ConfirmRemoval
        | Endpoint::ConfirmTime
        | Endpoint::Retry
        | Endpoint::RetryAll
        | Endpoint::Dismiss
        | Endpoint::ReceiveUpdate
        | Endpoint::InstallUpdate
        | Endpoint::TryUpdate
        | Endpoint::CheckUpdates
        | Endpoint::GoBack
        | Endpoint::AcknowledgeUpdate
        | Endpoint::AddRow
        | Endpoint::ChangeRow
        | Endpoint::VoidRow
        | Endpoint::PlaceRow
        | Endpoint::EraseStudent
        | Endpoint::LiftErasure
        | Endpoint::Import
        | Endpoint::CloseDay => json_of::<api::Acted>(schemas),
        Endpoint::OpenApi => ("application/json", json!({ "type": "object" })),
        Endpoint::DayCsv => ("text/csv", text()),
        Endpoint::Metrics => ("text/plain", text()),
        Endpoint::Events => ("text/event-stream", text()),
        Endpoint::Docs => ("text/html", text()),
        Endpoint::Export => ("application/octet-stream", json!({ "contentEncoding": "binary" })),
        Endpoint::Diagnostics => ("application/gzip", json!({ "contentEncoding": "binary" })),
        _ => return json!({ "description": "It does its work." }),
    };
    json!({ "description": "The answer.", "content": { content_type: { "schema": schema } } })
}

fn json_of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> (&'static str, Value) {
    ("application/json", schemas.subschema_for::<T>().to_value())
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn failure(schemas: &mut SchemaGenerator) -> Value {
    let schema = schemas.subschema_for::<api::Failure>();
    json!({ "content": { "application/json": { "schema": schema } } })
}

/// The varying part of a path.
fn parameter(route: &Route) -> Option<(&'static str, Value, &'static str)> {
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

/// `GET /attendance/{date}.csv` becomes `get_attendance_date_csv`.
fn operation_id(route: &Route) -> String {
    let words: Vec<_> =
        route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let path = if words.is_empty() { "root".to_owned() } else { words.join("_") };
    format!("{}_{path}", route.method.as_str().to_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The document is a promise to scripts: a change of it is seen in review. `UPDATE_GOLDEN=1` writes it
    /// again.
    #[test]
    fn the_document_is_the_one_that_was_promised() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden, &now).unwrap();
        }
        let promised = std::fs::read_to_string(golden).unwrap();
        assert!(now == promised, "the API changed; if it should, run this test once with UPDATE_GOLDEN=1");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
        let document = document();
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let mut ids: Vec<_> = ROUTES.iter().filter(|r| !r.summary.is_empty()).map(operation_id).collect();
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
