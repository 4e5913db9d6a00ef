//! One connection, from accept to close.
//!
//! It conducts hyper and knows no handler's business. Invariant: every way out closes the socket; a panic
//! of the handler ends this task (or this HTTP/2 stream) and nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::rt;
use hyper::server::conn::http1;
use hyper::server::conn::http2;
use hyper::service::HttpService;
use hyper::service::Service;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::futures::Notified;
use tokio::task::coop;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;

use super::BoxError;
use super::Handler;
use super::ListenerSettings;
use super::activity::Activity;
use super::connections::Permit;
use super::deadline::Deadlines;
use super::frames::FrameMeter;
use super::io::Conversation;
use super::place::Plain;
use super::proxy_protocol;
use super::secure::{self, HandshakeFailure, Peer, Transport};
use super::shared::Shared;
use super::sniff::Protocol;
use super::sniff::Replay;
use super::sniff::sniff;
use super::stalls::{Pieces, Streams};
use super::takeover::Takeover;
use super::waiting::Waiting;
use crate::client::Address;

/// Reads of a large body that one turn of HTTP/1.1 goes on for: so it is hashed and written on while it is in the cache,
/// and others wait for some 500 KiB at most. hyper alone would leave what is behind the first read to the next turn.
const READS_AT_ONCE: u8 = 8;

/// Serves one connection until it closes. `permit` is its place among the open ones.
pub(super) async fn run<S: Plain, H: Handler>(
    mut stream: S,
    peer: Address,
    shared: Arc<Shared>,
    handler: H,
    mut permit: Permit,
) -> io::Result<()> {
    let Some(peer) = client_of(&mut stream, peer, &shared, &mut permit).await else { return Ok(()) };
    match shared.tuning.tls() {
        None => converse(stream, None, Peer { address: peer, tls: None }, shared, handler).await,
        // In a box, so that connections without TLS are none the larger.
        Some(_) => Box::pin(run_secure(stream, peer, shared, handler)).await,
    }
}

/// Whose connection it is: its peer's, or as a PROXY header says. `None`: nobody's who may have one.
async fn client_of<S: Plain>(
    stream: &mut S,
    peer: Address,
    shared: &Shared,
    permit: &mut Permit,
) -> Option<Address> {
    let tuning = shared.tuning.now();
    let settings = &tuning.settings;
    if !settings.proxy_protocol {
        return Some(peer);
    }
    let mut drained = pin!(shared.drained());
    drained.as_mut().enable();
    if shared.drain_end().is_some() {
        return None;
    }
    let said = tokio::select! {
        biased;
        said = proxied(stream, peer, permit, settings) => said,
        () = sleep(settings.header_timeout) => Err(io::ErrorKind::TimedOut.into()),
        () = &mut drained => return None,
    };
    said.inspect_err(|error| {
        shared.connections.count_proxy_fault();
        tracing::debug!(%peer, %error, "a connection without a PROXY header that counts");
    })
    .ok()
}

/// Only a trusted proxy may say anything of its client.
async fn proxied<S: Plain>(
    stream: &mut S,
    peer: Address,
    permit: &mut Permit,
    settings: &ListenerSettings,
) -> io::Result<Address> {
    if !settings.trusted_proxies.contains(peer) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not of a trusted proxy"));
    }
    let Some(client) = proxy_protocol::read(stream).await? else { return Ok(peer) };
    let client = client.ip().into();
    if !permit.pass_to(client, settings) {
        return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "its client has as many as it may"));
    }
    Ok(client)
}

/// The same under TLS.
async fn run_secure<S: Plain, H: Handler>(
    stream: S,
    peer: Address,
    shared: Arc<Shared>,
    handler: H,
) -> io::Result<()> {
    let Some(tls) = shared.tuning.tls() else { return Ok(()) };
    let stream = {
        let mut drained = pin!(shared.drained());
        drained.as_mut().enable();
        if shared.drain_end().is_some() {
            return Ok(());
        }
        let limit = shared.tuning.now().settings.handshake_timeout;
        tokio::select! {
            biased;
            agreed = secure::handshake(tls, stream) => agreed,
            () = sleep(limit) => Err(HandshakeFailure::Timeout),
            () = &mut drained => return Ok(()),
        }
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(failure) => {
            shared.connections.count_handshake_failure(failure);
            return Ok(());
        }
    };
    let peer = Peer { address: peer, tls: Some(Arc::new(stream.secured())) };
    let protocol = stream.protocol();
    converse(stream, Some(protocol), peer, shared, handler).await
}

