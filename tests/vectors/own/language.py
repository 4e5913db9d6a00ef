"""One scheme for each thing that the scheme language can say, with requests that hold and requests that must not.

From config/schemes/README.md alone. Each vector brings its scheme (`toml`); it belongs to no sender.
"""

import base64
import binascii
import email.utils
import hashlib
import hmac
import json
import unicodedata

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from http_signatures import ED25519, P256, PSS, RSA, ecdsa_raw, public, stable
from make import AT, vector

SECRET = "0123456789abcdef0123456789abcdef"
BODY = '{"event":"paid","id":"evt_1"}'
HOST = "https://hooks.example.com"
URL = HOST + "/webhooks/sender"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNSIGNED = ("method", "target")


def mac(text, digest="sha256", key=SECRET):
    key = key.encode() if isinstance(key, str) else key
    return hmac.new(key, text.encode() if isinstance(text, str) else text, digest).digest()


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def scheme(signed, rest, algorithm="hmac-sha256", encoding="hex"):
    head = f'algorithm = "{algorithm}"\n'
    if signed is not None:
        head += f"signed = {json.dumps(signed)}\n"
    if encoding is not None:
        head += f'encoding = "{encoding}"\n'
    return head + rest


class Case:
    """One scheme, and requests of it."""

    def __init__(self, name, toml, secret=SECRET):
        self.name, self.toml, self.secret, self.made = name, toml, secret, []

    def holds(self, what, headers, bound, body=BODY, unbound=UNSIGNED, **more):
        self.made.append(self.vector(what, headers, bound, body, unbound, **more))
        return self

    def fails(self, what, headers, body=BODY, **more):
        self.made.append(self.vector(what, headers, [], body, [], expect="invalid", **more))
        return self

    def vector(self, what, headers, bound, body, unbound, **more):
        more.setdefault("url", URL)
        return vector(f"language-{self.name}-{what}", "custom", more.pop("secret", self.secret), body, headers, bound,
                      unbound=list(unbound), toml=self.toml, **more)


