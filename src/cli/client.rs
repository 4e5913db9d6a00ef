//! A client of the admin port, for commands: JSON in, JSON out, over one HTTP/1.1 connection a call, under TLS where
//! the port is.
//!
//! Not for the request path. Invariants: the token goes into a header and nowhere else, and under TLS to nobody whose
//! certificate is not good.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::tls::dial;
use crate::upstream::connect::Dialer;

/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where the admin port is, and what opens it.
#[derive(Clone)]
pub struct Client {
    authority: String,
    token: Secret,
    dialer: Option<Dialer>,
}

/// An answer of the admin port.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body; null where it has none.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("the admin port at {authority} cannot be reached: {source}")]
    Unreachable {
        /// Host and port.
        authority: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection ended before the answer came: what was asked for may have happened.
    #[error("the admin port gave no answer: {0}")]
    Lost(String),
    /// What answers does not speak as the admin port does.
    #[error("the admin port gave no valid answer: {0}")]
    Invalid(String),
}

impl Client {
    /// A client of the admin port at `authority` (`host:port`).
    #[must_use]
    pub fn new(authority: String, token: Secret) -> Self {
        Self { authority, token, dialer: None }
    }

    /// The same under TLS.
    #[must_use]
    pub fn under_tls(self, dialer: Dialer) -> Self {
        Self { dialer: Some(dialer), ..self }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// See [`ClientError`]; an answer with an error status is an answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        self.send(self.request(method, path, body)?).await
    }

    /// Makes one call that changes nothing where the record is not at this revision any more.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_at(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: u64,
    ) -> Result<Answer, ClientError> {
        let mut request = self.request(method, path, body)?;
        request.headers_mut().insert(IF_MATCH, tag(revision)?);
        self.send(request).await
    }

    /// Makes one call that may be made again: with the same key it changes nothing twice, and has the same answer.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_once(
        &self,
        path: &str,
        body: Option<&Value>,
        revision: Option<u64>,
        key: &str,
    ) -> Result<Answer, ClientError> {
        let mut request = self.request(Method::POST, path, body)?;
        let key = HeaderValue::from_str(key).map_err(invalid)?;
        request.headers_mut().insert(HeaderName::from_static("idempotency-key"), key);
        if let Some(revision) = revision {
            request.headers_mut().insert(IF_MATCH, tag(revision)?);
        }
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|source| ClientError::Unreachable { authority: self.authority.clone(), source })?;
        match &self.dialer {
            None => exchange(stream, request).await,
            Some(Dialer { tls, name }) => {
                let agreed = dial(tls, name, stream).await;
                let stream = agreed.map_err(|source| ClientError::Unreachable {
                    authority: self.authority.clone(),
                    source: std::io::Error::other(source),
                })?;
                exchange(stream, request).await
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let token = self.token.expose_text().ok_or_else(|| invalid("the token is not text"))?;
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let mut bearer = HeaderValue::from_str(&bearer).map_err(invalid)?;
        bearer.set_sensitive(true);
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(invalid)
    }
}

fn tag(revision: u64) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(&format!("\"{revision}\"")).map_err(invalid)
}

fn lost(error: impl ToString) -> ClientError {
    ClientError::Lost(error.to_string())
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(invalid)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(lost)?;
    let status = response.status();
    let bytes = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(lost)?.to_bytes();
    connection.abort();
    let body =
        if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).map_err(invalid)? };
    Ok(Answer { status, body })
}

fn invalid(error: impl ToString) -> ClientError {
    ClientError::Invalid(error.to_string())
}
