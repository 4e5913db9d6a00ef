//! `/api/schemes`: the presets, as `countersign schemes` shows them. Read only.
//!
//! Not records: they are part of the program, so there is no page and no revision.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::conditional::Call;
use super::problem::Problem;
use crate::verify::scheme::{preset, presets};

/// `GET /api/schemes`
pub(super) async fn list(_: Call) -> Response {
    let items: Vec<_> = presets().map(|scheme| scheme.summary()).collect();
    Json(json!({ "items": items, "nextCursor": null })).into_response()
}

/// `GET /api/schemes/{scheme}`
pub(super) async fn get(_: Call, Path(name): Path<String>) -> Result<Response, Problem> {
    let scheme = preset(&name).ok_or_else(|| Problem::not_found("there is no such scheme"))?;
    Ok(Json(scheme.detail()).into_response())
}
