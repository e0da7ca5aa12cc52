"""Chunked bodies, in whatever pieces they arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waitress.buffers import OverflowableBuffer

from orders_http.server.chunks import ChunkedBody

EXTENSIONS = st.sampled_from([b"", b";a", b' ; a="b;c"', b";\t"])
TRAILERS = st.lists(st.sampled_from([b"X: y\r\n", b"Content-Length: 5\r\n"]), max_size=2)


def body() -> ChunkedBody:
    return ChunkedBody(OverflowableBuffer(1024))


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw a body, and one way to write it in chunks."""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    content = b""
    for chunk in chunks:
        size = draw(st.sampled_from(["%x", "%X", "00%x"])) % len(chunk)
        content += size.encode() + draw(EXTENSIONS) + b"\r\n" + chunk + b"\r\n"
    return b"".join(chunks), content + b"0\r\n" + b"".join(draw(TRAILERS)) + b"\r\n"


@given(written(), st.lists(st.integers(1, 200)), st.binary(max_size=20))
def test_the_body_is_read_and_nothing_after_it(
    bodies: tuple[bytes, bytes],
    cuts: list[int],
    following: bytes,
) -> None:
    expected, content = bodies
    stream, reader, taken = content + following, body(), 0
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        taken += reader.received(stream[start:end])
    assert reader.completed
    assert reader.error is None
    assert taken == len(content)
    assert (len(reader), reader.getfile().read()) == (len(expected), expected)
    assert reader.received(b"x") == 0


@pytest.mark.parametrize(
    "content",
    [
        b"5\n",
        b"\r\n",
        b"x\r\n",
        b"5 \r\n",
        b"5;\0\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1" * 16 + b"\r\n",
    ],
)
def test_an_ambiguous_chunk_is_refused(content: bytes) -> None:
    reader = body()
    for byte in content:
        reader.received(bytes([byte]))
    assert reader.error is not None
    assert not reader.completed


def test_the_length_of_a_line_is_limited() -> None:
    reader = body()
    reader.received(b"1;")
    for _ in range(5):
        reader.received(b"a" * 1_000)
    assert reader.error is not None
