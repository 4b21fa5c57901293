//! What is tried over HTTP/2.

use super::{After, Fate};
use crate::frames::*;

pub(super) struct Case {
    pub(super) name: &'static str,
    /// The frames after the preface, for this mandate.
    pub(super) sent: fn(&str) -> Vec<u8>,
    pub(super) fate: Fate,
    pub(super) after: After,
}

const fn case(name: &'static str, fate: Fate, after: After, sent: fn(&str) -> Vec<u8>) -> Case {
    Case {
        name,
        sent,
        fate,
        after,
    }
}

use After::{Ends, Stays};
use Fate::{CutOff, Ended, Passes, Refused, Reset, Unread};

type Fields = Vec<(String, String)>;

/// The fields of a request that passes, changed.
fn fields(mandate: &str, change: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut fields = vec![
        own(":method", "GET"),
        own(":scheme", "http"),
        own(":authority", "g"),
        own(":path", "/v1/m"),
        own("authorization", &format!("Bearer {mandate}")),
    ];
    change(&mut fields);
    block(&fields)
}

/// A request without a body.
fn get(mandate: &str, change: impl FnOnce(&mut Fields)) -> Vec<u8> {
    head(1, END_STREAM, &fields(mandate, change))
}

fn adding(mandate: &str, name: &str, value: &str) -> Vec<u8> {
    get(mandate, |fields| {
        fields.push((name.to_owned(), value.to_owned()))
    })
}

fn setting(mandate: &str, name: &str, value: &str) -> Vec<u8> {
    get(mandate, |fields| set(fields, name, value))
}

fn set(fields: &mut Fields, name: &str, value: &str) {
    for field in fields.iter_mut().filter(|(own, _)| own == name) {
        value.clone_into(&mut field.1);
    }
}

fn without(mandate: &str, name: &str) -> Vec<u8> {
    get(mandate, |fields| fields.retain(|(own, _)| own != name))
}

