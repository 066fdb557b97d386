//! The OpenAPI 3.1 document, made from the table of routes and the types of the answers: it cannot differ
//! from either.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api;
use super::openapi_requests::{parameter, request_body};
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
                "description": "Still under way after a quarter of an hour; it continues in the background.",
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
