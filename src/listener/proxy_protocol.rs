//! The PROXY protocol, versions 1 and 2: whom a load balancer speaks for, said before anything else on a connection.
//!
//! haproxy.org/download/3.2/doc/proxy-protocol.txt, sections 2.1 (v1, a line) and 2.2 (v2, binary). It does not judge who
//! may say so, and bounds no time: the caller does both. Invariants: exactly the header's bytes are read, so that what
//! follows is untouched; its length is bounded before it is read; nothing but a header in one of the two forms passes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What begins version 2 (section 2.2). The shortest header of version 1 is longer.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its CRLF (section 2.1).
const LONGEST_LINE: usize = 107;

/// The longest rest of version 2. The form allows 65535 bytes; addresses take 216 at most, and the extensions that load
/// balancers send some hundreds.
const LONGEST_BLOCK: usize = 4096;

/// Why a header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// It begins like neither version.
    #[error("there is no PROXY header")]
    Absent,
    /// A line of version 1 that is none.
    #[error("the PROXY line is malformed")]
    Line,
    /// A version 2 header with an unknown version, command or family, or one that is cut short.
    #[error("the PROXY header is malformed")]
    Binary,
    /// Longer than any that a load balancer sends.
    #[error("the PROXY header is too long")]
    Length,
}

/// Reads a header. `None`: the sender speaks for itself (`LOCAL`, `UNKNOWN`, or a Unix socket), as health checks do.
///
/// # Errors
/// [`ProxyFault`] as the source of an `InvalidData`, or what reading gave.
pub(super) async fn read<S>(stream: &mut S) -> io::Result<Option<SocketAddr>>
where
    S: AsyncRead + Unpin,
{
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        let [version_and_command, family, high, low] = fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > LONGEST_BLOCK {
            return Err(invalid(ProxyFault::Length));
        }
        let mut block = vec![0; length];
        stream.read_exact(&mut block).await?;
        return binary(version_and_command, family, &block).map_err(invalid);
    }
    if !start.starts_with(b"PROXY ") {
        return Err(invalid(ProxyFault::Absent));
    }
    let mut text = start.to_vec();
    while !text.ends_with(b"\r\n") {
        if text.len() >= LONGEST_LINE {
            return Err(invalid(ProxyFault::Length));
        }
        text.push(stream.read_u8().await?);
    }
    line(&text).map_err(invalid)
}

fn invalid(fault: ProxyFault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

/// Version 1: `PROXY TCP4 source destination port port`, or `PROXY UNKNOWN` and anything, with its CRLF.
fn line(bytes: &[u8]) -> Result<Option<SocketAddr>, ProxyFault> {
    let text = bytes.strip_suffix(b"\r\n").and_then(|text| std::str::from_utf8(text).ok());
    let text = text.ok_or(ProxyFault::Line)?;
    if text == "PROXY UNKNOWN" || text.starts_with("PROXY UNKNOWN ") {
        return Ok(None);
    }
    let mut words = text.split(' ');
    let (Some("PROXY"), Some(family)) = (words.next(), words.next()) else { return Err(ProxyFault::Line) };
    let [source, destination, source_port, destination_port] =
        [words.next(), words.next(), words.next(), words.next()].map(Option::unwrap_or_default);
    if words.next().is_some() {
        return Err(ProxyFault::Line);
    }
    let (source, _) = (address(family, source)?, address(family, destination)?);
    let (port, _) = (port(source_port)?, port(destination_port)?);
    Ok(Some(SocketAddr::new(source, port)))
}

fn address(family: &str, text: &str) -> Result<IpAddr, ProxyFault> {
    let address = match family {
        "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
        "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        _ => None,
    };
    address.ok_or(ProxyFault::Line)
}

/// Decimal, without sign or leading zeros.
fn port(text: &str) -> Result<u16, ProxyFault> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(ProxyFault::Line)
}

/// Version 2, after its signature. What follows the addresses (TLVs, section 2.2) is skipped.
fn binary(version_and_command: u8, family: u8, block: &[u8]) -> Result<Option<SocketAddr>, ProxyFault> {
    match version_and_command {
        // LOCAL: whatever the rest says is to be ignored.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyFault::Binary),
    }
    match family {
        // AF_UNSPEC: the sender does not know.
        0x00 => Ok(None),
        // TCP over IPv4: two addresses, two ports.
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = first::<12>(block)?;
            Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low]))))
        }
        // TCP over IPv6.
        0x21 => {
            let whole = first::<36>(block)?;
            let source: [u8; 16] = first(&whole)?;
            let [high, low] = whole.get(32..).map_or(Err(ProxyFault::Binary), first::<2>)?;
            Ok(Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(source)), u16::from_be_bytes([high, low]))))
        }
        // A stream over a Unix socket, which has no address that counts here.
        0x31 => first::<216>(block).map(|_paths| None),
        _ => Err(ProxyFault::Binary),
    }
}

