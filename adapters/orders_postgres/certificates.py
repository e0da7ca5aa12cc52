"""When certificates expire. Python's `ssl` tells it only of some: not of a file, not unverified."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----",
)
# ITU-T X.690, "Distinguished Encoding Rules": the tags that lead to the validity.
_LONG_LENGTH: Final = 0x80
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
# RFC 5280, 4.1.2.5.1: of a year with two digits.
_NEXT_CENTURY: Final = "50"


def earliest_expiry(pem: bytes) -> float | None:
    """Tell when the first of the certificates in a file expires, in seconds since 1970.

    Returns:
        The time; None when the file has no certificate.

    Raises:
        ValueError: What is in it is no certificate.
    """
    texts = (block.decode("ascii") for block in _PEM.findall(pem))
    return min((expiry(ssl.PEM_cert_to_DER_cert(text)) for text in texts), default=None)


def expiry(der: bytes) -> float:
    """Tell when a certificate expires, in seconds since 1970.

    Raises:
        ValueError: It is no certificate.
    """
    try:
        # RFC 5280, 4.1: Certificate, TBSCertificate, and of its fields the validity.
        ((_, certificate),) = _elements(der)
        (_, signed), *_ = _elements(certificate)
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        _serial, _algorithm, _issuer, validity, *_ = fields
        _, (tag, after) = _elements(validity)
        digits = after.decode("ascii").removesuffix("Z")
        if tag == _UTC_TIME:
            digits = ("20" if digits < _NEXT_CENTURY else "19") + digits
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    except (IndexError, ValueError) as error:
        raise ValueError("it is no certificate") from error


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Take the elements apart that follow one another: the tag and the content of each."""
    at = 0
    while at < len(content):
        tag, length = content[at], content[at + 1]
        at += 2
        if length >= _LONG_LENGTH:
            size = length - _LONG_LENGTH
            length = int.from_bytes(content[at : at + size], "big")
            at += size
        if at + length > len(content):
            raise ValueError("an element is cut off")
        yield tag, content[at : at + length]
        at += length