/// Speaks HTTP until the connection closes: `agreed`, or what the first bytes say.
pub(super) async fn converse<S: Transport, H: Handler>(
    mut stream: S,
    agreed: Option<Protocol>,
    peer: Peer,
    shared: Arc<Shared>,
    handler: H,
) -> io::Result<()> {
    let mut drained = pin!(shared.drained());
    drained.as_mut().enable();
    if shared.drain_end().is_some() {
        return Ok(());
    }
    let tuning = shared.tuning.now();
    let settings = &tuning.settings;
    let accepted = Instant::now();
    let mut sleep = pin!(sleep_until(accepted + settings.header_timeout));
    let sniffed = match agreed {
        Some(protocol) => Some((protocol, Replay::default())),
        None => tokio::select! {
            biased;
            sniffed = sniff(&mut stream) => sniffed?,
            () = &mut sleep => None,
            () = &mut drained => None,
        },
    };
    let Some((protocol, replay)) = sniffed else {
        return Ok(());
    };
    let activity = Activity::new(accepted);
    stream.attach(&activity);
    let address = peer.address;
    let meter = (protocol == Protocol::Http2)
        .then(|| FrameMeter::new(settings.h2_control_frames, settings.h2_resets, accepted));
    let conversation = Conversation::new(stream, replay, Arc::clone(&activity), meter, settings.linger_bytes);
    let io = TokioIo::new(conversation);
    let tracked = Arc::clone(&activity);
    let (is_http1, max_requests) = (protocol == Protocol::Http1, settings.max_requests);
    let served = Arc::new((handler, peer));
    let service = service_fn(move |request: Request<Incoming>| {
        let in_flight = tracked.begin();
        let last = is_http1 && tracked.begun() >= max_requests;
        let served = Arc::clone(&served);
        async move {
            let (handler, peer) = &*served;
            let (mut head, body) = request.into_parts();
            let mut response = handler.handle(&mut head, body, peer, Waiting::on(&in_flight, is_http1)).await;
            if let Some(takeover) = response.extensions_mut().remove::<Takeover>() {
                in_flight.activity().hand_over(takeover);
            } else if last {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| in_flight.until_sent(body)))
        }
    });
    let deadlines = Deadlines::new(sleep, &activity, settings, protocol);
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = pin!(tuning.http1.serve_connection(io, service).with_upgrades());
            drive(connection, deadlines, &activity, settings, &shared, drained).await
        }
        Protocol::Http2 => {
            let connection = pin!(tuning.http2.serve_connection(io, in_pieces(service)));
            drive(connection, deadlines, &activity, settings, &shared, drained).await
        }
    };
    if let Some(Err(error)) = ended {
        if error.is_parse() {
            shared.connections.count_parse_error();
        }
        tracing::debug!(peer = %address, %error, "connection ended");
    } else if let Some(takeover) = activity.takeover() {
        // From here on, to shut down our side is to half-close it.
        activity.set_abrupt();
        takeover.run().await;
    }
    Ok(())
}

/// The same service, its answers in pieces.
fn in_pieces<S, B>(
    service: S,
) -> impl HttpService<Incoming, ResBody = Pieces<B>, Error = Infallible, Future: Send>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    service_fn(move |request| {
        let answering = service.call(request);
        async move { answering.await.map(|response| response.map(Pieces::of)) }
    })
}

/// Polls hyper, then looks whether to stop. `None`: a deadline passed, or the peer has left.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    mut deadlines: Deadlines<'_>,
    activity: &Activity,
    settings: &ListenerSettings,
    shared: &Shared,
    mut drained: Pin<&mut Notified<'_>>,
) -> Option<hyper::Result<()>>
where
    C: Graceful,
{
    let mut listening = false;
    let mut draining = false;
    poll_fn(move |cx| {
        let mut reads = 0;
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            if activity.has_left() {
                return Poll::Ready(None);
            }
            if C::PROTOCOL == Protocol::Http1 && activity.take_more() && reads < READS_AT_ONCE {
                reads += 1;
                continue;
            }
            if !listening && !draining {
                // Registered once, as the waker of a task stays the same; without budget it may not be.
                listening = coop::has_budget_remaining();
                let _woken = drained.as_mut().poll(cx).is_ready();
            }
            if !draining && let Some(end) = shared.drain_end() {
                draining = true;
                deadlines.drain_by(end);
                if C::PROTOCOL == Protocol::Http2 {
                    deadlines.close_soon();
                } else if activity.is_quiet() {
                    activity.set_abrupt();
                }
                connection.as_mut().finish();
                continue;
            }
            if C::PROTOCOL == Protocol::Http2 && !deadlines.is_closing() && excess(activity, settings) {
                deadlines.close_soon();
                connection.as_mut().finish();
                continue;
            }
            if activity.is_flooded() || is_deaf(activity, settings) {
                shared.connections.count_flood();
                return Poll::Ready(None);
            }
            if !deadlines.poll_expired(cx) {
                return Poll::Pending;
            }
            if C::PROTOCOL == Protocol::Http1 || deadlines.is_closing() {
                activity.set_expired();
                return Poll::Ready(None);
            }
            // A peer that speaks HTTP/2 hears of it first (RFC 9113 §6.8): it may be about to send.
            deadlines.close_soon();
            connection.as_mut().finish();
        }
    })
    .await
}

/// Whether a peer that speaks HTTP/2 is told to leave: it has had its requests, or it sends frames that
/// nobody needs. The first may still end what it has begun.
fn excess(activity: &Activity, settings: &ListenerSettings) -> bool {
    activity.is_flooded() || activity.begun() >= settings.max_requests
}

/// Whether a peer goes on as if it had not been told: it may have had a round of streams under way.
fn is_deaf(activity: &Activity, settings: &ListenerSettings) -> bool {
    activity.begun() > settings.max_requests.saturating_add(settings.h2_max_streams.saturating_mul(2))
}

/// hyper's two kinds of connection.
trait Graceful: Future<Output = hyper::Result<()>> {
    const PROTOCOL: Protocol;

    /// Takes no further request, and completes when those in flight are done.
    fn finish(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for http1::UpgradeableConnection<I, S>
where
    I: rt::Read + rt::Write + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: http_body::Body + 'static,
    B::Error: Into<BoxError>,
{
    const PROTOCOL: Protocol = Protocol::Http1;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Graceful for http2::Connection<I, S, Streams>
where
    I: rt::Read + rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: http_body::Body + 'static,
    B::Error: Into<BoxError>,
    Streams: rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    const PROTOCOL: Protocol = Protocol::Http2;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