fn first<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ProxyFault> {
    bytes.first_chunk().copied().ok_or(ProxyFault::Binary)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{LONGEST_LINE, SIGNATURE, read};

    /// What a header says, and what is left of the bytes after it; `None` = refused.
    fn judge(bytes: &[u8]) -> Option<(Option<SocketAddr>, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut rest = bytes;
        let said = runtime.block_on(read(&mut rest)).ok()?;
        Some((said, rest.to_vec()))
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    fn block(source: SocketAddr) -> (u8, Vec<u8>) {
        let (family, address) = match source {
            SocketAddr::V4(v4) => (0x11, v4.ip().octets().to_vec()),
            SocketAddr::V6(v6) => (0x21, v6.ip().octets().to_vec()),
        };
        let ports = [source.port().to_be_bytes(), 443_u16.to_be_bytes()].concat();
        (family, [address.clone(), address, ports].concat())
    }

    #[test]
    fn the_forms_of_the_specification_are_read_to_their_last_byte() {
        for (header, source) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some("192.0.2.1:56324")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 4124 443\r\n", Some("[2001:db8::1]:4124")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n", Some("255.255.255.255:65535")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
        ] {
            let source = source.map(|text| text.parse().unwrap());
            let bytes = [header.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(judge(&bytes), Some((source, b"GET / HTTP/1.1\r\n".to_vec())), "{header}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_refused() {
        for line in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n\r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY TCP4 192.0.2.1",
        ] {
            assert_eq!(judge(line.as_bytes()), None, "{line:?}");
        }
        let endless = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE));
        assert_eq!(judge(endless.as_bytes()), None);
    }

    #[test]
    fn a_binary_header_that_is_none_is_refused() {
        let (family, good) = block("192.0.2.1:5".parse().unwrap());
        assert!(judge(&v2(0x21, family, &good)).is_some());
        for command in [0x11, 0x22, 0x2f, 0x31, 0x00] {
            assert_eq!(judge(&v2(command, family, &good)), None, "{command:x}");
        }
        for family in [0x12, 0x22, 0x32, 0x10, 0x41, 0xff] {
            assert_eq!(judge(&v2(0x21, family, &[0; 216])), None, "{family:x}");
        }
        assert_eq!(judge(&v2(0x21, 0x11, &good[..11])), None);
        assert_eq!(judge(&v2(0x21, 0x21, &[0; 35])), None);
        assert_eq!(judge(&v2(0x20, 0x00, &[0; 4097])), None);
        assert_eq!(judge(&v2(0x21, family, &good)[..20]), None);
    }

    #[test]
    fn who_speaks_for_itself_is_itself() {
        for header in
            [v2(0x20, 0x00, &[]), v2(0x20, 0x11, &[9; 40]), v2(0x21, 0x00, &[]), v2(0x21, 0x31, &[0; 216])]
        {
            assert_eq!(judge(&header), Some((None, Vec::new())));
        }
    }

    proptest! {
        #[test]
        fn both_versions_say_what_was_said(source: SocketAddr, tlvs in proptest::collection::vec(any::<u8>(), 0..200), rest: Vec<u8>) {
            let source = SocketAddr::new(source.ip(), source.port());
            let (family, block) = block(source);
            let binary = [v2(0x21, family, &[block, tlvs].concat()), rest.clone()].concat();
            prop_assert_eq!(judge(&binary), Some((Some(source), rest.clone())));
            let name = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {name} {0} {0} {1} 1\r\n", source.ip(), source.port());
            prop_assert_eq!(judge(&[line.as_bytes(), &rest].concat()), Some((Some(source), rest)));
        }

        #[test]
        fn nothing_but_a_header_passes(mut bytes: Vec<u8>, signed: bool) {
            if signed {
                bytes.splice(0..0, SIGNATURE);
            }
            if let Some((_, rest)) = judge(&bytes) {
                let header = &bytes[..bytes.len() - rest.len()];
                prop_assert!(header.starts_with(&SIGNATURE) || (header.starts_with(b"PROXY ") && header.ends_with(b"\r\n")));
            }
        }
    }
}
