//! `/docs`: the OpenAPI document as a page.

use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::document;
use crate::reply::Reply;

/// The page, made from the document.
pub(crate) fn docs(api: &Value, csrf: Option<&str>) -> Reply {
    let head = html! { script src="/page.js" defer {} };
    let body = html! {
        body.docs {
            header.top {
                h1 { (text(&api["info"]["title"])) " API" }
                a.button href="/" { "Back to the page" }
            }
            main {
                p { (text(&api["info"]["description"])) }
                p {
                    "Scripts send " code { "Authorization: Bearer TOKEN" } "; "
                    (text(&api["components"]["securitySchemes"]["token"]["description"]))
                    " The whole description for tools: " a href="/openapi.json" { "openapi.json" } "."
                }
                @for (path, methods) in api["paths"].as_object().into_iter().flatten() {
                    @for (method, operation) in methods.as_object().into_iter().flatten() {
                        (one(path, method, operation, api, csrf))
                    }
                }
            }
        }
    };
    document(StatusCode::OK, "API of the attendance appliance", &head, &body)
}

fn one(path: &str, method: &str, operation: &Value, api: &Value, csrf: Option<&str>) -> Markup {
    let schema = schema(operation).map(|schema| resolve(api, schema));
    let title = format!("{} {path}", method.to_uppercase());
    html! {
        section.card {
            h2 { span.badge.method { (method.to_uppercase()) } " " code { (path) } }
            p { (text(&operation["summary"])) "." }
            @for parameter in operation["parameters"].as_array().into_iter().flatten() {
                p { code { (text(&parameter["name"])) } ": " (text(&parameter["description"])) }
            }
            details {
                summary { "Answers" }
                ul {
                    @for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                        li { strong { (status) } " " (text(&answer["description"])) }
                    }
                }
                @if let Some(fields) = schema.and_then(|schema| schema["properties"].as_object()) {
                    dl.fields {
                        @for (name, field) in fields {
                            div { dt { code { (name) } } dd { (text(&field["description"])) } }
                        }
                    }
                }
            }
            // Shown by the script, which sends it.
            form.try data-try=(path) data-method=(method.to_uppercase()) data-csrf=[csrf] hidden {
                @for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    label { (text(&parameter["name"])) " of " (title) input name="part" required placeholder=(example(parameter)); }
                }
                @if !operation["requestBody"].is_null() {
                    @if operation.pointer("/requestBody/content/application~1octet-stream").is_some() {
                        label { "File for " (title) input name="file" type="file" required; }
                    } @else {
                        label { "url of " (title) input name="url" type="url" required placeholder="https://"; }
                    }
                }
                @let act = if method == "get" { "Try it" } else { "Do it" };
                button type="submit" aria-label=(format!("{act}: {title}")) { (act) }
            }
            pre hidden tabindex="0" aria-label=(format!("Answer of {title}")) {}
        }
    }
}

/// How the varying part of a path looks.
fn example(parameter: &Value) -> &str {
    if parameter["name"] == "date" { "2026-11-29" } else { "" }
}

/// The schema of the good JSON answer.
fn schema(operation: &Value) -> Option<&Value> {
    operation.pointer("/responses/200/content/application~1json/schema")
}

fn resolve<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"].as_str().and_then(|r| api.pointer(r.strip_prefix('#')?)).unwrap_or(schema)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}
