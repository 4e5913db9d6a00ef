//! `X-Forwarded-For`, `-Proto` and `-Host` as hops: no standard, but what most proxies send. Pure.
//!
//! Not a judgement of who may be believed. Invariant: `-Proto` and `-Host` belong to a hop where they list as many
//! values as `-For`; else only their last value counts, as the word of the peer, because proxies overwrite these
//! two and seldom add to them.

use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

use super::{Hop, Proto, node};
use crate::proxy::head::is_host;

/// Which addresses the request came through.
pub(super) const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";

/// The hops, nearest last; one without an address where only the scheme or the host is told.
pub(super) fn hops(headers: &HeaderMap) -> SmallVec<[Hop; 4]> {
    let mut hops: SmallVec<[Hop; 4]> =
        values(headers, FOR).map(|value| Hop { address: node(value), ..Hop::default() }).collect();
    let protos: SmallVec<[&[u8]; 4]> = values(headers, PROTO).collect();
    let hosts: SmallVec<[&[u8]; 4]> = values(headers, HOST).collect();
    if hops.is_empty() && !(protos.is_empty() && hosts.is_empty()) {
        hops.push(Hop::default());
    }
    let last = hops.len().saturating_sub(1);
    let aligned = |values: &[&[u8]]| values.len() == hops.len();
    let (protos_aligned, hosts_aligned) = (aligned(&protos), aligned(&hosts));
    for (index, hop) in hops.iter_mut().enumerate() {
        let pick = |aligned: bool, values: &SmallVec<[&[u8]; 4]>| match aligned {
            true => values.get(index).map(|value| value.to_vec()),
            false if index == last => values.last().map(|value| value.to_vec()),
            false => None,
        };
        hop.proto = pick(protos_aligned, &protos).and_then(|proto| Proto::from_name(&proto));
        hop.host = pick(hosts_aligned, &hosts).and_then(|host| host_value(&host));
    }
    hops
}

/// Every value of a list header, in order over its lines (RFC 9110 §5.6.1).
fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(name).into_iter();
    let values = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    values.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
}

/// A host that is one.
pub(super) fn host_value(text: &[u8]) -> Option<HeaderValue> {
    if is_host(text) { HeaderValue::from_bytes(text).ok() } else { None }
}