def places():
    good = mac(BODY).hex()
    other = mac(BODY, key="another-key-of-somebody").hex()
    yield (Case("aliases", scheme("{body}", '[sig]\nheader = ["X-Sig", "X-Old-Sig"]\n'))
           .holds("first", {"X-Sig": good}, ["body"]).holds("second", {"X-Old-Sig": good}, ["body"])
           .fails("both", {"X-Sig": good, "X-Old-Sig": good}).fails("twice", {"X-Sig": [good, good]}))
    yield (Case("headers", scheme("{body}", '[sig]\nheaders = ["X-Sig-A", "X-Sig-B"]\n'))
           .holds("one", {"X-Sig-A": good}, ["body"]).holds("other", {"X-Sig-B": good}, ["body"])
           .holds("one-of-two", {"X-Sig-A": other, "X-Sig-B": good}, ["body"])
           .holds("one-garbled", {"X-Sig-A": "zz", "X-Sig-B": good}, ["body"])
           .fails("neither", {"X-Sig-A": other, "X-Sig-B": other}).fails("twice", {"X-Sig-A": [good, good]}))
    yield (Case("numbered", scheme("{body}", '[sig]\nnumbered = "X-Sig-"\n'))
           .holds("first", {"X-Sig-1": good}, ["body"]).holds("last", {"X-Sig-100": good}, ["body"])
           .holds("one-of-two", {"X-Sig-1": other, "X-Sig-2": good}, ["body"])
           .fails("zero", {"X-Sig-0": good}).fails("beyond", {"X-Sig-101": good}).fails("bare", {"X-Sig-": good})
           .fails("seventeen", {f"X-Sig-{n}": good for n in range(1, 18)}))

    def doc(signature, **more):
        return json.dumps({"data": {"id": "7", "n": 12, "ok": True}, "proof": {"sig": signature}, **more})

    json_case = Case("json", scheme("{json:data.id}.{json:data.n}.{json:data.ok}.{json?:data.note}",
                                    '[sig]\njson = "proof.sig"\n'))
    right = mac("7.12.true.").hex()
    noted = mac("7.12.true.hi").hex()
    json_case.holds("unsigned-rest", {}, [], body=doc(right), unbound=["body", *UNSIGNED])
    json_case.holds("null-is-absent", {}, [], unbound=["body"],
                    body='{"data":{"id":"7","n":12,"ok":true,"note":null},"proof":{"sig":"%s"}}' % right)
    json_case.holds("optional-there", {}, [], unbound=["body"],
                    body='{"data":{"id":"7","n":12,"ok":true,"note":"hi"},"proof":{"sig":"%s"}}' % noted)
    for what, body in {
        "other-value": doc(right).replace('"7"', '"8"'),
        "other-number": doc(right).replace("12", "13"),
        "other-boolean": doc(right).replace("true", "false"),
        "added-optional": doc(right).replace('"ok": true', '"ok": true, "note": "x"'),
        "no-value": doc(mac(".12.true.").hex()).replace('"id": "7", ', ""),
        "null-value": doc(mac(".12.true.").hex()).replace('"7"', "null"),
        "fraction": doc(mac("7.12.5.true.").hex()).replace("12", "12.5"),
        "object-value": doc(mac("7.12.{}.").hex()).replace("true", "{}"),
        "key-twice": doc(right).replace('"n": 12', '"n": 12, "n": 12'),
        "no-signature": doc(right).replace('"sig"', '"gis"'),
        "signature-number": doc(right).replace(f'"{right}"', "12"),
        "signature-list": doc(right).replace(f'"{right}"', f'["{right}"]'),
        "deep": doc(right, deep="@").replace('"@"', "[" * 130 + "]" * 130),
        "trailing": doc(right) + "{}",
        "byte-order-mark": "\ufeff" + doc(right),
        "no-json": f"sig={right}",
        "empty": "",
    }.items():
        json_case.fails(what, {}, body=body)
    yield json_case

    form = "a=1&b=x+y%2Fz&sig="
    signed = mac("1|x y/z").hex()
    form_case = Case("form", scheme("{form:a}|{form:b}", '[sig]\nform = "sig"\n'))
    form_case.holds("unsigned-rest", FORM, [], body=form + signed, unbound=["body", *UNSIGNED])
    for what, body in {
        "other-value": "a=2" + (form + signed)[3:],
        "field-twice": form + signed + "&a=1",
        "signature-twice": form + signed + "&sig=" + signed,
        "no-field": "b=x+y%2Fz&sig=" + mac("|x y/z").hex(),
        "broken-escape": form + signed + "&c=%2",
        "escape-of-nothing": form + signed + "&c=%zz",
        "too-many": form + signed + "&" + "&c" * 998,
        "no-signature": "a=1&b=x+y%2Fz",
    }.items():
        form_case.fails(what, FORM, body=body)
    yield form_case

    query = Case("query", scheme("{body}", '[sig]\nquery = "sig"\n', encoding="base64"))
    value = b64(mac(BODY))
    escaped = value.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    query.holds("escaped", {}, ["body"], url=f"{URL}?a=1&sig={escaped}", unbound=["method", "target"])
    query.holds("as-it-is", {}, ["body"], url=f"{URL}?sig={value}", unbound=["method", "target"])
    for what, text in {"none": "a=1", "twice": f"sig={escaped}&sig={escaped}", "empty": "sig=", "bare": "sig",
                       "garbage": "sig=garbage", "broken": f"sig={escaped}%2", "other-case": f"Sig={escaped}",
                       "cut": f"sig={escaped[:-3]}"}.items():
        query.fails(what, {}, url=f"{URL}?{text}")
    yield query


