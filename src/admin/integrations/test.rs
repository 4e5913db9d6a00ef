//! `POST /api/integrations/{integration}/test`: a signed sample, on the way of any sender's.
//!
//! Not a change: nothing is written but what traffic writes, its delivery and counters. Invariants: only what the
//! sidecar can sign with what it holds is sent, as the sender would have signed it; the secret leaves neither this
//! process nor this function; what is reported is what the pipeline found, not what should be.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{entry, key_of};
use crate::admin::AdminState;
use crate::admin::body::Optional;
use crate::admin::conditional::Call;
use crate::admin::problem::{Fault, Problem};
use crate::admin::{change, deliveries, formats};
use crate::credential::Head;
use crate::deliveries::{Delivery, Outcome};
use crate::keys::entry::IntegrationEntry;
use crate::proxy::rehearsal::Rehearsed;

/// The handler.
pub(in crate::admin) async fn test(
    State(state): State<Arc<AdminState>>,
    _: Call,
    Path(named): Path<String>,
    Optional(mut fields): Optional,
) -> Result<Response, Problem> {
    let body = fields.plain("body", formats::text);
    let body = fields.finish(Some(body))?;
    let entry = entry(state.writer.mirror(), &named)?;
    let Some(rehearsal) = &state.rehearsal else {
        let detail = "this process takes no traffic; ask one whose role is \"all\"";
        return Err(Problem::conflict(detail));
    };
    let settings = state.settings.load_full();
    let Some(path) = settings.integration_path() else {
        return Err(Problem::conflict("no route takes integrations"));
    };
    let path = path.replace("{integration}", &entry.record.name);
    let body = body
        .unwrap_or_else(|| json!({ "countersign": "test", "integration": entry.record.name }).to_string());
    let request = signed(&state, &entry, &path, settings.public_url.as_deref(), body)?;
    let from = address(&entry);
    let sent: Vec<String> = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
    let rehearsed = rehearsal.run(request, from).await;
    let delivery = rehearsed.delivery.as_ref();
    let answer = json!({
        "ok": delivery.is_some_and(|delivery| delivery.outcome == Outcome::Verified && delivery.status < 400),
        "request": { "method": "POST", "path": path, "from": from, "headers": sent },
        "status": rehearsed.status.map(|status| status.as_u16()),
        "stages": stages(&rehearsed),
        "delivery": delivery.map(deliveries::shown),
    });
    Ok(axum::Json(answer).into_response())
}

/// What the sender would have sent.
fn signed(
    state: &AdminState,
    entry: &IntegrationEntry,
    path: &str,
    public_url: Option<&str>,
    body: String,
) -> Result<Request<Full<Bytes>>, Problem> {
    let scheme = &entry.scheme;
    let cannot = |detail: &str| Problem::invalid(vec![Fault::at("/scheme", "unsignable", detail)]);
    let url = public_url.map(|base| format!("{}{path}", base.trim_end_matches('/')));
    if scheme.needs_url() && url.is_none() {
        return Err(cannot("signs the URL, and listener.public_url is not set"));
    }
    let secret =
        state.writer.open(key_of(&entry.record), &entry.record.secret).map_err(change::not_sealed)?;
    let public = "cannot be signed with what the sidecar holds: the sender alone has the key";
    let key = scheme.prepare(&secret).map_err(|_| cannot(public))?;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("countersign-test"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let head = Head { method: &Method::POST, target: path, headers: &headers, url: url.as_deref() };
    let made = scheme.sign(&key, &head, &[body.as_bytes()], state.writer.now(), None);
    if made.is_empty() {
        return Err(cannot(public));
    }
    headers.extend(made);
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() =
        path.parse().map_err(|_| Problem::conflict("the route's path is no path of a URL"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Where it comes from: an address that may use the integration.
fn address(entry: &IntegrationEntry) -> IpAddr {
    let allowed = entry.record.allowed_cidrs.as_ref().and_then(|allowed| allowed.first());
    allowed.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), ipnet::IpNet::addr)
}

/// Each step, as far as it came.
fn stages(rehearsed: &Rehearsed) -> Vec<Value> {
    let stage = |name: &str, ok: bool, millis: Option<f64>, detail: Option<String>| json!({ "stage": name, "ok": ok, "millis": millis, "detail": detail });
    let Some(Delivery { stages, route, outcome, cause, status, .. }) = &rehearsed.delivery else {
        let detail = "the request did not come to the integration: another route takes its path";
        return vec![stage("route", false, None, Some(detail.to_owned()))];
    };
    let verified = matches!(outcome, Outcome::Verified | Outcome::UpstreamFailed);
    let mut all =
        vec![stage("route", true, None, Some(route.clone())), stage("candidates", true, None, None)];
    let why = || cause.clone();
    all.push(stage("verified", verified, stages.verified.or(stages.judged), why().filter(|_| !verified)));
    if verified {
        let answered = *outcome == Outcome::Verified;
        let detail = if answered { Some(format!("the application answered {status}")) } else { why() };
        all.push(stage("forwarded", answered, Some(stages.answered), detail));
    }
    all
}
