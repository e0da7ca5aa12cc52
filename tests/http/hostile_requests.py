"""Requests that a careless service would mishandle: a name, the raw bytes, the right status.

The groups follow a request from its first line to the orders in its body. `post` adds the
Content-Length; everything else is sent as it is written here.
"""

import json
from collections.abc import Iterator
from typing import Final

from attrs import frozen

HOST: Final = "Host: localhost"
ORDER: Final = b'{"id":"hostile","amount":1}'
SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@frozen
class HostileRequest:
    """One request.

    Attributes:
        name: What is hostile about it.
        raw: Its bytes.
        status: The right status code.
    """

    name: str
    raw: bytes
    status: int


Rows = Iterator[HostileRequest]


def head(*lines: str | bytes) -> bytes:
    """Write the lines of a head, and the empty line after it."""
    encoded = [line.encode() if isinstance(line, str) else line for line in lines]
    return b"\r\n".join([*encoded, b"", b""])


def get(target: str | bytes, *headers: str | bytes) -> bytes:
    raw = target.encode() if isinstance(target, str) else target
    return head(b"GET " + raw + b" HTTP/1.1", HOST, *headers)


def post(body: str | bytes, *headers: str | bytes, target: str = "/orders") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    typed = headers or ("Content-Type: application/json",)
    length = f"Content-Length: {len(content)}"
    return head(f"POST {target} HTTP/1.1", HOST, length, *typed) + content


def chunked(body: bytes, *headers: str | bytes) -> bytes:
    """Write the head of a request with a chunked body, then the body as it is."""
    encoding = headers or ("Transfer-Encoding: chunked",)
    json_type = "Content-Type: application/json"
    return head("POST /orders HTTP/1.1", HOST, json_type, *encoding) + body