def grammars():
    good, bad = mac(BODY).hex(), mac("other").hex()

    def one(name, keys, valid, invalid):
        case = Case(name, scheme("{body}", f'[sig]\nheader = "X-Sig"\n{keys}'))
        for what, value in valid.items():
            case.holds(what, {"X-Sig": value}, ["body"])
        for what, value in invalid.items():
            case.fails(what, {"X-Sig": value})
        return case

    yield one("plain", "", {"bare": good, "upper-case": good.upper(), "padded": f"  {good}\t"},
              {"prefixed": "sha256=" + good, "two": f"{good},{good}", "quoted": f'"{good}"', "0x": "0x" + good,
               "odd": good[:-1], "short": good[:-2], "long": good + "00", "base64": b64(mac(BODY)),
               "not-hex": "g" + good[1:], "inner-space": good[:32] + " " + good[32:]})
    yield one("prefix", 'prefix = "v1="\n', {"prefixed": "v1=" + good},
              {"bare": good, "other": "v2=" + good, "case": "V1=" + good, "twice": "v1=v1=" + good,
               "space": "v1= " + good, "only": "v1="})
    yield one("optional-prefix", 'prefix = "v1="\nprefix_optional = true\n', {"prefixed": "v1=" + good, "bare": good},
              {"other": "v2=" + good, "twice": "v1=v1=" + good, "only": "v1="})
    sixteen = ",".join([f"v1={bad}"] * 15 + [f"v1={good}"])
    yield one("kv", 'parse = "kv"\nsep = ","\nkey = "v1"\n',
              {"alone": "v1=" + good, "spaces": f"v0={bad} , v1 = {good}", "any": f"v1={bad},v1={good}",
               "after-garbage": f"v1=zz,v1=,v1,,=,v1={good}", "sixteen": sixteen},
              {"none": f"v1={bad},v1={bad}", "other-key": "v0=" + good, "no-key": good,
               "other-separator": f"v1={bad};v1={good}",
               "seventeen": sixteen + f",v1={bad}", "two-hundred": ",".join([f"v1={bad}"] * 199 + [f"v1={good}"]),
               "bare-key": "v1", "key-case": "V1=" + good})
    yield one("tagged", 'parse = "tagged"\nsep = " "\ntag_sep = ","\nkey = "v1"\n',
              {"alone": "v1," + good, "any": f"v1a,{bad} v1,{bad} v1,{good}",
               "after-garbage": f"v2,x v1a,y v1, v1,{good}"},
              {"other-tag": "v0," + good, "longer-tag": "v1a," + good, "no-tag": good, "only-tag": "v1,",
               "wrong": "v1," + bad})
    yield one("delimited", 'parse = "delimited"\nprefix = "sigs "\nsep = ";"\n',
              {"alone": "sigs " + good, "any": f"sigs {bad}; {good}", "after-garbage": f"sigs x;;{good}"},
              {"no-prefix": good, "comma": f"sigs {bad},{good}", "none": f"sigs {bad};{bad}", "nothing": "sigs "})

    time = "[timestamp]\nfield = "
    timed = mac(f"{AT}.{BODY}").hex()

    def with_time(name, keys, field, valid, invalid):
        case = Case(name, scheme("{timestamp}.{body}", f'[sig]\nheader = "X-Sig"\n{keys}{time}"{field}"\n'))
        for what, value in valid.items():
            case.holds(what, {"X-Sig": value}, ["body", "timestamp"])
        for what, value in invalid.items():
            case.fails(what, {"X-Sig": value})
        return case

    yield with_time("kv-time", 'parse = "kv"\nsep = ","\nkey = "v1"\n', "t",
                    {"usual": f"t={AT},v1={timed}", "turned": f"v1={timed}, t={AT}"},
                    {"no-time": f"v1={timed}", "two-times": f"t={AT},t={AT},v1={timed}", "empty-time": f"t=,v1={timed}",
                     "other-time": f"t={AT + 1},v1={timed}", "no-number": f"t=NaN,v1={timed}",
                     "negative": f"t=-{AT},v1={timed}", "leading-zero": f"t=0{AT},v1={timed}",
                     "plus": f"t=+{AT},v1={timed}",
                     "milliseconds": f"t={AT}000,v1={timed}", "float": f"t={AT}.0,v1={timed}"})
    yield with_time("positional", 'parse = "positional"\nprefix = "Signed "\nsep = ","\nkey = "2"\n', "0",
                    {"usual": f"Signed {AT},app,{timed}", "any": f"Signed {AT}, app, {bad}, {timed}"},
                    {"too-early": f"Signed {AT},{timed}", "no-prefix": f"{AT},app,{timed}",
                     "other-time": f"Signed {AT + 1},app,{timed}",
                     "no-time": f"Signed ,app,{timed}", "none": f"Signed {AT},app"})
    yield with_time("groups", 'parse = "groups"\nsep = ","\ngroup_sep = " "\nkey = "v1"\n', "t",
                    {"one": f"t={AT},v1={timed}", "two": f"t={AT},v1={bad} t={AT},v1={timed}"},
                    {"times-differ": f"t={AT},v1={timed} t={AT + 1},v1={bad}",
                     "time-missing": f"t={AT},v1={timed} v1={bad}",
                     "two-times": f"t={AT},t={AT},v1={timed}", "wrong": f"t={AT},v1={bad} t={AT},v1={bad}"})


