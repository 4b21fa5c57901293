//! What is tried over HTTP/1.1.

use super::{After, Fate};

pub(super) struct Case {
    pub(super) name: &'static str,
    /// `{A}`: a host and a mandate; `{M}`: the mandate; `{BIG}`: 70,000 letters.
    pub(super) sent: &'static str,
    pub(super) fate: Fate,
    pub(super) after: After,
}

const fn case(name: &'static str, sent: &'static str, fate: Fate, after: After) -> Case {
    Case {
        name,
        sent,
        fate,
        after,
    }
}

use After::{Either, Ends, Stays};
use Fate::{CutOff, Passes, Refused, TooLarge, Unread};

pub(super) const CASES: &[Case] = &[
    // Two lengths of one body.
    case(
        "CL.TE: a length that covers the next request, and chunks",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Passes,
        Ends,
    ),
    case(
        "TE.CL: chunks that hold the next request, and a short length",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1d\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        Passes,
        Ends,
    ),
    case(
        "CL.CL: two lengths that differ",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "CL.CL: two lengths in one line that differ",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: 0, 40\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "CL: a length with a sign",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: +2\r\n\r\nok",
        Unread(400),
        Ends,
    ),
    case(
        "CL: a length in another base",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: 0x2\r\n\r\nok",
        Unread(400),
        Ends,
    ),
    case(
        "CL: a length beyond 64 bits",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: 18446744073709551618\r\n\r\nok",
        Unread(400),
        Ends,
    ),
    case(
        "CL: an empty length",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent-Length:\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "CL: a length under another spelling",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nContent_Length: 40\r\nContent-Length: 2\r\n\r\nok",
        Passes,
        Stays,
    ),
    // Codings that one side knows and the other does not.
    case(
        "TE.TE: a coding nobody knows",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE.TE: two codings, the last one unknown",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE.TE: `identity` before `chunked`",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "TE.TE: two headers",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "TE.TE: two headers, the second unknown",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE.TE: a space before the colon",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE.TE: a tab after the colon",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "TE.TE: a vertical tab after the colon",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE.TE: capitals",
        "POST /v1/m HTTP/1.1\r\n{A}\r\ntRANSFER-eNCODING: CHUNKED\r\n\r\n0\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "TE.TE: a quoted coding",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE.TE: under another spelling",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "TE.TE: in a header of another kind",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nX: y\u{b}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "TE over HTTP/1.0",
        "POST /v1/m HTTP/1.0\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a length that `Connection` names away",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nConnection: Content-Length\r\nContent-Length: 29\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "chunks that `Connection` names away",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n1d\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        Passes,
        Stays,
    ),
    // Chunks.
    case(
        "a size of a chunk that overflows",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "a size of a chunk with a sign",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "a size of a chunk with `0x`",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "a size of a chunk that ends in a bare LF",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "a chunk that ends in a bare LF",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "a chunk longer than its size",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "an extension of a chunk",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "an extension with a bare LF in it",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nb\r\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "an extension of 70,000 bytes",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n2;{BIG}\r\nok\r\n0\r\n\r\n",
        CutOff,
        Ends,
    ),
    case(
        "trailers that are headers",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\nHost: x\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "trailers of 70,000 bytes",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {BIG}\r\n\r\n",
        CutOff,
        Ends,
    ),
    // Heads.
    case(
        "a folded header",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX: a\r\n GET /v1/smuggled HTTP/1.1\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a folded first header",
        "GET /v1/m HTTP/1.1\r\n X: a\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a space before the colon",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX : a\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a name with a space",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX Y: a\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "no name",
        "GET /v1/m HTTP/1.1\r\n{A}\r\n: a\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "no colon",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a NUL in a value",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX: a\0b\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a bare CR in a value",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX: a\rb\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a bare CR before a header",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX: a\rContent-Length: 40\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "lines that end in a bare LF",
        "GET /v1/m HTTP/1.1\nHost: g\nAuthorization: Bearer {M}\n\n",
        Passes,
        Stays,
    ),
    case(
        "a head of 70,000 bytes",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX: {BIG}\r\n\r\n",
        TooLarge,
        Either,
    ),
    // Where it goes.
    case(
        "no host",
        "GET /v1/m HTTP/1.1\r\nAuthorization: Bearer {M}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "two hosts",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nHost: x\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "a whole URL as target",
        "GET http://x/v1/m HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "a host as target",
        "CONNECT x:443 HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "a star as target",
        "OPTIONS * HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "a target without a slash",
        "GET v1/m HTTP/1.1\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a target with a space",
        "GET /v1/m GET /v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case(
        "a target with an encoded newline",
        "GET /v1/m%0d%0aGET%20/v1/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "dots in the target",
        "GET /v1/../smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "encoded dots in the target",
        "GET /v1/%2e%2e/smuggled HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "an encoded slash in the target",
        "GET /v1/a%2fb HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "a target of 70,000 bytes",
        "GET /v1/{BIG} HTTP/1.1\r\n{A}\r\n\r\n",
        TooLarge,
        Either,
    ),
    case(
        "a method in small letters",
        "get /v1/m HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "a method with a newline before it",
        "\r\nGET /v1/m HTTP/1.1\r\n{A}\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "another version",
        "GET /v1/m HTTP/1.2\r\n{A}\r\n\r\n",
        Unread(400),
        Ends,
    ),
    case("no version", "GET /v1/m\r\n{A}\r\n\r\n", Unread(400), Ends),
    case(
        "TRACE",
        "TRACE /v1/m HTTP/1.1\r\n{A}\r\n\r\n",
        Refused(400),
        Stays,
    ),
    case(
        "another method in a header",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "another target in a header",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nX-Original-URL: /v1/smuggled\r\nX-Rewrite-URL: /v1/smuggled\r\n\r\n",
        Passes,
        Stays,
    ),
    // Other versions.
    case(
        "an offer of HTTP/2 in the clear",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "an offer of a WebSocket",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        Refused(501),
        Stays,
    ),
    case(
        "a body with GET that looks like a request",
        "GET /v1/m HTTP/1.1\r\n{A}\r\nContent-Length: 29\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n",
        Passes,
        Stays,
    ),
    case(
        "an expectation of another kind",
        "POST /v1/m HTTP/1.1\r\n{A}\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n",
        Refused(417),
        Stays,
    ),
];
