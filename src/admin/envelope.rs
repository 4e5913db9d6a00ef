//! What every request and answer of the admin port has in common: an id, security headers, and an answer
//! even where a handler panics.
//!
//! Not authentication (`auth.rs`). Invariants: every answer carries `Countersign-Request-Id` and is not
//! stored by caches; every refusal, the router's own included, is a problem document (RFC 9457); a change
//! that has begun is finished even where its caller hangs up, because it runs in a task of its own.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LINK, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use super::page::NextPage;
use super::problem::Problem;

/// The header that names the request, as on the traffic port.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("countersign-request-id");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The id of the request at hand, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId(pub(super) Uuid);

/// The outermost layer.
pub(super) async fn wrap(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    request.extensions_mut().insert(RequestId(id));
    let asked = request.uri().clone();
    let answer = tokio::spawn(next.run(request)).await;
    let mut response = answer.unwrap_or_else(|fault| {
        tracing::error!(request = %id, panicked = fault.is_panic(), "an admin request did not finish");
        Problem::unavailable("the request failed by a fault of the server; see its log").into_response()
    });
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove().unwrap_or_else(|| Problem::of_status(status));
        let allow = response.headers_mut().remove(ALLOW);
        response = problem.render(id);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    if let Some(link) = response.extensions_mut().remove::<NextPage>().and_then(|next| next.link(&asked)) {
        response.headers_mut().insert(LINK, link);
    }
    protect(response.headers_mut(), id);
    response
}

fn protect(headers: &mut HeaderMap, id: Uuid) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    let fixed = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_FRAME_OPTIONS, "DENY"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower_service::Service;

    use super::wrap;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_problem_and_no_crash() {
        async fn broken() -> &'static str {
            panic!("a secret detail")
        }
        let mut router = Router::new().route("/", get(broken)).layer(from_fn(wrap));
        for _ in 0..2 {
            let request = Request::builder().uri("/").body(Body::empty()).unwrap();
            let answer = router.call(request).await.unwrap();
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.contains("urn:uuid:") && !text.contains("secret detail"), "{text}");
        }
    }
}
