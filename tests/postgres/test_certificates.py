"""When a certificate expires, read from the certificate itself."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from orders_postgres.certificates import earliest_expiry, expiry
from tests.certificates import Authority, Issued

DAY = timedelta(days=1)
AUTHORITY = Authority("Orders test authority")


def issued(end: datetime) -> Issued:
    return AUTHORITY.issue("localhost", "localhost", valid_for=end - datetime.now(UTC))


def end_of(certificate: Issued) -> float:
    return certificate.certificate.not_valid_after_utc.timestamp()


# Up to 2049 the year has two digits in a certificate, from 2050 on it has four.
@given(st.datetimes(datetime(1951, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy adds it
def test_the_expiry_is_read_from_the_certificate(end: datetime) -> None:
    certificate = issued(end)
    der = certificate.certificate.public_bytes(Encoding.DER)
    assert expiry(der) == end_of(certificate)


def test_the_first_of_several_certificates_to_expire_counts() -> None:
    now = datetime.now(UTC)
    sooner, later = issued(now + DAY), issued(now + 3 * DAY)
    for order in ((sooner, later), (later, sooner)):
        pem = b"# a comment\n" + b"".join(each.certificate_pem for each in order)
        assert earliest_expiry(pem) == end_of(sooner)


def test_a_file_without_a_certificate_has_no_expiry() -> None:
    assert earliest_expiry(b"") is None
    assert earliest_expiry(AUTHORITY.issue("localhost").key_pem) is None


@pytest.mark.parametrize("cut", [0, 1, 2, 40, 120])
def test_a_truncated_certificate_is_an_error(cut: int) -> None:
    der = AUTHORITY.certificate.public_bytes(Encoding.DER)
    with pytest.raises(ValueError, match="not a certificate"):
        expiry(der[:cut])
