"""An authority of our own for the tests of TLS: certificates of any age, and their revocation."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY: Final = timedelta(days=1)


def _new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _subject(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@frozen
class Issued:
    """A certificate, its private key, and the authorities between it and the root."""

    certificate: x509.Certificate
    private_key: EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate and its chain as PEM."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM, in clear."""
        return self._key_pem(NoEncryption())

    def encrypted_key_pem(self, password: bytes) -> bytes:
        """Give the private key as PEM, encrypted."""
        return self._key_pem(BestAvailableEncryption(password))

    def _key_pem(self, encryption: KeySerializationEncryption) -> bytes:
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


class Authority:
    """Signs certificates, and revokes them."""

    def __init__(self, common_name: str, issuer: "Authority | None" = None) -> None:
        """Make an authority with a key of its own: a root, or one that another vouches for."""
        self._key = _new_key()
        signer = issuer or self
        self._name = _name(common_name)
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        self.certificate = (
            signer._builder(self._name, self._key, valid_for=_DAY)  # noqa: SLF001 - one of us
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .sign(signer._key, SHA256())  # noqa: SLF001 - the same
        )
        # The other side also needs these, not only a certificate that this one signed.
        self._chain: tuple[x509.Certificate, ...]
        self._chain = () if issuer is None else (self.certificate, *issuer._chain)  # noqa: SLF001

    @property
    def certificate_pem(self) -> bytes:
        """The authority's own certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def _builder(
        self,
        subject: x509.Name,
        key: EllipticCurvePrivateKey,
        valid_for: timedelta,
    ) -> x509.CertificateBuilder:
        end = datetime.now(UTC) + valid_for
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - 2 * _DAY)
            .not_valid_after(end)
        )

    def issue(self, common_name: str, *hosts: str, valid_for: timedelta = _DAY) -> Issued:
        """Sign a certificate that began two days before its end.

        With a negative `valid_for` it has expired already; with one of more than two days it is
        not valid yet.
        """
        key = _new_key()
        builder = self._builder(_name(common_name), key, valid_for)
        if hosts:
            subjects = x509.SubjectAlternativeName(map(_subject, hosts))
            builder = builder.add_extension(subjects, critical=False)
        return Issued(builder.sign(self._key, SHA256()), key, self._chain)

    def revocation_list(self, *revoked: Issued, valid_for: timedelta = _DAY) -> bytes:
        """Sign a list of revoked certificates, as PEM; it may have expired, as in `issue`."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now + valid_for - 2 * _DAY)
            .next_update(now + valid_for)
        )
        for issued in revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(issued.certificate.serial_number)
                .revocation_date(now - _DAY)
                .build()
            )
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