def request_lines() -> Rows:
    for name, line, status in (
        ("no version", "GET /health", 400),
        ("HTTP/0.9", "GET /health HTTP/0.9", 400),
        ("HTTP/1.2", "GET /health HTTP/1.2", 400),
        ("HTTP/1.10", "GET /health HTTP/1.10", 400),
        ("HTTP/2.0", "GET /health HTTP/2.0", 400),
        ("the preface of HTTP/2", "PRI * HTTP/2.0", 400),
        ("a version in lower case", "GET /health http/1.1", 400),
        ("no slash in the version", "GET /health HTTP1.1", 400),
        ("a space after the version", "GET /health HTTP/1.1 ", 400),
        ("a fourth word", "GET /health HTTP/1.1 HTTP/1.1", 400),
        ("two spaces", "GET  /health HTTP/1.1", 400),
        ("tabs for spaces", "GET\t/health\tHTTP/1.1", 400),
        ("no target", "GET HTTP/1.1", 400),
        ("no method", "/health HTTP/1.1", 400),
        ("one word", "GET", 400),
        ("a method in lower case", "get /health HTTP/1.1", 400),
        ("a method that is not a token", "G<T /health HTTP/1.1", 400),
        ("a method with a NUL", "G\0T /health HTTP/1.1", 400),
        ("a method with an accent", "GÉT /health HTTP/1.1", 400),
        ("an unknown method", "BREW /orders HTTP/1.1", 405),
        ("an unknown method at an unknown path", "BREW /coffee HTTP/1.1", 404),
        ("a long method", f"{'G' * 9_000} /health HTTP/1.1", 405),
        ("DELETE of an order", "DELETE /orders/hostile HTTP/1.1", 405),
        ("PUT of the list", "PUT /orders HTTP/1.1", 405),
        ("TRACE", "TRACE /orders HTTP/1.1", 405),
        ("CONNECT", "CONNECT localhost:80 HTTP/1.1", 404),
        ("OPTIONS of everything", "OPTIONS * HTTP/1.1", 404),
        ("a target without a slash", "GET health HTTP/1.1", 404),
        ("a question mark as the target", "GET ? HTTP/1.1", 200),
        ("a URL on this host", "GET http://localhost/health HTTP/1.1", 200),
        ("a URL on another host", "GET http://shop.example/health HTTP/1.1", 421),
        ("a URL with a user", "GET http://user@localhost/health HTTP/1.1", 400),
        ("a URL with an open bracket", "GET http://[::1/health HTTP/1.1", 400),
        ("a URL with a bad port", "GET http://localhost:port/health HTTP/1.1", 400),
        ("a NUL in the target", "GET /hea\0lth HTTP/1.1", 400),
        ("a tab in the target", "GET /hea\tlth HTTP/1.1", 400),
        ("a DEL in the target", "GET /hea\x7flth HTTP/1.1", 400),
        ("a bare LF in the target", "GET /hea\nlth HTTP/1.1", 400),
        ("a bare CR in the target", "GET /hea\rlth HTTP/1.1", 400),
        ("raw UTF-8 in the target", "GET /orders/é HTTP/1.1", 400),
        ("a long target", f"GET /{'x' * 9_000} HTTP/1.1", 404),
        ("a target that is too long", f"GET /{'x' * 17_000} HTTP/1.1", 431),
        ("a bare LF after the line", "GET /health HTTP/1.1\nX: y", 400),
        ("a TLS greeting", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        ("an SSH greeting", "SSH-2.0-OpenSSH_9.2", 400),
        ("an SMTP greeting", "EHLO localhost", 400),
        ("nothing but a colon", ":", 400),
    ):
        yield HostileRequest(name, head(line, HOST), status)
    yield HostileRequest("leading empty lines", b"\r\n\r\n\r\n" + get("/health"), 200)
    yield HostileRequest("a leading space", b" " + get("/health"), 200)
    yield HostileRequest("bytes that are not text", b"\xff\xfe\x00" * 50 + b"\r\n\r\n", 400)


def headers() -> Rows:
    line = "GET /health HTTP/1.1"
    for name, fields, status in (
        ("no Host", [], 400),
        ("two Hosts", [HOST, HOST], 400),
        ("two Hosts that differ", [HOST, "Host: shop.example"], 400),
        ("two Hosts in different case", [HOST, "hOST: localhost"], 400),
        ("two Hosts in one", ["Host: localhost, shop.example"], 400),
        ("an empty Host", ["Host:"], 400),
        ("a Host with a path", ["Host: localhost/orders"], 400),
        ("a Host with a user", ["Host: user@localhost"], 400),
        ("a Host with a space", ["Host: local host"], 400),
        ("a Host with a quote", ['Host: localhost"'], 400),
        ("a Host with two ports", ["Host: localhost:80:80"], 400),
        ("a Host with letters as the port", ["Host: localhost:http"], 400),
        ("a Host that is percent-encoded", ["Host: %6c%6f%63alhost"], 400),
        ("a Host with a raw accent", ["Host: löcalhost"], 400),
        ("a Host of 10,000 characters", [f"Host: {'a' * 10_000}"], 421),
        ("another Host", ["Host: shop.example"], 421),
        ("another Host that starts like ours", ["Host: localhost.shop.example"], 421),
        ("a Host that resolves to us", ["Host: 127.0.0.1.nip.io"], 421),
        ("our address in another base", ["Host: 0x7f.1"], 421),
        ("an address", ["Host: 127.0.0.1:8000"], 200),
        ("an IPv6 address", ["Host: [::1]:8000"], 200),
        ("a folded header", [HOST, "X: a", " b"], 400),
        ("a header folded with a tab", [HOST, "X: a", "\tb"], 400),
        ("a folded first header", [" X: a", HOST], 400),
        ("a header that is a space", [HOST, " "], 400),
        ("a bare LF in a header", [HOST, "X: a\nY: b"], 400),
        ("a bare CR in a header", [HOST, "X: a\rY: b"], 400),
        ("a NUL in a header", [HOST, "X: a\0b"], 400),
        ("a bell in a header", [HOST, "X: a\ab"], 400),
        ("a DEL in a header", [HOST, "X: a\x7fb"], 400),
        ("a header without a colon", [HOST, "X"], 400),
        ("a header without a name", [HOST, ": a"], 400),
        ("a space before the colon", [HOST, "X : a"], 400),
        ("a space in a name", [HOST, "X Y: a"], 400),
        ("a name with an accent", [HOST, "É: a"], 400),
        ("a name in brackets", [HOST, "(X): a"], 400),
        ("a name with a NUL", [HOST, "X\0: a"], 400),
        ("an accent in a header", [HOST, "X: é"], 200),
        ("1,000 headers", [HOST, *(f"X{number}: a" for number in range(1_000))], 200),
        ("5,000 headers", [HOST, *(f"X{number}: a" for number in range(5_000))], 431),
        ("a long header", [HOST, f"X: {'a' * 15_000}"], 200),
        ("a header that is too long", [HOST, f"X: {'a' * 17_000}"], 431),
        ("two Content-Types", [HOST, "Content-Type: a/b", "Content-Type: a/b"], 400),
        ("a Content-Length with an underscore", [HOST, "Content_Length: 5"], 200),
        ("an unknown expectation", [HOST, "Expect: 200-ok"], 200),
        ("an expectation without a body", [HOST, "Expect: 100-continue"], 200),
        ("an upgrade to WebSocket", [HOST, "Connection: Upgrade", "Upgrade: websocket"], 200),
        ("an upgrade to HTTP/2", [HOST, "Connection: Upgrade", "Upgrade: h2c"], 200),
        ("a forwarded host", [HOST, "X-Forwarded-Host: shop.example"], 200),
        ("a forwarded address", [HOST, "X-Forwarded-For: 1.2.3.4, <script>"], 200),
        ("a Forwarded header", [HOST, "Forwarded: for=_;host=shop.example"], 200),
        ("a range", [HOST, "Range: bytes=0-0,-1,5-2"], 200),
        ("malformed cookies", [HOST, "Cookie: =;;=\x80; a"], 200),
        ("credentials", [HOST, "Authorization: Basic !!!"], 200),
    ):
        yield HostileRequest(name, head(line, *fields), status)
    for name, field, status in (
        ("an Accept that is not a list", "Accept: ((", 400),
        ("an Accept with a bad quality", "Accept: text/csv;q=high", 400),
        ("an Accept with a quality of 5,000 digits", f"Accept: text/csv;q=0.{'1' * 5_000}", 400),
        ("an Accept of 5,000 ranges", f"Accept: {',' * 5_000}*/*", 200),
        ("an Accept of an unsupported type", "Accept: image/png", 406),
        ("an entity tag that is never closed", 'If-None-Match: "', 200),
        ("15,000 quotes as entity tags", "If-None-Match: " + '"' * 15_000, 200),
        ("a method override", "X-HTTP-Method-Override: DELETE", 200),
    ):
        yield HostileRequest(name, get("/orders", field), status)


def smuggling() -> Rows:
    te, cl = "Transfer-Encoding: chunked", f"Content-Length: {len(SMUGGLED)}"
    whole = b"1b\r\n" + ORDER + b"\r\n0\r\n\r\n"
    for name, fields, status in (
        ("a length and chunks", [cl, te], 400),
        ("chunks and a length", [te, cl], 400),
        ("a length of 0 and chunks", ["Content-Length: 0", te], 400),
        ("chunks twice", [te, te], 400),
        ("chunks twice in one", ["Transfer-Encoding: chunked, chunked"], 400),
        ("the encoding identity", ["Transfer-Encoding: identity"], 400),
        ("an encoding before chunked", ["Transfer-Encoding: gzip, chunked"], 400),
        ("an encoding after chunked", ["Transfer-Encoding: chunked, identity"], 400),
        ("an unknown encoding", ["Transfer-Encoding: xchunked"], 400),
        ("chunks with a parameter", ["Transfer-Encoding: chunked;q=1"], 400),
        ("chunks in quotes", ['Transfer-Encoding: "chunked"'], 400),
        ("chunks after a vertical tab", ["Transfer-Encoding: \vchunked"], 400),
        ("chunks after a no-break space", ["Transfer-Encoding: \xa0chunked"], 400),
        ("chunks after a comma", ["Transfer-Encoding: ,chunked"], 400),
        ("an empty encoding", ["Transfer-Encoding:"], 400),
        ("a space before the colon of Transfer-Encoding", ["Transfer-Encoding : chunked"], 400),
        ("chunks on the next line", ["Transfer-Encoding:", " chunked"], 400),
        ("chunks after a bare LF", [f"X: a\n{te}"], 400),
        ("chunks after a bare CR", [f"X: a\r{te}"], 400),
        ("chunks in upper case", ["TRANSFER-ENCODING: CHUNKED"], 201),
    ):
        yield HostileRequest(name, chunked(whole, *fields), status)
    old = head("POST /orders HTTP/1.0", HOST, "Content-Type: application/json", te)
    yield HostileRequest("chunks in HTTP/1.0", old + whole, 400)
    for name, length in (
        ("of the same length, twice", "5\r\nContent-Length: 5"),
        ("of two lengths", f"5\r\nContent-Length: {len(SMUGGLED)}"),
        ("of a list of lengths", "5, 5"),
        ("of a positive length", "+5"),
        ("of a negative length", "-5"),
        ("of a hexadecimal length", "0x5"),
        ("of a length with a point", "5.0"),
        ("of a length with an exponent", "5e0"),
        ("of a length with an underscore", "1_0"),
        ("of a length with a space", "5 5"),
        ("of an empty length", ""),
        ("of a length of Arabic digits", "\u0665"),
        ("of a length in quotes", '"5"'),
        ("of a length with a NUL", "5\0"),
        ("of a length after a vertical tab", "\v5"),
        ("of a length of 5,000 digits", "5" * 5_000),
        ("of a length of 19 digits", "9" * 19),
        ("of a length on the next line", "\r\n 5"),
    ):
        lines = ("POST /orders HTTP/1.1", HOST, f"Content-Length: {length}")
        yield HostileRequest(f"a body {name}", head(*lines) + SMUGGLED, 400)
    for name, length, status in (
        ("of a length of 18 digits", "9" * 18, 413),
        ("of 4 MiB", str(4 * 1024 * 1024), 413),
        ("of 5 GiB", str(5 * 1024**3), 413),
    ):
        lines = ("POST /orders HTTP/1.1", HOST, f"Content-Length: {length}")
        yield HostileRequest(f"a body {name}", head(*lines), status)
    for name, body, status in (
        ("of no size", b"\r\n" + ORDER, 400),
        ("of a negative size", b"-1b\r\n" + ORDER, 400),
        ("of a positive size", b"+1b\r\n" + ORDER, 400),
        ("of a size with 0x", b"0x1b\r\n" + ORDER, 400),
        ("of a size with a space", b"1b \r\n" + ORDER, 400),
        ("of a size after a space", b" 1b\r\n" + ORDER, 400),
        ("of a size that is not a number", b"size\r\n" + ORDER, 400),
        ("of a size with an underscore", b"1_b\r\n" + ORDER, 400),
        ("of a size that ends with a bare LF", b"1b\n\r\n" + ORDER + b"\r\n0\r\n\r\n", 400),
        ("that is longer than its size", b"1\r\n" + ORDER + b"\r\n", 400),
        ("that is shorter than its size", b"1d\r\n" + ORDER + b"\r\n0\r\n\r\n", 400),
        ("that ends without a line end", b"1b\r\n" + ORDER + b"0\r\n\r\n", 400),
        ("that ends with a bare LF", b"1b\r\n" + ORDER + b"\n0\r\n\r\n", 400),
        ("with a malformed extension", b"1b;\0\r\n" + ORDER, 400),
        ("with an extension with a bare LF", b"1b;a\n\r\n" + ORDER + b"\r\n0\r\n\r\n", 400),
        ("with an extension", b'1b;a="b"\r\n' + ORDER + b"\r\n0\r\n\r\n", 201),
        ("with leading zeros in its size", b"00001B\r\n" + ORDER + b"\r\n000\r\n\r\n", 201),
        ("with a trailer", b"1b\r\n" + ORDER + b"\r\n0\r\nContent-Length: 9\r\n\r\n", 201),
        ("of an order in pieces", b"1\r\n{\r\n1a\r\n" + ORDER[1:] + b"\r\n0\r\n\r\n", 201),
        ("of nothing", b"0\r\n\r\n", 400),
        ("of 64 KiB and a byte", b"10001\r\n" + b" " * 0x10001 + b"\r\n0\r\n\r\n", 413),
    ):
        yield HostileRequest(f"a chunk {name}", chunked(body), status)
    yield HostileRequest("a request in the body of GET", get("/health", cl) + SMUGGLED, 200)
    yield HostileRequest("a request in the body of GET of nothing", get("/x", cl) + SMUGGLED, 404)
    yield HostileRequest("a request in a body of no type", post(SMUGGLED, "X: a"), 415)
    delete = head("DELETE /orders HTTP/1.1", HOST, cl) + SMUGGLED
    yield HostileRequest("a request in the body of DELETE", delete, 405)
    refused = head("POST /orders HTTP/1.1", "Host: shop.example", cl) + SMUGGLED
    yield HostileRequest("a request in the body for another host", refused, 421)


def paths() -> Rows:
    for path, status in (
        ("/nothing", 404),
        ("/orders/", 404),
        ("/orders//", 404),
        ("/orders/c/../d", 404),
        ("/orders/%2e%2e", 404),
        ("/orders/.", 404),
        ("/orders/..", 404),
        ("/orders/../health", 404),
        ("/../../../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/orders/..%5c..%5cwindows", 404),
        ("/orders/a%2Fb", 404),
        ("/orders%2Fnothing", 404),
        ("/orders/%252Fnothing", 404),
        ("/orders/%00", 404),
        ("/orders/hostile%00", 404),
        ("/orders/hostile%0A", 404),
        ("/orders/hostile%0D%0AX:%20a", 404),
        ("/orders/%20hostile", 404),
        ("/orders/%7F", 404),
        ("/orders/%C2%85", 404),
        ("/orders/%", 404),
        ("/orders/%4", 404),
        ("/orders/%ZZ", 404),
        ("/orders/%u0041", 404),
        ("/orders/" + "x" * 129, 404),
        ("/orders/" + "%F0%9F%A7%BE" * 128, 404),
        ("/orders/" + "%F0%9F%A7%BE" * 129, 404),
        ("/orders/{id}", 404),
        ("/orders/<img>", 404),
        ("/orders/'%20OR%201=1--", 404),
        ("/orders/$(reboot)", 404),
        ("/orders/%FF", 400),
        ("/orders/%FFhostile", 400),
        ("/orders/%C0%AF", 400),
        ("/orders/%E0%80%AF", 400),
        ("/orders/%C0%80", 400),
        ("/orders/%ED%A0%80", 400),
        ("/orders/%F4%90%80%80", 400),
        ("/orders/%E2%82", 400),
        ("/%80", 400),
        ("//health", 200),
        ("/health/", 404),
        ("/health%2F", 404),
        ("/HEALTH", 404),
        ("/health;a=b", 404),
        ("/health%0A", 404),
        ("/health%00", 404),
        ("/health#fragment", 400),
        ("/orders/hostile#fragment", 400),
        ("/orders?id=hostile#fragment", 400),
        ("http://localhost/health#fragment", 400),
        ("#", 400),
        ("/favicon.ico", 404),
        ("/metrics", 404),
        ("/livez", 404),
        ("/.git/config", 404),
        ("/templates/page.html", 404),
    ):
        yield HostileRequest(f"the path {path[:40]} of {len(path)}", get(path), status)


def queries() -> Rows:
    for query, status in (
        ("", 200),
        ("&&&", 200),
        ("=", 400),
        ("x", 400),
        ("x=1", 400),
        ("limit", 400),
        ("limit=0", 400),
        ("limit=-1", 400),
        ("limit=10001", 400),
        ("limit=1e3", 400),
        ("limit=0x10", 400),
        ("limit=%D9%A1", 400),
        ("limit=" + "9" * 5_000, 400),
        ("limit=1&limit=2", 400),
        ("limit[]=1", 400),
        ("limit=1;after=a", 400),
        ("after=", 400),
        ("after=!", 400),
        ("after=QQ==", 400),
        ("after=QR", 400),
        ("after=/w", 400),
        ("after=_w", 400),
        ("after=Lg", 400),
        ("after=" + "QUFB" * 2_000, 400),
        ("after=%00", 400),
        ("after=-1%20OR%201=1", 400),
        ("id=&id=", 400),
        ("id=a&limit=1", 400),
        ("id=%FF", 400),
        ("id=%C0%AF", 400),
        ("id=%ED%A0%80", 400),
        ("id=", 404),
        ("id=.", 404),
        ("id=%00", 404),
        ("id=%0A", 404),
        ("id=" + "x" * 129, 404),
        ("id='--", 404),
        ("%69d=nothing", 404),
        ("&".join(f"a{number}" for number in range(17)), 400),
        ("&".join(["limit=1"] * 1_500), 400),
        ("?limit=1", 400),
    ):
        yield HostileRequest(f"the query ?{query[:40]}", get(f"/orders?{query}"), status)
    yield HostileRequest("a query for one order", get("/orders/hostile?format=xml"), 400)
    yield HostileRequest("a query for POST", post(ORDER, target="/orders?x=1"), 400)


def json_bodies() -> Rows:
    for name, body, status in (
        ("nothing", "", 400),
        ("white space", " \n\t", 400),
        ("null", "null", 400),
        ("a number", "1", 400),
        ("a string", '"hostile"', 400),
        ("an array", f"[{ORDER.decode()}]", 400),
        ("an empty object", "{}", 400),
        ("no id", '{"amount":1}', 400),
        ("no amount", '{"id":"hostile"}', 400),
        ("names in upper case", '{"ID":"hostile","AMOUNT":1}', 400),
        ("a byte order mark", "\ufeff" + ORDER.decode(), 400),
        ("two objects", ORDER.decode() * 2, 400),
        ("a trailing comma", '{"id":"hostile","amount":1,}', 400),
        ("a comment", '{"id":"hostile","amount":1}//', 400),
        ("single quotes", "{'id':'hostile','amount':1}", 400),
        ("no quotes", "{id:1}", 400),
        ("an object that is never closed", '{"id":"hostile","amount":1', 400),
        ("a string that is never closed", '{"id":"hostile', 400),
        ("a raw line end in a string", '{"id":"a\nb","amount":1}', 400),
        ("a raw NUL in a string", '{"id":"a\0b","amount":1}', 400),
        ("an unknown escape", '{"id":"\\x41","amount":1}', 400),
        ("half an escape", '{"id":"\\u00","amount":1}', 400),
        ("a duplicate amount", '{"id":"hostile","amount":1,"amount":2}', 400),
        ("a duplicate id in escapes", '{"id":"hostile","\\u0069d":"other","amount":1}', 400),
        ("NaN", '{"id":"hostile","amount":NaN}', 400),
        ("Infinity", '{"id":"hostile","amount":Infinity}', 400),
        ("-Infinity", '{"id":"hostile","amount":-Infinity}', 400),
        ("20,000 arrays", "[" * 20_000, 400),
        ("10,000 objects", '{"a":' * 10_000, 400),
        ("an amount five deep", '{"id":"a","amount":[[[[1]]]]}', 400),
        ("30,000 escaped quotes", '"' + '\\"' * 30_000 + "[[[[[", 400),
        ("6,000 names and one twice", _many_names(), 400),
        ("64 KiB and a byte", ORDER.decode().ljust(64 * 1024 + 1), 413),
        ("1 MiB", " " * 1024 * 1024, 413),
        ("a member of the prototype", '{"id":"a","amount":1,"__proto__":{}}', 422),
        ("an unknown member", '{"id":"a","amount":1,"paid":true}', 422),
        ("an unknown member of surrogates", '{"id":"a","amount":1,"\\ud800":1}', 422),
    ):
        yield HostileRequest(f"JSON: {name}", post(body), status)
    for name, raw in (
        ("a lone byte", b'{"id":"\xff","amount":1}'),
        ("Latin-1", b'{"id":"\xe9","amount":1}'),
        ("overlong UTF-8", b'{"id":"\xc0\xaf","amount":1}'),
        ("a surrogate in UTF-8", b'{"id":"\xed\xa0\x80","amount":1}'),
        ("UTF-16", ORDER.decode().encode("utf-16")),
        ("UTF-32", ORDER.decode().encode("utf-32-le")),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"),
    ):
        yield HostileRequest(f"JSON: {name}", post(raw), 400)
    deep = '{"id":"a","amount":' + "[" * 2 + "]" * 2 + "}"
    yield HostileRequest("JSON: an amount two deep", post(deep), 422)


def _many_names() -> str:
    return "{" + ",".join(f'"{number}":0' for number in range(6_000)) + ',"5999":0}'


def content_types() -> Rows:
    for content_type in (
        "",
        "json",
        "application",
        "text/plain",
        "text/json",
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/merge-patch+json",
        "application/json, text/csv",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json; charset=",
        "text/csv; charset=windows-1252",
        "*/*",
        ";;;",
        "\x80",
    ):
        field = b"Content-Type: " + content_type.encode("latin-1")
        yield HostileRequest(f"the type {content_type!r}", post(ORDER, field), 415)
    yield HostileRequest("no type", post(ORDER, "X: a"), 415)


def amounts() -> Rows:
    for amount in (
        *("1.005", "0.001", "-1", "-0.01", "1e-3", "1e13", "10000000000000", "9999999999999.999"),
        *("1e2000000", "1e-2000000", "1e99999999999999999999", "9" * 5_000, "0." + "0" * 5_000),
        *('"1,5"', '"1.005"', '" 1"', '"1 "', '"+1"', '"0x10"', '"1_0"', '"NaN"', '"Infinity"'),
        *(
            '""',
            '"."',
            '".5"',
            '"5."',
            '"01"',
            '"--1"',
            '"1e"',
            '"\u0665"',
            '"\uff11"',
            '"1\\u0000"',
        ),
        *('"\\ud800"', '"' + "1" * 33 + '"', "true", "false", "null", "[]", "{}", "[1]"),
        *('{"amount":1}', '"$1"', '"1 USD"'),
    ):
        body = f'{{"id":"hostile-amount","amount":{amount}}}'
        yield HostileRequest(f"the amount {amount[:30]}", post(body), 422)
    for amount in ("01", "+1", ".5", "5.", "0x10", "1_0", "1e", "--1", "1,5", "nan", "'1'", ""):
        body = f'{{"id":"hostile-amount","amount":{amount}}}'
        yield HostileRequest(f"the bare amount {amount[:30]}", post(body), 400)


def ids() -> Rows:
    for order_id in (
        *(
            "",
            " ",
            ".",
            "..",
            " a",
            "a ",
            "\ta",
            "a\n",
            "a\0b",
            "\x1b[2J",
            "\x7f",
            "\x85",
            "\u3000a",
        ),
        *("a\u2028", "\ud800", "\udfff\ud800", "x" * 129, "🧾" * 129, "\r\nX: a", "\u00a0"),
        *("\ufeff", "\u202eabc", "A-1\u200b", "A-1\u3164", "A-1\ufe0f", "\U000e0001A-1"),
    ):
        body = json.dumps({"id": order_id, "amount": 1})
        yield HostileRequest(f"the id {order_id[:20]!a}", post(body), 422)
    for value in ("1", "1.5", "true", "null", "[]", "{}", '["a"]'):
        body = f'{{"id":{value},"amount":1}}'
        yield HostileRequest(f"the id {value} that is not text", post(body), 422)
    for order_id in (
        *(
            "a/../b",
            "../../etc/passwd",
            "%2F",
            "%00",
            "'; DROP TABLE orders; --",
            "<script>",
            "=1+1",
        ),
        *(
            "null",
            "\\",
            '"',
            "a\ufeffb",
            "a\u202ebc",
            "e\u0301",
            "\U0010ffff",
            "🧾" * 128,
            "a\u2028b",
        ),
    ):
        body = json.dumps({"id": order_id, "amount": 1})
        yield HostileRequest(f"the good id {order_id[:20]!a}", post(body), 201)


def many_orders() -> Rows:
    ndjson, csv = "Content-Type: application/x-ndjson", "Content-Type: text/csv"
    line, row = '{"id":"hostile-many","amount":1}\n', "hostile-many,1\r\n"
    for name, body, status in (
        ("nothing", "", 400),
        ("empty lines", "\n" * 1_000, 400),
        ("an array", f"[{line}]", 400),
        ("a half line", '{"id":"hostile-many",', 400),
        ("a byte order mark", "\ufeff" + line, 201),
        ("two byte order marks", "\ufeff\ufeff" + line, 400),
        ("two objects in one line", line.strip() * 2, 400),
        ("line separators of Unicode", line.strip() + "\u2028" + line, 400),
        ("record separators", "\x1e" + line, 400),
        ("a bare CR between lines", line.strip() + "\r" + line, 400),
        ("a line of 9 KiB", " " * 9_216 + line, 400),
        ("100,000 lines of rubbish", "x\n" * 100_000, 413),
        ("1,001 lines", line * 1_001, 413),
        ("1 MiB and a byte", " " * (1024 * 1024 + 1), 413),
        ("an unknown member", line.replace("}", ',"x":1}'), 422),
        ("an id twice with two amounts", line + line.replace(":1}", ":2}"), 409),
        ("deep lines", "[[[[[\n" * 1_000, 400),
    ):
        yield HostileRequest(f"NDJSON: {name}", post(body, ndjson), status)
    for name, body, status in (
        ("nothing", "", 400),
        ("only a header", "id,amount\r\n", 400),
        ("no header", row, 400),
        ("another header", "amount,id\r\n1,a\r\n", 400),
        ("a header of three", "id,amount,paid\r\na,1,yes\r\n", 400),
        ("two byte order marks", "\ufeff\ufeffid,amount\r\n" + row, 400),
        ("semicolons", "id;amount\r\na;1\r\n", 400),
        ("one field", "id,amount\r\na\r\n", 400),
        ("three fields", "id,amount\r\na,1,2\r\n", 400),
        ("an open quote", 'id,amount\r\n"a,1\r\n', 400),
        ("a quote in a field", 'id,amount\r\n"a"b,1\r\n', 400),
        ("a byte order mark", "\ufeffid,amount\r\n" + row, 201),
        ("a field of two lines", 'id,amount\r\n"a\r\nb",1\r\n', 422),
        ("a bare CR", "id,amount\r\na\rb,1\r\n", 400),
        ("a NUL", "id,amount\r\na\0,1\r\n", 422),
        ("an empty id", "id,amount\r\n,1\r\n", 422),
        ("an empty amount", "id,amount\r\na,\r\n", 422),
        ("a formula as amount", "id,amount\r\na,=1+1\r\n", 422),
        ("a space after the comma", "id,amount\r\na, 1\r\n", 422),
        ("1,001 rows", "id,amount\r\n" + row * 1_001, 413),
        ("an id twice with two amounts", "id,amount\r\nh,1\r\nh,2\r\n", 409),
    ):
        yield HostileRequest(f"CSV: {name}", post(body, csv), status)
    bad = b"id,amount\r\n\xff,1\r\n"
    yield HostileRequest("CSV: a byte that is not UTF-8", post(bad, csv), 400)


def all_requests() -> list[HostileRequest]:
    """Return the whole corpus."""
    groups = (
        *(request_lines(), headers(), smuggling(), paths(), queries(), json_bodies()),
        *(content_types(), amounts(), ids(), many_orders()),
    )
    return [request for group in groups for request in group]
