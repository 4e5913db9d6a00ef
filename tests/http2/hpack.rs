//! RFC 7541: header blocks that cannot be decoded end the connection (RFC 9113 §4.3).

use super::{COARSE, assert_ends, get, open};
use crate::support::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, frame, string};

const REQUEST: u8 = END_HEADERS | END_STREAM;

#[test]
fn rfc7541_blocks_that_cannot_be_decoded_end_the_connection() {
    let sidecar = open();
    // Each after a whole request's fields: the block is judged to its end.
    for (what, tail) in [
        ("2.3.3: an index beyond both tables", vec![0xff, 0x64]),
        ("4.2: a change of the table's size after the first field", vec![0x20]),
        ("5.2: a compressed string with more than 7 bits of padding", {
            // "www.example.com" of appendix C.4.1, and a byte of ones.
            let huffman = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff, 0xff];
            [&[0x00, 0x01, b'x', 0x80 | 13], huffman.as_slice()].concat()
        }),
        ("5.2: padding by zeros", {
            let huffman = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xfe];
            [&[0x00, 0x01, b'x', 0x80 | 12], huffman.as_slice()].concat()
        }),
        ("5.2: the symbol that ends strings", vec![0x00, 0x01, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("5.2: a string that is longer than the block", vec![0x00, 0x01, b'x', 0x7f, 0x80, 0x01]),
        (
            "5.1: an integer without end",
            vec![0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("6.1: index 0", vec![0x80]),
    ] {
        let block = [get(), tail].concat();
        assert_ends(&sidecar, what, COARSE, &frame(HEADERS, REQUEST, 1, &block));
    }
    // 6.3: more than SETTINGS_HEADER_TABLE_SIZE, where it may stand.
    let block = [vec![0x3f, 0xe1, 0xff, 0x7f], get()].concat();
    assert_ends(&sidecar, "6.3: a table larger than agreed", COARSE, &frame(HEADERS, REQUEST, 1, &block));
    sidecar.upstream.saw_nothing();
}

#[test]
fn rfc7541_what_is_indexed_stays_for_the_next_block() {
    let sidecar = open();
    let mut connection = Frames::open(sidecar.traffic());
    let mut first = get();
    first.push(0x40);
    string(&mut first, b"x-kept");
    string(&mut first, b"value");
    connection.write(&frame(HEADERS, REQUEST, 1, &first));
    assert_eq!(connection.status(1), 200);
    assert_eq!(sidecar.upstream.only().all("x-kept"), ["value"]);
    // The first of the dynamic table.
    let second = [get(), vec![0xbe]].concat();
    connection.write(&frame(HEADERS, REQUEST, 3, &second));
    assert_eq!(connection.status(3), 200);
    assert_eq!(sidecar.upstream.only().all("x-kept"), ["value"]);
    // 4.3: a table of nothing has lost it.
    let third = [vec![0x20], get(), vec![0xbe]].concat();
    connection.write(&frame(HEADERS, REQUEST, 5, &third));
    let end = connection.rest().into_iter().find(|frame| frame.kind == crate::support::frames::GOAWAY);
    assert_eq!(end.unwrap().code(), COARSE);
}
