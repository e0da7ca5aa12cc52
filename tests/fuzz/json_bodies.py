"""The body of one order: the fast reader and the strict one agree, and the strict one is strict."""

import json
from typing import Any, Final

from orders_core import InvalidOrder, Order, order_to_json
from orders_records import MalformedRecord, order_from_json
from orders_records.strict_json import MAX_DEPTH, InvalidJson, JsonValue, Number, parse
from tests.fuzz.target import Target

_MARK: Final = "\ufeff"


def check(content: bytes) -> None:
    """Compare the readers of JSON with Python's own, and with each other."""
    expected = _by_python(content)
    try:
        value = parse(content)
    except InvalidJson:
        assert expected is None, "what is strict JSON was refused"
        _check_order(content, None)
        return
    assert expected is not None, "what is no strict JSON was accepted"
    assert _plain(value) == expected[0]
    written = _written(value)
    assert parse(written) == value
    _check_order(content, written if isinstance(value, dict) else None)


def _check_order(content: bytes, written: bytes | None) -> None:
    """Compare the order with that of the same body, written with escapes only."""
    read = _read(content)
    if written is None:
        assert read == ["MalformedRecord"]
        return
    assert read == _read(written)
    if isinstance(read, Order):
        assert order_from_json(order_to_json(read)) == read


def _read(content: bytes) -> Order | list[str]:
    """Read an order, or return the reasons against it."""
    try:
        return order_from_json(content)
    except MalformedRecord:
        return ["MalformedRecord"]
    except InvalidOrder as error:
        return [str(each) for each in error.violations]


def _by_python(content: bytes) -> tuple[Any] | None:
    """Read with Python's reader; return None for text that two readers could read differently."""
    try:
        text = content.decode()
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        return None
    return None if text.startswith(_MARK) or _depth(value) > MAX_DEPTH else (value,)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


def _number(text: str) -> tuple[str]:
    return (text,)


def _refuse(name: str) -> None:
    raise ValueError(name)


def _depth(value: Any) -> int:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _plain(value: JsonValue) -> Any:  # noqa: ANN401 - any JSON
    """Convert a value as `_by_python` does."""
    if isinstance(value, Number):
        return (value.text,)
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _written(value: JsonValue) -> bytes:
    """Write a value with every character of every string escaped."""
    if isinstance(value, dict):
        members = (_written(name) + b" :\t" + _written(each) for name, each in value.items())
        return b"{\n" + b"\r\n, ".join(members) + b"}"
    if isinstance(value, list):
        return b"[" + b" ,".join(map(_written, value)) + b"]"
    if isinstance(value, Number):
        return value.text.encode()
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass").hex()
        escapes = ("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
        return f'"{"".join(escapes)}"'.encode()
    return json.dumps(value).encode()


TARGET: Final = Target(
    check=check,
    seeds=(
        b'{"id": "A-1", "amount": 12.30}',
        b'{"amount":"1e2","id":"\\u00e9\\ud83d\\ude00"}',
        '{"id":"\u00e9\u2028","amount":0.5}'.encode(),
        b'{"id": "\\"[[[[[", "amount": 1}',
        b' [{"id": [[1, -0.0, 1E+5, {}]], "id": null}, true, false, NaN]\r\n',
        b'{"id": "..", "amount": -1, "other": Infinity}',
        b'\xef\xbb\xbf{"id": "\xed\xa0\x80", "amount": 10000000000000}',
    ),
    words=(
        *(b'"id"', b'"amount"', b'{"id":"', b'","amount":', b"[[", b"]]", b"{}", b'\\"', b"\\\\"),
        *(b"\\u0000", b"\\ud800", b"\\udc00", b"\\u0069", b"NaN", b"-Infinity", b"null", b"true"),
        *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80"),
        *(
            b"\xe2\x80\x8b",
            b"\xc2\xad",
            b"\\u200e",
            b"\\ufeff",
            b"\xef\xb8\x8f",
            b"\xf3\xa0\x81\x81",
        ),
        *(b"1e400", b"-0", b"0.00", b"9999999999999.99", b"e-2", b"\r\n", b"\t"),
    ),
    max_bytes=256,
    share=33,
)
