"""generate-secrets creates the Secrets, and never creates a second CA by accident."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.debian_package import ROOT
from tests.e2e.cluster.lab import Cluster, Deployed

GENERATE: Final = ROOT / "k8s/generate-secrets"
WRITER: Final = "writer"


def secrets(cluster: Cluster) -> dict[str, object]:
    """Return the data of every Secret."""
    return {each["metadata"]["name"]: each["data"] for each in cluster.get("secrets")["items"]}


def test_without_its_ca_it_creates_and_rotates_nothing(changing: Deployed, tmp_path: Path) -> None:
    cluster = changing.cluster
    before = secrets(cluster)
    kept = tmp_path / "orders-ca.yaml"
    kept.write_text(cluster.kubectl("get", "secret", "orders-ca", "--output=yaml"))
    cluster.kubectl("delete", "secret", "orders-ca")
    try:
        made, rotated = cluster.attempt(GENERATE), cluster.attempt(GENERATE, "--rotate")
        without = secrets(cluster)
    finally:
        cluster.kubectl("create", f"--filename={kept}")
    assert (made.returncode, rotated.returncode) == (1, 1)
    assert "generate-secrets: there is orders-client-tls, but not the Secret orders-ca" in (
        made.stderr
    )
    assert "generate-secrets: the namespace orders has no CA" in rotated.stderr
    assert without == {name: data for name, data in before.items() if name != "orders-ca"}
    changing.generate_secrets()
    assert secrets(cluster) == before


@contextmanager
def writer(cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    """The cluster as seen by a user who may write Secrets but not read them."""
    cluster.kubectl("create", "role", WRITER, "--verb=create,patch", "--resource=secrets")
    cluster.kubectl("create", "rolebinding", WRITER, f"--role={WRITER}", f"--user={WRITER}")
    cluster.kubectl("create", "clusterrole", WRITER, "--verb=get", "--resource=namespaces")
    cluster.kubectl(
        *("create", "clusterrolebinding", WRITER),
        *(f"--clusterrole={WRITER}", f"--user={WRITER}"),
    )
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"]["as"] = WRITER
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    try:
        yield evolve(cluster, kubeconfig=kubeconfig)
    finally:
        for kind in ("rolebinding", "role", "clusterrolebinding", "clusterrole"):
            cluster.kubectl("delete", kind, WRITER)


def test_it_creates_no_ca_if_it_cannot_look_for_one(installed: Deployed, tmp_path: Path) -> None:
    before = secrets(installed.cluster)
    with writer(installed.cluster, tmp_path) as cluster:
        ended = cluster.attempt(GENERATE)
    assert ended.returncode == 1
    assert "generate-secrets: cannot tell whether the secret orders-ca exists" in ended.stderr
    assert secrets(installed.cluster) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--renew",), "unknown option: --renew; see --help"),
        (("--host",), "--host needs a value"),
        (("--days", "0"), "--days must be a whole number, not 0"),
        (("--days", "soon"), "--days must be a whole number, not soon"),
    ],
)
def test_wrong_arguments_are_refused_and_change_nothing(
    installed: Deployed, arguments: tuple[str, ...], said: str
) -> None:
    before = secrets(installed.cluster)
    ended = installed.cluster.attempt(GENERATE, *arguments)
    assert (ended.returncode, ended.stderr) == (2, f"generate-secrets: {said}\n")
    assert secrets(installed.cluster) == before


def test_the_help_names_every_option(installed: Deployed) -> None:
    said = installed.generate_secrets("--help")
    named = (
        *("--rotate ", "--revoke FILE", "--authority", "--rotate-authority", "--retire-authority"),
        *("--namespace NAME", "--host NAME", "--days NUMBER"),
    )
    assert [option for option in named if option not in said] == []


def test_no_certificate_outlives_the_ca(installed: Deployed) -> None:
    before = secrets(installed.cluster)
    ended = installed.cluster.attempt(GENERATE, "--rotate", "--days", "3660")
    assert ended.returncode == 1
    assert "the CA expires before a certificate of 3660 days would" in ended.stderr
    assert secrets(installed.cluster) == before


def certificate(cluster: Cluster, namespace: str, secret: str) -> x509.Certificate:
    """Return the certificate in a Secret."""
    said = cluster.run(
        *("kubectl", "--namespace", namespace, "get", "secret", secret),
        r"--output=jsonpath={.data.tls\.crt}",
    )
    return x509.load_pem_x509_certificate(base64.b64decode(said))


def hosts(issued: x509.Certificate) -> list[str]:
    """Return a certificate's host names."""
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def test_its_options_set_namespace_host_and_validity(cluster: Cluster) -> None:
    shop = ("--namespace", "shop", "--host", "shop.example.org")
    try:
        made = cluster.attempt(GENERATE, *shop, "--days", "20")
        assert made.returncode == 0, made.stderr
        ingress = certificate(cluster, "shop", "orders-ingress-tls")
        assert hosts(ingress) == ["shop.example.org"]
        assert (ingress.not_valid_after_utc - ingress.not_valid_before_utc).days == 20
        database = hosts(certificate(cluster, "shop", "orders-postgres-server-tls"))
        assert database[:2] == ["orders-postgres", "orders-postgres.shop"]
        # Certificates that expire soon are reported each time, until they are renewed.
        told = [line for line in made.stderr.splitlines() if "expires on" in line]
        assert [line.split()[4] for line in told] == [
            *("orders-client-tls", "orders-owner-tls"),
            *("orders-postgres-server-tls", "orders-ingress-tls"),
        ]
        assert cluster.attempt(GENERATE, *shop).stderr.splitlines() == told
        assert "expires on" not in cluster.attempt(GENERATE, *shop, "--rotate").stderr
        # The namespace has the labels of the manifests.
        found = cluster.run("kubectl", "get", "namespace", "shop", "--output=json")
        labels = json.loads(found)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    finally:
        cluster.run("kubectl", "delete", "namespace", "shop", "--ignore-not-found")


def authorities(installed: Deployed) -> list[str]:
    """Return the names of the trusted CAs."""
    trusted = x509.load_pem_x509_certificates(installed.generate_secrets("--authority").encode())
    return [str(common_name(each.subject)) for each in trusted]


def common_name(subject: x509.Name) -> str | bytes:
    """Return a subject's common name."""
    return subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_the_steps_to_replace_the_ca_are_enforced(changing: Deployed) -> None:
    cluster = changing.cluster
    (former,) = authorities(changing)

    def refused(argument: str) -> str:
        before = secrets(cluster)
        ended = cluster.attempt(GENERATE, argument)
        assert ended.returncode == 1
        assert secrets(cluster) == before
        return ended.stderr

    assert "there is no former CA" in refused("--retire-authority")
    changing.generate_secrets("--rotate-authority")
    new, also_trusted = authorities(changing)
    assert (also_trusted, new == former) == (former, False)
    # A repeated run completes an interrupted one, with the same CA.
    changing.generate_secrets("--rotate-authority")
    assert authorities(changing) == [new, former]
    assert "not issued by the new CA: run this with --rotate first" in refused("--retire-authority")
    changing.generate_secrets("--rotate")
    assert "the former CA, which is still trusted" in refused("--rotate-authority")
    changing.generate_secrets("--retire-authority")
    assert authorities(changing) == [new]
    changing.authority.write_text(changing.generate_secrets("--authority"))
