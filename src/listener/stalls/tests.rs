use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::rt::Executor;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::tests::Parts;
use super::{PIECE, Patient, Pieces, Streams};

/// What a stream hangs on.
struct Ends {
    application: mpsc::UnboundedSender<Bytes>,
    /// Pieces that the client takes.
    window: mpsc::UnboundedSender<()>,
}

/// A stream as hyper runs one: it asks for a piece, and for the next once the client has taken it.
fn stream() -> (impl Future<Output = ()> + Send + 'static, Ends) {
    let (application, answer) = mpsc::unbounded_channel();
    let (window, mut taken) = mpsc::unbounded_channel();
    let mut body = Box::pin(Pieces::of(Parts(answer)));
    let stream = async move {
        while poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_some() {
            let _taken: Option<()> = taken.recv().await;
        }
    };
    (stream, Ends { application, window })
}

/// Polls a stream that does not end: until when it waits for its client.
fn waits_until(stream: &mut Pin<Box<Patient<impl Future<Output = ()>>>>) -> Option<Instant> {
    assert!(stream.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    stream.stall.as_ref().map(|stall| stall.deadline())
}

#[tokio::test]
async fn only_a_client_that_has_something_to_take_is_waited_for_and_anew_for_every_piece() {
    let patience = Duration::from_secs(3600);
    let (one, ends) = stream();
    let (mut one, (other, _ends)) = (Box::pin(Patient { stream: one, patience, stall: None }), stream());
    let mut other = Box::pin(Patient { stream: other, patience, stall: None });
    assert_eq!(waits_until(&mut one), None, "the application has not answered");
    ends.application.send(Bytes::from(vec![0; 2 * PIECE])).unwrap();
    let first = waits_until(&mut one).unwrap();
    // Woken for nothing, and beside another stream.
    assert_eq!((waits_until(&mut other), waits_until(&mut one)), (None, Some(first)));
    ends.window.send(()).unwrap();
    let second = waits_until(&mut one).unwrap();
    assert!(second > first);
    ends.window.send(()).unwrap();
    assert_eq!(waits_until(&mut one), None, "the application is waited for again");
    ends.application.send(Bytes::from_static(b"event")).unwrap();
    assert!(waits_until(&mut one).unwrap() > second);
}

#[tokio::test]
async fn a_client_that_takes_nothing_ends_its_stream() {
    let (stream, ends) = stream();
    Streams::new(Duration::from_millis(20)).execute(stream);
    ends.application.send(Bytes::from(vec![0; 3 * PIECE])).unwrap();
    ends.window.send(()).unwrap();
    // Both ends are held, so nothing else ends it.
    ends.application.closed().await;
}

#[tokio::test]
async fn pieces_are_the_body_and_know_its_length() {
    let body: Vec<u8> = (0..=255).cycle().take(2 * PIECE + 5).collect();
    let mut pieces = Pieces::of(Full::new(Bytes::from(body.clone())));
    assert_eq!((pieces.size_hint().exact(), pieces.is_end_stream()), (Some(2 * 16384 + 5), false));
    let mut seen = Vec::new();
    for left in [PIECE + 5, 5, 0] {
        let piece = pieces.frame().await.unwrap().unwrap().into_data().unwrap();
        seen.extend_from_slice(&piece);
        assert_eq!(pieces.size_hint().exact(), Some(u64::try_from(left).unwrap()));
        assert_eq!(pieces.is_end_stream(), left == 0);
    }
    assert_eq!(seen, body);
    assert!(pieces.frame().await.is_none());
}
