"""Writes the vectors of `testdata/vectors/dpop`: proofs of a client's key (RFC 9449), and what becomes of them.

    dpop_vectors.py DIRECTORY

Every proof is made by joserfc, so that what Rust and the SDKs read is of other
people's making. Run by hand when a case is added: ECDSA signs differently each
time, so all texts change then. The keys are kept.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

KINDS = {"ES256": (ECKey, "P-256"), "EdDSA": (OKPKey, "Ed25519"), "RS256": (RSAKey, 2048)}
ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"]
NOW = 1767225600
STS, GATEWAY = "https://sts.example.com", "https://gateway.example.com/calls"
TOKEN = f"{STS}/oauth/2/token"
CALL = f"{GATEWAY}/r/items/items/a%20b"
NONCE = "6f3c1e0d9a8b47f5b2c4d6e8f0a1b3c5"
MANDATE = "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJhcHBfMSJ9.c2lnbmF0dXJl"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    return encoded(json.dumps(value, separators=(",", ":")).encode())


def ath(mandate):
    return encoded(hashlib.sha256(mandate.encode()).digest())


def sign(header, claims, key):
    """Signs whatever it is told to: a compact JWS over these very members."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims, separators=(",", ":")).encode()
    registry = jws.JWSRegistry(algorithms=[*ALGORITHMS, "HS256", "ES384"], strict_check_header=False)
    return jws.serialize_compact(header, payload, key, registry=registry)


class Keys:
    """The keys of an earlier run, or new ones."""

    def __init__(self, directory):
        self.path = directory / "keys.json"
        held = json.loads(self.path.read_text())["keys"] if self.path.exists() else {}
        self.keys = {}
        for name, algorithm in [("es256", "ES256"), ("eddsa", "EdDSA"), ("rs256", "RS256"), ("other", "ES256")]:
            kind, size = KINDS[algorithm]
            if name in held:
                self.keys[name] = kind.import_key(held[name]["private"])
            else:
                self.keys[name] = kind.generate_key(size, private=True)

    def private(self, name):
        return self.keys[name]

    def public(self, name):
        members = self.keys[name].as_dict(private=False)
        return {member: members[member] for member in ("kty", "crv", "x", "y", "n", "e") if member in members}

    def write(self):
        keys = {
            name: {
                "private": {m: v for m, v in key.as_dict(private=True).items() if m not in ("kid", "use", "alg")},
                "public": self.public(name),
                "thumbprint": key.thumbprint(),
            }
            for name, key in self.keys.items()
        }
        note = "keys for tests, known to everybody; thumbprint: RFC 7638 with SHA-256, the `jkt` of mandates that are bound to it"
        write(self.path, {"note": note, "keys": keys})