def templates():
    target = "/webhooks/sender?b=2&a=%2F"
    url = HOST + target
    sig = '[sig]\nheader = "X-Sig"\n'

    def one(name, signed, text, bound, *, rest="", unbound=(), headers=(), body=BODY):
        made = {"X-Sig": mac(text).hex(), **dict(headers)}
        case = Case(f"signed-{name}", scheme(signed, sig + rest))
        return case.holds("it", made, bound, body=body, url=url, unbound=unbound)

    yield one("method", "{method} {body}", f"POST {BODY}", ["method", "body"], unbound=["target"])
    yield one("target", "{target}\n{body}", f"{target}\n{BODY}", ["target", "body"], unbound=["method"])
    yield one("path", "{path}\n{body}", f"/webhooks/sender\n{BODY}", ["body"], unbound=["target"])
    yield one("query", "{query}\n{body}", f"b=2&a=%2F\n{BODY}", ["target", "body"], unbound=["method"])
    yield one("url", "{url}\n{body}", f"{url}\n{BODY}", ["target", "body"], unbound=["method"])
    yield one("braces", "{{{method}}}{body}", f"{{POST}}{BODY}", ["method", "body"])
    yield one("body-in-the-middle", "{method}{body}{target}", f"POST{BODY}{target}", ["method", "body", "target"])
    yield one("header", "{header:X-Topic}\n{body}", f"paid\n{BODY}", ["header:X-Topic", "body"],
              headers={"X-Topic": "  paid "})
    yield one("md5", "{md5b64:body}", b64(hashlib.md5(BODY.encode()).digest()), ["body"])
    yield one("sha256", "{sha256hex:body}", hashlib.sha256(BODY.encode()).hexdigest(), ["body"])
    crc = mac(str(binascii.crc32(BODY.encode()))).hex()
    yield (Case("signed-crc32", scheme("{crc32:body}", sig)).holds("it", {"X-Sig": crc}, ["body"], body_bound=False)
           .fails("other-body", {"X-Sig": crc}, body=BODY + " "))

    pairs = "b=2&a=1+1&b=10&b=2&c"
    yield (Case("signed-form-sorted", scheme("{form.sorted}", sig))
           .holds("it", {"X-Sig": mac("a1 1b10b2c").hex(), **FORM}, ["body"], body=pairs)
           .holds("parameters", {"X-Sig": mac("a1").hex(), "Content-Type": FORM["Content-Type"] + "; charset=utf-8"},
                  ["body"], body="a=1")
           .fails("no-form", {"X-Sig": mac("").hex(), "Content-Type": "application/json"})
           .fails("two-types", {"X-Sig": mac("a1 1b10b2c").hex(), "Content-Type": [FORM["Content-Type"], "text/plain"]},
                  body=pairs))

    rest = '[id]\nheader = "X-Id"\n[timestamp]\nheader = ["X-Time", "X-Old-Time"]\n'
    case = Case("id", scheme("{id}.{timestamp}.{body}", sig + rest))
    made = {"X-Sig": mac(f"e-1.{AT}.{BODY}").hex(), "X-Id": "e-1"}
    case.holds("it", {**made, "X-Time": str(AT)}, ["body", "id", "timestamp"])
    case.holds("alias", {**made, "X-Old-Time": str(AT)}, ["body", "id", "timestamp"])
    for what, headers in {"two-times": {"X-Time": str(AT), "X-Old-Time": str(AT)}, "no-time": {},
                          "time-twice": {"X-Time": [str(AT), str(AT)]}}.items():
        case.fails(what, {**made, **headers})
    for what, own in {"empty": "", "space": "e 1", "dot": "e.1", "long": "e" * 256, "not-ascii": "é"}.items():
        case.fails(f"id-{what}", {"X-Sig": mac(f"{own}.{AT}.{BODY}").hex(), "X-Id": own, "X-Time": str(AT)})
    case.holds("id-longest", {"X-Sig": mac(f"{'e' * 255}.{AT}.{BODY}").hex(), "X-Id": "e" * 255, "X-Time": str(AT)},
               ["id", "timestamp", "body"], unbound=["target"])
    yield case

    inside = '{"at":%d,"id":"e-1","event":"paid"}' % AT
    yield (Case("time-and-id-in-json", scheme("{body}", f'{sig}[id]\njson = "id"\n[timestamp]\njson = "at"\n'))
           .holds("it", {"X-Sig": mac(inside).hex()}, ["body", "id", "timestamp"], body=inside)
           .fails("too-old", {"X-Sig": mac(inside).hex()}, body=inside, at=AT + 301)
           .fails("too-new", {"X-Sig": mac(inside).hex()}, body=inside, at=AT - 301)
           .fails("no-id", {"X-Sig": mac(inside.replace('"id"', '"di"')).hex()}, body=inside.replace('"id"', '"di"'))
           .fails("no-time", {"X-Sig": mac(inside.replace('"at"', '"ta"')).hex()}, body=inside.replace('"at"', '"ta"')))
    form = f"at={AT}&id=e-1&x=1"
    yield (Case("time-and-id-in-a-form", scheme("{body}", f'{sig}[id]\nform = "id"\n[timestamp]\nform = "at"\n'))
           .holds("it", {"X-Sig": mac(form).hex(), **FORM}, ["body", "id", "timestamp"], body=form)
           .fails("too-old", {"X-Sig": mac(form).hex(), **FORM}, body=form, at=AT + 301)
           .fails("two-times", {"X-Sig": mac(form + "&at=1").hex(), **FORM}, body=form + "&at=1"))


