"""The script that maintains an authority: what it issues, and its error messages."""

import subprocess
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

SCRIPT: Final = Path(__file__).parents[2] / "scripts/certificates"


def certificates(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script on the authority in a folder."""
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
def test_a_certificate_is_signed_by_the_authority_for_one_usage(
    authority: Path, kind: str, usage: x509.ObjectIdentifier
) -> None:
    ended = certificates(authority, "issue", kind, "7", "shop", "shop.example.org")
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
    issued = x509.load_pem_x509_certificate((authority / "shop/tls.crt").read_bytes())
    issued.verify_directly_issued_by(issuer)
    assert list(issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert (issued.not_valid_after_utc - issued.not_valid_before_utc).days == 7


def test_a_revoked_certificate_is_in_the_crl(authority: Path) -> None:
    certificates(authority, "issue", "client", "7", "shop")
    file = authority / "shop/tls.crt"
    assert certificates(authority, "revoke", str(file)).returncode == 0
    assert certificates(authority, "list").returncode == 0
    revoked = x509.load_pem_x509_crl((authority / "ca.crl").read_bytes())
    serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
    assert [each.serial_number for each in revoked] == [serial]


def test_an_authority_from_elsewhere_can_revoke(authority: Path) -> None:
    certificates(authority, "issue", "client", "7", "shop")
    for file in ("index.txt", "crlnumber"):
        (authority / file).unlink()
    assert certificates(authority, "revoke", str(authority / "shop/tls.crt")).returncode == 0
    assert certificates(authority, "list").returncode == 0
    assert len(x509.load_pem_x509_crl((authority / "ca.crl").read_bytes())) == 1


def test_no_certificate_outlives_its_authority(authority: Path) -> None:
    ended = certificates(authority, "issue", "client", "3654", "shop")
    assert ended.returncode == 1
    assert ended.stderr == "certificates: the CA expires before a certificate of 3654 days would\n"
    assert not (authority / "shop").exists()


def verified(authority: Path, trusted: Path, name: str) -> bool:
    """Whether a certificate is valid for the trusted authorities in a file and their CRLs."""
    ended = subprocess.run(
        [
            *("openssl", "verify", "-crl_check_all", "-CAfile", trusted),
            *("-CRLfile", authority / "ca.crl", authority / name / "tls.crt"),
        ],
        capture_output=True,
        check=False,
    )
    return ended.returncode == 0


def test_two_authorities_are_trusted_until_the_former_one_is_retired(authority: Path) -> None:
    certificates(authority, "issue", "client", "7", "old")
    certificates(authority, "issue", "client", "7", "stolen")
    certificates(authority, "revoke", str(authority / "stolen/tls.crt"))
    assert certificates(authority, "rotate").returncode == 0
    certificates(authority, "issue", "client", "7", "new")
    both = authority / "new/ca.crt"
    assert both.read_text() == certificates(authority, "trusted").stdout
    assert [verified(authority, both, name) for name in ("old", "stolen", "new")] == [
        *(True, False, True)
    ]
    assert certificates(authority, "retire").returncode == 0
    certificates(authority, "issue", "client", "7", "next")
    alone = authority / "next/ca.crt"
    assert [verified(authority, alone, name) for name in ("old", "new", "next")] == [
        *(False, True, True)
    ]


def test_an_authority_cannot_be_dropped_while_it_is_trusted(authority: Path) -> None:
    assert "there is no former CA" in certificates(authority, "retire").stderr
    certificates(authority, "rotate")
    trusted = certificates(authority, "trusted").stdout
    ended = certificates(authority, "rotate")
    assert ended.returncode == 1
    assert "the former CA is still trusted: retire it first" in ended.stderr
    assert certificates(authority, "trusted").stdout == trusted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("issue", "client", "7"), "issue needs client or server, DAYS, NAME and HOSTs"),
        (("issue", "both", "7", "shop"), "issue needs client or server, not both"),
        (("issue", "client", "0", "shop"), "DAYS must be a whole number, not 0"),
        (("issue", "client", "soon", "shop"), "DAYS must be a whole number, not soon"),
        (("issue", "server", "7", "shop"), "a server's certificate needs a HOST"),
        (("revoke",), "revoke needs a FILE"),
        (("renew",), "unknown action: renew"),
    ],
)
def test_wrong_arguments_are_reported_and_change_nothing(
    authority: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(authority.iterdir())
    ended = certificates(authority, *arguments)
    assert (ended.returncode, ended.stderr) == (2, f"certificates: {message}\n")
    assert sorted(authority.iterdir()) == before