def write(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def header(keys, name="es256", alg="ES256", **changes):
    made = {"typ": "dpop+jwt", "alg": alg, "jwk": keys.public(name), **changes}
    return {member: value for member, value in made.items() if value is not None}


def call(own, **changes):
    claims = {"jti": own, "htm": "GET", "htu": CALL, "iat": NOW, "nonce": NONCE, "ath": ath(MANDATE), **changes}
    return {member: value for member, value in claims.items() if value is not None}


def token(own, **changes):
    claims = {"jti": own, "htm": "POST", "htu": TOKEN, "iat": NOW, "nonce": NONCE, **changes}
    return {member: value for member, value in claims.items() if value is not None}


def making(keys):
    """What a client writes into a proof of a request."""
    cases = []
    for name, key, request, expected in [
        ("token endpoint", "es256", {"method": "POST", "url": TOKEN}, token("j-1", nonce=None)),
        ("token endpoint with the server's nonce", "eddsa", {"method": "POST", "url": TOKEN, "nonce": NONCE}, token("j-2")),
        (
            "a call: the hash of the mandate goes with it",
            "es256",
            {"method": "GET", "url": CALL, "nonce": NONCE, "mandate": MANDATE},
            call("j-3"),
        ),
        (
            "query and fragment are no part of `htu`",
            "rs256",
            {"method": "GET", "url": CALL + "?page=2#top", "nonce": NONCE, "mandate": MANDATE},
            call("j-4"),
        ),
        (
            "the path stays encoded as it is sent",
            "es256",
            {"method": "DELETE", "url": f"{GATEWAY}/r/items/%2F/%C3%A9", "nonce": NONCE, "mandate": MANDATE},
            call("j-5", htm="DELETE", htu=f"{GATEWAY}/r/items/%2F/%C3%A9"),
        ),
    ]:
        alg = {"es256": "ES256", "eddsa": "EdDSA", "rs256": "RS256"}[key]
        cases.append(
            {
                "name": name,
                "key": key,
                "alg": alg,
                "request": {**request, "jti": expected["jti"], "iat": expected["iat"]},
                "header": header(keys, key, alg),
                "claims": expected,
            }
        )
    return {"note": "what a client writes into the proof of a request, for its key, `jti` and time", "cases": cases}


def cases(keys):
    """(name, door, proofs, reason or None)"""
    private = keys.private
    good = sign(header(keys), call("c-1"), private("es256"))

    def gateway(own, changed_header=None, key="es256", **changes):
        return [sign(changed_header or header(keys), call(own, **changes), private(key))]

    def sts(own, **changes):
        return [sign(header(keys), token(own, **changes), private("es256"))]

    yield "a good one", "gateway", [good], None
    for number, (name, alg) in enumerate([("eddsa", "EdDSA"), ("rs256", "RS256"), ("rs256", "PS256")]):
        made = sign(header(keys, name, alg), call(f"c-2-{number}"), private(name))
        yield f"signed with {alg}", "gateway", [made], None, name
    yield "for the token endpoint", "sts", sts("c-3"), None
    yield "host and scheme in any case, the default port, a query", "gateway", gateway(
        "c-4", htu="HTTPS://Gateway.Example.COM:443/calls/r/items/items/a%20b?page=2#x"
    ), None
    yield "a character encoded that need not be", "gateway", gateway("c-5", htu=CALL.replace("items/a", "%69tems/a")), None
    yield "60 s old", "gateway", gateway("c-6", iat=NOW - 60), None
    yield "with `exp` and `nbf`", "gateway", gateway("c-7", exp=NOW + 5, nbf=NOW), None
    yield "with members that nobody knows", "gateway", gateway("c-8", header(keys, kid="k"), x={"y": 1}), None

    yield "no proof", "gateway", [], "missing"
    yield "two proofs", "gateway", gateway("c-9") + gateway("c-10"), "several"
    yield "the same again", "gateway", [good], "replayed"
    yield "without a nonce", "gateway", gateway("c-11", nonce=None), "nonce"
    yield "with another nonce", "gateway", gateway("c-12", nonce=NONCE[::-1]), "nonce"
    yield "without a nonce at the token endpoint", "sts", sts("c-13", nonce=None), "nonce"
    yield "for another method", "gateway", gateway("c-14", htm="POST"), "method"
    yield "for a method in small letters", "gateway", gateway("c-15", htm="get"), "method"
    for number, htu in enumerate(
        [
            TOKEN,
            CALL.replace("/calls", ""),
            CALL + "/x",
            CALL.replace("https", "http"),
            CALL.replace(".com", ".com:8443"),
            CALL.replace("gateway.", "gateway.example.com@evil."),
            "/calls/r/items/items/a%20b",
            "",
        ]
    ):
        yield f"for another URL: {htu or 'none'}", "gateway", gateway(f"c-16-{number}", htu=htu), "url"
    yield "a call's proof at the token endpoint", "sts", [sign(header(keys), call("c-17"), private("es256"))], "method"
    yield "61 s old", "gateway", gateway("c-18", iat=NOW - 61), "clock"
    yield "from the future", "gateway", gateway("c-19", iat=NOW + 61), "clock"
    yield "five minutes off", "gateway", gateway("c-20", iat=NOW - 300), "clock"
    yield "expired by itself", "gateway", gateway("c-21", exp=NOW - 61), "clock"
    yield "for another mandate", "gateway", gateway("c-22", ath=ath(MANDATE + "x")), "mandate"
    yield "for no mandate", "gateway", gateway("c-23", ath=None), "mandate"
    yield "with the hash in hexadecimal", "gateway", gateway(
        "c-24", ath=hashlib.sha256(MANDATE.encode()).hexdigest()
    ), "mandate"
    yield "by another key", "gateway", gateway("c-25", header(keys, "other"), "other"), "other_key"

    head, claims, signature = gateway("c-26")[0].split(".")
    yield "by another key than it shows", "gateway", gateway("c-27", header(keys), "other"), "unreadable"
    yield "with another's signature", "gateway", [f"{head}.{claims}.{good.split('.')[2]}"], "unreadable"
    yield "without a signature", "gateway", [f"{head}.{claims}."], "unreadable"
    yield "of two parts", "gateway", [f"{head}.{claims}"], "unreadable"
    yield "of four parts", "gateway", [f"{head}.{claims}.{signature}.{signature}"], "unreadable"
    yield "no text of the kind", "gateway", ["proof"], "unreadable"
    yield "too long", "gateway", gateway("c-28", x="x" * 4096), "unreadable"
    yield "signed by nobody", "gateway", [f"{part(header(keys, alg='none'))}.{claims}."], "unreadable"
    shared = OctKey.import_key({"kty": "oct", "k": encoded(b"0" * 32)})
    shared_header = header(keys, alg="HS256", jwk={"kty": "oct", "k": encoded(b"0" * 32)})
    yield "signed with a shared secret", "gateway", [sign(shared_header, call("c-29"), shared)], "unreadable"
    as_secret = OctKey.import_key(json.dumps(keys.public("es256")).encode())
    yield "signed with a public key as the secret", "gateway", [
        sign(header(keys, alg="HS256"), call("c-30"), as_secret)
    ], "unreadable"
    whole = {m: v for m, v in private("es256").as_dict(private=True).items() if m in ("kty", "crv", "x", "y", "d")}
    yield "with its private key", "gateway", gateway("c-31", header(keys, jwk=whole)), "unreadable"
    yield "without a key", "gateway", gateway("c-32", header(keys, jwk=None)), "unreadable"
    yield "with another type", "gateway", gateway("c-33", header(keys, typ="JWT")), "unreadable"
    yield "without a type", "gateway", gateway("c-34", header(keys, typ=None)), "unreadable"
    critical = part(header(keys, crit=["x"], x=1))
    yield "with something critical", "gateway", [f"{critical}.{claims}.{signature}"], "unreadable"
    yield "without `jti`", "gateway", gateway("x", jti=None), "unreadable"
    yield "with an empty `jti`", "gateway", gateway(""), "unreadable"
    yield "without `htm`", "gateway", gateway("c-35", htm=None), "unreadable"
    yield "without `htu`", "gateway", gateway("c-36", htu=None), "unreadable"
    yield "without `iat`", "gateway", gateway("c-37", iat=None), "unreadable"
    yield "with `iat` as text", "gateway", gateway("c-38", iat=str(NOW)), "unreadable"
    twice = json.dumps(call("c-39")).replace('"htm"', '"htm": "POST", "htm"', 1).encode()
    yield "with a member twice", "gateway", [sign(header(keys), twice, private("es256"))], "unreadable"
    yield "of no JSON", "gateway", [sign(header(keys), b"x", private("es256"))], "unreadable"


CODES = {
    "gateway": {"nonce": "use_dpop_nonce", "replayed": "mandate_replayed"},
    "sts": {"nonce": "use_dpop_nonce"},
}
OTHERWISE = {"gateway": "proof_invalid", "sts": "invalid_dpop_proof"}


def verdicts(keys):
    listed = []
    for name, door, proofs, reason, *bound in cases(keys):
        case = {"name": name, "door": door, "proofs": proofs, "accepted": reason is None}
        if door == "gateway":
            case["bound_to"] = (bound or ["es256"])[0]
        if reason is not None:
            case["reason"] = reason
            case["code"] = CODES[door].get(reason, OTHERWISE[door])
        listed.append(case)
    return {
        "note": (
            "proofs as a request shows them in its `DPoP` headers, in the order in which the server sees them, and what it"
            " says: `code` is on the wire, `reason` says which rule it was. `bound_to` names the key of the mandate"
        ),
        "now": NOW,
        "nonce": NONCE,
        "mandate": MANDATE,
        "public_urls": {"sts": STS, "gateway": GATEWAY},
        "requests": {
            "sts": {"method": "POST", "path": "/oauth/2/token"},
            "gateway": {"method": "GET", "path": "/r/items/items/a%20b"},
        },
        "cases": listed,
    }


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    directory = Path(sys.argv[1])
    keys = Keys(directory)
    keys.write()
    write(directory / "making.json", making(keys))
    write(directory / "proofs.json", verdicts(keys))
    return 0


if __name__ == "__main__":
    sys.exit(main())