/// A request with a body: its further headers, then frames.
fn post(mandate: &str, extra: &[(&str, &str)], frames: &[Vec<u8>]) -> Vec<u8> {
    let block = fields(mandate, |fields| {
        set(fields, ":method", "POST");
        fields.extend(
            extra
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
    });
    let mut bytes = head(1, 0, &block);
    bytes.extend(frames.concat());
    bytes
}

fn data(text: &str, flags: u8) -> Vec<u8> {
    frame(DATA, flags, 1, text.as_bytes())
}

const REQUEST: &str = "GET /v1/smuggled HTTP/1.1\r\nHost: g\r\n\r\n";

pub(super) const CASES: &[Case] = &[
    // What only HTTP/1.1 has.
    case("`transfer-encoding: chunked`", Reset, Stays, |m| {
        post(
            m,
            &[("transfer-encoding", "chunked")],
            &[data(&format!("0\r\n\r\n{REQUEST}"), END_STREAM)],
        )
    }),
    case("`connection`", Reset, Stays, |m| {
        adding(m, "connection", "close")
    }),
    case("`keep-alive`", Reset, Stays, |m| {
        adding(m, "keep-alive", "1")
    }),
    case("`proxy-connection`", Reset, Stays, |m| {
        adding(m, "proxy-connection", "close")
    }),
    case("`upgrade: h2c`", Reset, Stays, |m| {
        adding(m, "upgrade", "h2c")
    }),
    case("`te: gzip`", Reset, Stays, |m| adding(m, "te", "gzip")),
    case("`te: trailers`", Passes, Stays, |m| {
        adding(m, "te", "trailers")
    }),
    case(
        "`transfer_encoding`, another spelling",
        Passes,
        Stays,
        |m| {
            post(
                m,
                &[("transfer_encoding", "chunked")],
                &[data("0\r\n\r\n", END_STREAM)],
            )
        },
    ),
    // Bytes that end a line in HTTP/1.1.
    case("a newline in a value", Ended, Ends, |m| {
        adding(m, "x", &format!("a\r\n\r\n{REQUEST}"))
    }),
    case("a bare LF in a value", Ended, Ends, |m| {
        adding(m, "x", "a\nb: c")
    }),
    case("a NUL in a value", Ended, Ends, |m| adding(m, "x", "a\0b")),
    case("a newline in a name", Ended, Ends, |m| {
        adding(m, "x\r\ny", "a")
    }),
    case("a colon in a name", Ended, Ends, |m| {
        adding(m, "x: a\r\ny", "b")
    }),
    case("a space in a name", Ended, Ends, |m| adding(m, "x y", "a")),
    case("capitals in a name", Ended, Ends, |m| {
        adding(m, "X-Upper", "a")
    }),
    case("an empty name", Ended, Ends, |m| adding(m, "", "a")),
    // The pseudo-headers.
    case("a newline in `:path`", Reset, Stays, |m| {
        setting(
            m,
            ":path",
            &format!("/v1/m HTTP/1.1\r\nHost: g\r\n\r\n{REQUEST}"),
        )
    }),
    case("a space in `:path`", Reset, Stays, |m| {
        setting(m, ":path", "/v1/m HTTP/1.1")
    }),
    case("an empty `:path`", Reset, Stays, |m| {
        setting(m, ":path", "")
    }),
    case("a `:path` without a slash", Reset, Stays, |m| {
        setting(m, ":path", "v1/smuggled")
    }),
    case("a whole URL as `:path`", Reset, Stays, |m| {
        setting(m, ":path", "http://x/v1/smuggled")
    }),
    case("a star as `:path`", Refused(400), Stays, |m| {
        setting(m, ":path", "*")
    }),
    case("dots in `:path`", Refused(400), Stays, |m| {
        setting(m, ":path", "/v1/../smuggled")
    }),
    case("an encoded newline in `:path`", Refused(400), Stays, |m| {
        setting(m, ":path", "/v1/m%0d%0aX:%20y")
    }),
    case("no `:path`", Reset, Stays, |m| without(m, ":path")),
    case("two `:path`", Reset, Stays, |m| {
        get(m, |fields| {
            fields.insert(0, (":path".into(), "/v1/smuggled".into()))
        })
    }),
    case("a space in `:method`", Ended, Ends, |m| {
        setting(m, ":method", "GET /v1/smuggled HTTP/1.1")
    }),
    case("a newline in `:method`", Ended, Ends, |m| {
        setting(m, ":method", &format!("{REQUEST}GET"))
    }),
    case("small letters in `:method`", Refused(400), Stays, |m| {
        setting(m, ":method", "get")
    }),
    case("no `:method`", Reset, Stays, |m| without(m, ":method")),
    case("two `:method`", Reset, Stays, |m| {
        get(m, |fields| {
            fields.insert(0, (":method".into(), "POST".into()))
        })
    }),
    case("a foreign `:scheme`", Refused(400), Stays, |m| {
        setting(m, ":scheme", "ftp")
    }),
    case("a newline in `:scheme`", Reset, Stays, |m| {
        setting(m, ":scheme", "http\r\nx: y")
    }),
    case("no `:scheme`", Reset, Stays, |m| without(m, ":scheme")),
    case("an unknown pseudo-header", Ended, Ends, |m| {
        get(m, |fields| fields.insert(0, (":x".into(), "y".into())))
    }),
    case("a pseudo-header of answers", Reset, Stays, |m| {
        get(m, |fields| {
            fields.insert(0, (":status".into(), "200".into()))
        })
    }),
    case("a pseudo-header after a header", Reset, Stays, |m| {
        get(m, |fields| fields.rotate_right(1))
    }),
    // Whose it is.
    case(
        "a `host` that says what `:authority` says",
        Passes,
        Stays,
        |m| adding(m, "host", "G"),
    ),
    case("a `host` that says otherwise", Refused(400), Stays, |m| {
        adding(m, "host", "x")
    }),
    case("a `host` in place of `:authority`", Passes, Stays, |m| {
        get(m, |fields| {
            fields.retain(|(own, _)| own != ":authority");
            fields.push(("host".into(), "g".into()));
        })
    }),
    case(
        "neither `host` nor `:authority`",
        Refused(400),
        Stays,
        |m| without(m, ":authority"),
    ),
    case("two `host`", Refused(400), Stays, |m| {
        get(m, |fields| {
            fields.extend([("host".into(), "g".into()), ("host".into(), "g".into())])
        })
    }),
    case("two `:authority`", Reset, Stays, |m| {
        get(m, |fields| {
            fields.insert(0, (":authority".into(), "x".into()))
        })
    }),
    case("a user name in `:authority`", Refused(400), Stays, |m| {
        setting(m, ":authority", "g@x")
    }),
    case("a newline in `:authority`", Reset, Stays, |m| {
        setting(m, ":authority", "g\r\nx: y")
    }),
    // How long it is.
    case("a length beyond the body", CutOff, Stays, |m| {
        post(m, &[("content-length", "40")], &[data("ok", END_STREAM)])
    }),
    case("a length before the end of the body", CutOff, Stays, |m| {
        post(
            m,
            &[("content-length", "2")],
            &[data(&format!("ok{REQUEST}"), END_STREAM)],
        )
    }),
    case("a length of 0 and a body", CutOff, Stays, |m| {
        post(m, &[("content-length", "0")], &[data(REQUEST, END_STREAM)])
    }),
    case("a length and no body", Reset, Stays, |m| {
        adding(m, "content-length", "40")
    }),
    case("a length with a sign", Reset, Stays, |m| {
        post(m, &[("content-length", "+2")], &[data("ok", END_STREAM)])
    }),
    case("two lengths that differ", Reset, Stays, |m| {
        post(
            m,
            &[("content-length", "2"), ("content-length", "40")],
            &[data("ok", END_STREAM)],
        )
    }),
    case("the same length twice", Refused(400), Stays, |m| {
        post(
            m,
            &[("content-length", "2"), ("content-length", "2")],
            &[data("ok", END_STREAM)],
        )
    }),
    case("a request as a body", Passes, Stays, |m| {
        post(m, &[], &[data(REQUEST, END_STREAM)])
    }),
    case(
        "empty pieces of a body, which would end chunks",
        Passes,
        Stays,
        |m| {
            let mut frames = vec![data("a", 0)];
            frames.extend(std::iter::repeat_n(data("", 0), 50));
            frames.extend([data(REQUEST, 0), data("", END_STREAM)]);
            post(m, &[], &frames)
        },
    ),
    case("trailers that are headers", Passes, Stays, |m| {
        let trailers = block(&[
            ("content-length", "40"),
            ("host", "x"),
            ("x-caracal-resource", "resource://x"),
            ("x", "y"),
        ]);
        post(m, &[], &[data("ok", 0), head(1, END_STREAM, &trailers)])
    }),
    case("`transfer-encoding` in trailers", CutOff, Stays, |m| {
        let trailers = block(&[("transfer-encoding", "chunked")]);
        post(m, &[], &[data("ok", 0), head(1, END_STREAM, &trailers)])
    }),
    case("a pseudo-header in trailers", Passes, Stays, |m| {
        let trailers = block(&[(":path", "/v1/smuggled")]);
        post(m, &[], &[data("ok", 0), head(1, END_STREAM, &trailers)])
    }),
    case("trailers that do not end the stream", CutOff, Stays, |m| {
        post(m, &[], &[data("ok", 0), head(1, 0, &block(&[("x", "y")]))])
    }),
    // Tunnels.
    case("CONNECT", Refused(400), Stays, |m| {
        get(m, |fields| {
            set(fields, ":method", "CONNECT");
            set(fields, ":authority", "x:443");
            fields.retain(|(own, _)| own != ":path" && own != ":scheme");
        })
    }),
    case("a WebSocket by extended CONNECT", Reset, Stays, |m| {
        get(m, |fields| {
            set(fields, ":method", "CONNECT");
            fields.insert(0, (":protocol".into(), "websocket".into()));
        })
    }),
    // Too much.
    case("a hundred headers more", Refused(431), Stays, |m| {
        get(m, |fields| {
            fields.extend((0..100).map(|n| (format!("x-{n}"), "y".to_owned())));
        })
    }),
    case("a header of 70,000 bytes", Unread(431), Stays, |m| {
        adding(m, "x", &"a".repeat(70_000))
    }),
    case(
        "a small head that unpacks to a large one",
        Ended,
        Ends,
        |m| {
            let mut block = fields(m, |_| ());
            // One entry of the table of 4,000 bytes, named a thousand times.
            block.extend([0x40, 1, b'x', 127, 0xa1, 0x1e]);
            block.extend([b'b'; 4000]);
            block.extend([0xbe; 1000]);
            head(1, END_STREAM, &block)
        },
    ),
    case("a table larger than was offered", Ended, Ends, |m| {
        let mut block = vec![0x3f, 0xe1, 0xff, 0x03];
        block.extend(fields(m, |_| ()));
        head(1, END_STREAM, &block)
    }),
    case("a head that goes on for ever", Ended, Ends, |m| {
        let mut bytes = frame(HEADERS, END_STREAM, 1, &fields(m, |_| ()));
        for _ in 0..2000 {
            bytes.extend(frame(CONTINUATION, 0, 1, &[]));
        }
        bytes
    }),
    case("streams that are taken back at once", Ended, Ends, |_| {
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "g"),
            (":path", "/v1/m"),
        ];
        let head_of = |stream| head(stream, END_STREAM, &block(&fields));
        let pair = |n: u32| {
            [
                head_of(n * 2 + 3),
                frame(RST_STREAM, 0, n * 2 + 3, &[0, 0, 0, 8]),
            ]
            .concat()
        };
        (0..500).flat_map(pair).collect()
    }),
    // Frames that say something else.
    case("frames of another stream within a head", Ended, Ends, |m| {
        [
            frame(HEADERS, 0, 1, &fields(m, |_| ())),
            frame(DATA, 0, 1, b"x"),
        ]
        .concat()
    }),
    case(
        "a body on a stream that was never opened",
        Ended,
        Ends,
        |_| frame(DATA, END_STREAM, 1, b"x"),
    ),
    case("a request on a stream of the server's", Ended, Ends, |m| {
        head(2, END_STREAM, &fields(m, |_| ()))
    }),
    case("a push by the client", Ended, Ends, |_| {
        frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])
    }),
    case("a window beyond its end", Ended, Ends, |_| {
        frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])
    }),
    case("HTTP/1.1 after the preface", Ended, Ends, |_| {
        b"GET /v1/smuggled HTTP/1.1\r\nHost: g\r\n\r\n".to_vec()
    }),
];