def times():
    millis = AT * 1000
    for unit, text, early, late in (
            ("s", str(AT), AT - 300, AT + 300), ("ms", str(millis), AT - 300, AT + 300),
            ("rfc3339", "2023-11-14T22:13:20Z", AT - 300, AT + 300),
            ("rfc3339", "2023-11-14T23:43:20+01:30", AT - 300, AT + 300),
            ("rfc3339", "2023-11-14T22:13:20.25Z", AT - 299, AT + 300),
            ("http-date", email.utils.formatdate(AT, usegmt=True), AT - 300, AT + 300)):
        case = Case(f"unit-{unit}-{len(text)}", scheme("{timestamp}.{body}",
                    f'[sig]\nheader = "X-Sig"\n[timestamp]\nheader = "X-Time"\nunit = "{unit}"\n'))
        made = {"X-Sig": mac(f"{text}.{BODY}").hex(), "X-Time": text}
        case.holds("now", made, ["body", "timestamp", "header:X-Time"])
        case.holds("earliest", made, ["body"], at=early).holds("latest", made, ["body"], at=late)
        case.fails("too-early", made, at=early - 1).fails("too-late", made, at=late + 1)
        for what, other in {"empty": "", "hello": "hello", "space": text[:4] + " " + text[4:], "of-another-unit":
                            {"s": "2023-11-14T22:13:20Z"}.get(unit, str(AT))}.items():
            # Milliseconds that look like seconds are a time, long ago.
            case.fails(what, {"X-Sig": mac(f"{other}.{BODY}").hex(), "X-Time": other})
        yield case
    made = {"X-Sig": mac(f"{AT}.{BODY}").hex(), "X-Time": str(AT)}
    time = '[sig]\nheader = "X-Sig"\n[timestamp]\nheader = "X-Time"\n'
    yield (Case("tolerance", scheme("{timestamp}.{body}", time + "tolerance = 5\n"))
           .holds("at-its-end", made, ["body"], at=AT + 5).fails("after-it", made, at=AT + 6))
    yield (Case("not-enforced", scheme("{timestamp}.{body}", time + "enforce = false\n"))
           .holds("years-later", made, ["body", "header:X-Time"], at=AT + 100_000_000)
           .fails("no-time", {"X-Sig": made["X-Sig"]}))


