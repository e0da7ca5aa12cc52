"""The script that keeps an authority: what it issues, and what it says of a wrong use."""

import subprocess
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

SCRIPT: Final = Path(__file__).parents[2] / "scripts/certificates"


def certificates(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the authority in a folder."""
    return subprocess.run([SCRIPT, folder, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The folder of a new authority."""
    ended = certificates(tmp_path, "authority")
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "usage"),
    [("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_a_certificate_is_of_its_authority_for_one_usage(
    authority: Path, kind: str, usage: x509.ObjectIdentifier
) -> None:
    ended = certificates(authority, "issue", kind, "7", "shop", "shop.example.org")
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
    issued = x509.load_pem_x509_certificate((authority / "shop/tls.crt").read_bytes())
    issued.verify_directly_issued_by(issuer)
    assert list(issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert (issued.not_valid_after_utc - issued.not_valid_before_utc).days == 7


def test_a_revoked_certificate_is_on_the_list(authority: Path) -> None:
    certificates(authority, "issue", "client", "7", "shop")
    file = authority / "shop/tls.crt"
    assert certificates(authority, "revoke", str(file)).returncode == 0
    assert certificates(authority, "list").returncode == 0
    revoked = x509.load_pem_x509_crl((authority / "ca.crl").read_bytes())
    serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
    assert [each.serial_number for each in revoked] == [serial]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("issue", "client", "7"), "issue takes client or server, DAYS, NAME and HOSTs"),
        (("issue", "both", "7", "shop"), "issue takes client or server, not both"),
        (("issue", "client", "0", "shop"), "DAYS is a whole number, not 0"),
        (("issue", "client", "soon", "shop"), "DAYS is a whole number, not soon"),
        (("issue", "server", "7", "shop"), "a server's certificate needs a HOST"),
        (("revoke",), "revoke takes a FILE"),
        (("renew",), "there is no action renew"),
    ],
)
def test_a_wrong_use_is_told_and_does_nothing(
    authority: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = sorted(authority.iterdir())
    ended = certificates(authority, *arguments)
    assert (ended.returncode, ended.stderr) == (2, f"certificates: {said}\n")
    assert sorted(authority.iterdir()) == before
