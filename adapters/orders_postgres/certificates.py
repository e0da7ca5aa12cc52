"""When certificates expire: `ssl` reads that only from a verified connection, never from a file."""

from asn1crypto import pem, x509  # type: ignore[import-untyped]  # asn1crypto ships no types


def earliest_expiry(content: bytes) -> float | None:
    """Return when the first certificate in a PEM file expires, in seconds since 1970.

    Returns:
        The time; None if the file contains no certificate.

    Raises:
        ValueError: A certificate in the file is malformed.
    """
    if not pem.detect(content):
        return None
    blocks = pem.unarmor(content, multiple=True)
    expiries = (expiry(der) for label, _, der in blocks if label == "CERTIFICATE")
    return min(expiries, default=None)


def expiry(der: bytes) -> float:
    """Return when a certificate expires, in seconds since 1970.

    Raises:
        ValueError: It is not a certificate.
    """
    try:
        # Strict: bytes that follow the certificate are an error.
        end = x509.Certificate.load(der, strict=True).not_valid_after
        return float(end.timestamp())
    except (TypeError, ValueError) as error:
        raise ValueError("not a certificate") from error