def algorithms():
    sig = '[sig]\nheader = "X-Sig"\n'
    for digest in ("sha1", "sha256", "sha384", "sha512"):
        for encoding, encode in (("hex", bytes.hex), ("base64", b64), ("base64url", b64url)):
            case = Case(f"hmac-{digest}-{encoding}", scheme("{body}", sig, f"hmac-{digest}", encoding))
            tag = mac(BODY, digest)
            case.holds("it", {"X-Sig": encode(tag)}, ["body"], unbound=UNSIGNED)
            case.fails("half", {"X-Sig": encode(tag[:len(tag) // 2])}).fails("of-nothing", {"X-Sig": encode(b"")})
            case.fails("with-a-byte-more", {"X-Sig": encode(tag + b"\0")})
            for other in ("sha1", "sha256", "sha384", "sha512"):
                if other != digest:
                    case.fails(other, {"X-Sig": encode(mac(BODY, other))})
            yield case
    tag = b64(mac(BODY))
    sibling = tag[:-2] + chr(ord(tag[-2]) + 1) + "="
    yield (Case("base64", scheme("{body}", sig, encoding="base64")).holds("it", {"X-Sig": tag}, ["body"])
           .fails("not-canonical", {"X-Sig": sibling}).fails("not-padded", {"X-Sig": tag[:-1]})
           .fails("line-break", {"X-Sig": tag[:20] + " " + tag[20:]}).fails("padded-more", {"X-Sig": tag + "="}))
    awkward = next(text for text in (f"{BODY}{n}" for n in range(99)) if {"+", "/"} <= set(b64(mac(text))))
    yield (Case("alphabet", scheme("{body}", sig, encoding="base64"))
           .fails("url", {"X-Sig": base64.urlsafe_b64encode(mac(awkward)).decode()}, body=awkward))
    yield (Case("alphabet-url", scheme("{body}", sig, encoding="base64url"))
           .holds("padded", {"X-Sig": base64.urlsafe_b64encode(mac(awkward)).decode()}, ["body"], body=awkward)
           .fails("standard", {"X-Sig": b64(mac(awkward))}, body=awkward))

    plain = hashlib.sha256(f"{SECRET}|{BODY}".encode()).hexdigest()
    yield Case("plain-hash", scheme("{secret}|{body}", sig, "sha256")).holds("it", {"X-Sig": plain}, ["body"])
    yield (Case("token", scheme(None, '[sig]\nheader = "X-Token"\nprefix = "Token "\n', "token", None))
           .holds("it", {"X-Token": "Token " + SECRET}, [], unbound=["body", *UNSIGNED])
           .fails("bare", {"X-Token": SECRET}).fails("case", {"X-Token": "Token " + SECRET.upper()})
           .fails("more", {"X-Token": "Token " + SECRET + "0"}).fails("less", {"X-Token": "Token " + SECRET[:-1]})
           .fails("nothing", {"X-Token": "Token "}))

    message = f"{AT}.{BODY}".encode()
    p256 = lambda: P256.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    raw = ED25519.public_key().public_bytes_raw().hex()
    keys = {"pem": ("pem", public), "raw": ("hex", lambda _: raw)}
    for algorithm, key, sign, forms in (
            ("ed25519", ED25519, lambda: ED25519.sign(message), ("pem", "raw")),
            ("ecdsa-p256-sha256", P256, p256, ("pem",)),
            ("ecdsa-p256-sha256-raw", P256, lambda: ecdsa_raw(message), ("pem",)),
            ("rsa-pkcs1-sha256", RSA, lambda: RSA.sign(message, padding.PKCS1v15(), hashes.SHA256()), ("pem",)),
            ("rsa-pkcs1-sha1", RSA, lambda: RSA.sign(message, padding.PKCS1v15(), hashes.SHA1()), ("pem",)),
            ("rsa-pss-sha512", RSA,
             lambda: stable(__file__, "language-rsa-pss-sha512-pem-it", "X-Sig", RSA.public_key(), message,
                            (PSS, hashes.SHA512()),
                            lambda: RSA.sign(message, PSS, hashes.SHA512())), ("pem",))):
        for form in forms:
            decode, text = keys[form]
            case = Case(f"{algorithm}-{form}", scheme("{timestamp}.{body}", f'{sig}[secret]\ndecode = "{decode}"\n'
                        '[timestamp]\nheader = "X-Time"\n', algorithm, "base64"), text(key))
            made = sign()
            time = {"X-Time": str(AT)}
            case.holds("it", {"X-Sig": b64(made), **time}, ["body", "timestamp"])
            case.fails("cut", {"X-Sig": b64(made[:-1]), **time}).fails("longer", {"X-Sig": b64(made + b"\0"), **time})
            case.fails("zeros", {"X-Sig": b64(bytes(len(made))), **time}).fails("nothing", {"X-Sig": "", **time})
            case.fails("first-bit", {"X-Sig": b64(bytes([made[0] ^ 1]) + made[1:]), **time})
            case.fails("huge", {"X-Sig": b64(bytes(4000)), **time})
            yield case
    # The forms of one algorithm are not those of another.
    for algorithm, made in (("ecdsa-p256-sha256", ecdsa_raw(message)), ("ecdsa-p256-sha256-raw", p256())):
        yield (Case(f"{algorithm}-other-form", scheme("{timestamp}.{body}", f'{sig}[secret]\ndecode = "pem"\n'
                    '[timestamp]\nheader = "X-Time"\n', algorithm, "base64"), public(P256))
               .fails("it", {"X-Sig": b64(made), "X-Time": str(AT)}))
    for algorithm, made in (("rsa-pkcs1-sha256", RSA.sign(message, padding.PKCS1v15(), hashes.SHA512())),
                            ("rsa-pss-sha512", RSA.sign(message, padding.PKCS1v15(), hashes.SHA512()))):
        yield (Case(f"{algorithm}-other-form", scheme("{timestamp}.{body}", f'{sig}[secret]\ndecode = "pem"\n'
                    '[timestamp]\nheader = "X-Time"\n', algorithm, "base64"), public(RSA))
               .fails("it", {"X-Sig": b64(made), "X-Time": str(AT)}))


def secrets():
    sig = '[sig]\nheader = "X-Sig"\n[secret]\n'
    digests = (hashlib.sha256(bytes([n])).digest() for n in range(256))
    raw = next(digest for digest in digests if {"+", "/"} <= set(b64(digest)))

    def one(name, keys, texts, key, wrong=()):
        case = Case(f"secret-{name}", scheme("{body}", sig + keys))
        for n, text in enumerate(texts):
            case.holds(f"it-{n}", {"X-Sig": mac(BODY, key=key).hex()}, ["body"], secret=text)
        for n, text in enumerate(wrong):
            case.fails(f"wrong-{n}", {"X-Sig": mac(BODY, key=key).hex()}, secret=text)
        return case

    standard, loose = b64(raw), base64.urlsafe_b64encode(raw).decode()
    yield one("verbatim", 'decode = "utf8"\n', ["whsec_" + SECRET], "whsec_" + SECRET, [SECRET])
    yield one("strip", 'strip = "whsec_"\n', ["whsec_" + SECRET, SECRET], SECRET, ["whsec_whsec_" + SECRET])
    yield one("base64", 'decode = "base64"\n', [standard, standard.rstrip("=")], raw,
              [loose, standard[:-2] + chr(ord(standard[-2]) + 1) + "=", standard + "=", "", raw.hex()])
    sibling = standard[:-2] + chr(ord(standard[-2]) + 1) + "="
    yield one("base64-loose", 'decode = "base64-loose"\n',
              [standard, standard.rstrip("="), loose, loose.rstrip("="), sibling],
              raw, ["!" + standard[1:], standard + "="])
    yield one("hex", 'decode = "hex"\n', [raw.hex(), raw.hex().upper()], raw, [raw.hex()[:-1], "zz" + raw.hex()[2:]])
    yield one("strip-base64", 'strip = "whsec_"\ndecode = "base64"\ngenerate = "whsec"\n',
              ["whsec_" + standard, standard], raw)
    composed = "Stra\u00dfe \u00c5\ufb01n \u1e69-\u212b-secret"
    yield one("nfkd", 'normalize = "nfkd"\n', [composed, unicodedata.normalize("NFD", composed)],
              unicodedata.normalize("NFKD", composed), ["Strasse Afin s-A-secret"])
    yield one("derive", 'derive = "sha1"\n', [SECRET], hashlib.sha1(SECRET.encode()).digest(), [SECRET + "0"])
    keys = [f"key-number-{n}-of-several" for n in range(5)]
    several = Case("secret-several", scheme("{body}", sig + "several = true\n"))
    for n in range(4):
        several.holds(f"key-{n}", {"X-Sig": mac(BODY, key=keys[n]).hex()}, ["body"], secret="\n".join(keys[:4]))
    several.holds("crlf", {"X-Sig": mac(BODY, key=keys[1]).hex()}, ["body"], secret=f"{keys[0]}\r\n\r\n {keys[1]} \r\n")
    several.fails("none", {"X-Sig": mac(BODY, key=keys[4]).hex()}, secret="\n".join(keys[:4]))
    several.fails("more-than-four", {"X-Sig": mac(BODY, key=keys[0]).hex()}, secret="\n".join(keys))
    several.fails("the-text-itself", {"X-Sig": mac(BODY, key="\n".join(keys[:2])).hex()}, secret="\n".join(keys[:2]))
    yield several


def conditions():
    sig = '[sig]\nheader = "X-Sig"\n'
    good = {"X-Sig": mac(BODY).hex()}
    yield (Case("require", scheme("{body}", f'{sig}[require]\nX-Version = "1"\n'))
           .holds("it", {**good, "X-Version": "1"}, ["body", "header:X-Version"])
           .fails("other", {**good, "X-Version": "2"}).fails("more", {**good, "X-Version": "1.0"})
           .fails("twice", {**good, "X-Version": ["1", "1"]}).fails("empty", {**good, "X-Version": ""}))
    yield (Case("body-required", 'body = "required"\n' + scheme("{body}", sig))
           .holds("it", good, ["body"]).fails("empty", {"X-Sig": mac("").hex()}, body=""))

    for digest in ("sha256", "sha512"):
        for encoding, encode in (("hex", bytes.hex), ("base64", b64)):
            value = "d=" + encode(hashlib.new(digest, BODY.encode()).digest())
            case = Case(f"bind-{digest}-{encoding}", scheme("{header:X-Digest}\n{method}",
                        f'{sig}[bind]\nheader = "X-Digest"\nprefix = "d="\ndigest = "{digest}-{encoding}"\n'))
            case.holds("it", {"X-Sig": mac(f"{value}\nPOST").hex(), "X-Digest": value},
                       ["body", "method", "header:X-Digest"], unbound=["target"])
            for what, other in {"no-prefix": value[2:], "of-other": "d=" + encode(hashlib.new(digest, b"x").digest()),
                                "cut": value[:-1], "empty": "", "only-prefix": "d="}.items():
                case.fails(what, {"X-Sig": mac(f"{other}\nPOST").hex(), "X-Digest": other})
            case.fails("missing", {"X-Sig": mac("\nPOST").hex()})
            case.fails("twice", {"X-Sig": mac(f"{value}\nPOST").hex(), "X-Digest": [value, value]})
            yield case
    value = hashlib.sha256(BODY.encode()).hexdigest()
    bind = f'{sig}[bind]\nquery = "digest"\ndigest = "sha256-hex"\nunless_content_type = "text/plain"\n'
    case = Case("bind-query", scheme("{target}\n{form.sorted}", bind))

    def at(query, **headers):
        target = "/webhooks/sender" + query
        return {"headers": {"X-Sig": mac(f"{target}\n").hex(), **headers}, "url": HOST + target}

    case.holds("it", bound=["body", "target"], unbound=["method"], **at(f"?a=1&digest={value}"))
    case.fails("missing", **at("?a=1")).fails("wrong", **at("?digest=" + "0" * 64)).fails("empty", **at("?digest="))
    case.fails("twice", **at(f"?digest={value}&digest={value}")).fails("other-name", **at(f"?xdigest={value}"))
    case.fails("wrong-though-exempt", **at("?digest=" + "0" * 64, **{"Content-Type": "text/plain"}))
    yield case


def batches():
    case = Case("each", scheme("{json:id}|{json:n}", 'each = "items"\n[sig]\njson = "sig"\n'))

    def item(identity, number, signed=None):
        return {"id": identity, "n": number, "sig": mac(signed or f"{identity}|{number}").hex()}

    def body(*items):
        return json.dumps({"items": list(items)})

    good = [item(f"i{n}", n) for n in range(3)]
    forged = item("i9", 9, "i9|8")
    case.holds("one", {}, [], body=body(good[0]), unbound=["body", *UNSIGNED])
    case.holds("three", {}, [], body=body(*good), unbound=["body"])
    for place in range(4):
        case.fails(f"forged-at-{place}", {}, body=body(*good[:place], forged, *good[place:]))
    for what, text in {"none": body(), "no-list": '{"items":{}}', "no-items": "{}",
                       "unsigned": body(good[0], {"id": "i", "n": 1}),
                       "null": body(good[0], None), "text": body(good[0], "i"), "nested": body([good[0]]),
                       "key-twice": body(good[0]).replace('"n": 0', '"n": 0, "n": 0'),
                       "swapped": body({**good[0], "sig": good[1]["sig"]}, {**good[1], "sig": good[0]["sig"]}),
                       "empty": "", "a-list": json.dumps(good)}.items():
        case.fails(what, {}, body=text)
    yield case


def urls():
    sig = '[sig]\nheader = "X-Sig"\n'

    def one(form, received, signed, wrong, bound=("body", "target")):
        case = Case(f"url-{form}", f'url = ["{form}"]\n' + scheme("{url}\n{body}", sig))
        for n, (got, text) in enumerate(zip(received, signed)):
            case.holds(f"it-{n}", {"X-Sig": mac(f"{text}\n{BODY}").hex()}, bound, url=got, unbound=["method"])
        for n, (got, text) in enumerate(wrong):
            case.fails(f"wrong-{n}", {"X-Sig": mac(f"{text}\n{BODY}").hex()}, url=got)
        return case

    rest = "/webhooks/sender?a=b%3Ac"
    port = "https://hooks.example.com:8443" + rest
    plain, standard = HOST + rest, "https://hooks.example.com:443" + rest
    yield one("as-is", [plain, port], [plain, port],
              [(plain, standard), (port, plain), (plain, HOST + "/webhooks/sender"), (plain, plain + "&"),
               (plain, plain.replace("%3A", "%3a"))])
    yield one("strip-port", [plain, port], [plain, plain], [(port, port), (plain, standard)])
    yield one("default-port", [plain, port, plain.replace("https", "http")],
              [standard, port, standard.replace("https", "http").replace("443", "80")],
              [(plain, plain), (port, standard)])
    yield one("strip-query", [plain], [HOST + "/webhooks/sender"], [(plain, plain)], bound=("body",))
    yield one("decoded", [plain, plain.replace("%3A", "%3a%20")],
              [HOST + "/webhooks/sender?a=b:c", HOST + "/webhooks/sender?a=b:%20c"],
              [(plain, plain)])
    both = Case("url-any", 'url = ["as-is", "strip-port", "default-port"]\n' + scheme("{url}\n{body}", sig))
    for n, (got, text) in enumerate([(plain, plain), (plain, standard), (port, port), (port, plain)]):
        both.holds(f"it-{n}", {"X-Sig": mac(f"{text}\n{BODY}").hex()}, ["body", "target"], url=got, unbound=["method"])
    both.fails("other-port", {"X-Sig": mac(f"{plain}\n{BODY}").hex().replace("a", "b")}, url=port)
    yield both


def vectors():
    families = (places, grammars, templates, times, algorithms, secrets, conditions, batches, urls)
    return [made for family in families for case in family() for made in case.made]
