"""The Terraform modules, applied to a new cluster and destroyed."""

import json
import logging
import re
import secrets
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pytest
import yaml
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import (
    DATABASE_POD,
    POSTGRES_IMAGE,
    ByIngress,
    ByService,
    Cluster,
    is_ready,
    lab,
    names,
)
from tests.e2e.cluster.pods import connect, peer
from tests.e2e.cluster.terraform import MODULES, Terraform, initialized
from tests.faults.traffic import traffic
from tests.postgres_server import wait_until

_LOG: Final = logging.getLogger(__name__)
_NODE_IMAGE: Final = "kindest/node:v1.34.4"
_INGRESS_IMAGE: Final = "docker.io/library/traefik:v3.5.0"
_REPLICAS: Final = 2
_CERTIFICATES: Final = {
    "service": "orders-client-tls",
    "owner": "orders-owner-tls",
    "database": "orders-postgres-server-tls",
    "ingress": "orders-ingress-tls",
}
# Prints the serial number of the database's certificate, as seen from a service pod.
_SERIAL_AT_THE_DATABASE: Final = """
import socket, ssl, struct
files = "/etc/orders/tls/"
context = ssl.create_default_context(cafile=files + "ca.crt")
context.load_cert_chain(files + "tls.crt", files + "tls.key")
with socket.create_connection(("orders-postgres", 5432)) as plain:
    plain.sendall(struct.pack("!ii", 8, 80877103))
    assert plain.recv(1) == b"S"
    with context.wrap_socket(plain, server_hostname="orders-postgres") as encrypted:
        print(int(encrypted.getpeercert()["serialNumber"], 16))
"""
_SERIAL_IN_THE_POD: Final = """
import ssl
print(int(ssl._ssl._test_decode_cert("/etc/orders/tls/tls.crt")["serialNumber"], 16))
"""
_RELOAD: Final = "import os, signal; os.kill(1, signal.SIGHUP)"


def _free_ports(number: int) -> Sequence[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@frozen
class Applied:
    """The result of `terraform apply`.

    Attributes:
        terraform: The modules with their applied values.
        cluster: The new cluster.
        image: The service's image.
    """

    terraform: Terraform
    cluster: Cluster
    image: str

    def certificates(self) -> Mapping[str, x509.Certificate]:
        """Return the certificates, by name; the CA's is `ca`."""
        pems = {
            "ca": self.terraform.output("ca_certificate"),
            **{
                name: each["certificate"]
                for name, each in self.terraform.output("certificates").items()
            },
        }
        return {name: x509.load_pem_x509_certificate(pem.encode()) for name, pem in pems.items()}

    def plan(self) -> tuple[int, str]:
        """Run `terraform plan`; return its exit status (2 means changes) and its output."""
        ended = self.terraform.attempt("terraform", "plan", "-detailed-exitcode")
        return ended.returncode, ended.stdout + ended.stderr

    def in_pod(self, pod: str, script: str) -> str:
        """Run a Python script in a service pod."""
        return self.cluster.kubectl("exec", pod, "--", "python", "-c", script).strip()


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """The modules, not applied."""
    lab()
    return initialized(tmp_path_factory.mktemp("modules"))


@pytest.fixture(scope="module")
def applied(terraform: Terraform, image: str) -> Iterator[Applied]:
    """A cluster with the service, created by `terraform apply`."""
    name = f"terraform-{secrets.token_hex(3)}"
    service_port, http_port, https_port = _free_ports(3)
    image_name, _, tag = image.partition(":")
    values = terraform.set(
        cluster_name=name,
        node_image=_NODE_IMAGE,
        load_images=[image, POSTGRES_IMAGE],
        image=image_name,
        image_tag=tag,
        replicas=_REPLICAS,
        service_port=service_port,
        http_port=http_port,
        https_port=https_port,
    )
    try:
        began = monotonic()
        values.apply()
        _LOG.info("from nothing to every pod ready: %.0f s", monotonic() - began)
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = run("docker", "inspect", "--format", template, f"{name}-control-plane").strip()
        kubeconfig = Path(values.output("kubeconfig_path"))
        cluster = Cluster(name, values.environment["PATH"], kubeconfig, address)
        yield Applied(values, cluster, image)
    finally:
        values.attempt("terraform", "destroy", "-auto-approve")
        # Clean up if that failed.
        values.run("kind", "delete", "cluster", "--name", name)


def _place(by: ByService | ByIngress, order_id: str) -> int:
    connection = by.connect()
    body = json.dumps({"id": order_id, "amount": "12.30"})
    connection.request("POST", "/orders", body, {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


_HAS_READ_IT: Final = """
SELECT pg_conf_load_time() > (pg_stat_file('/etc/postgresql-tls/ca.crt')).modification
"""


def touch(cluster: Cluster) -> None:
    """Make the pods update their files now, instead of within a minute or two."""
    cluster.kubectl("annotate", "pods", "--all", "--overwrite", f"touched={monotonic()}")


def wait_for_files(applied: Applied) -> None:
    """Wait until every pod has the applied files, and the database has loaded them."""
    cluster = applied.cluster
    touch(cluster)
    places = {
        **dict.fromkeys(names(cluster.pods()), ("orders", "/etc/orders/tls", "service")),
        DATABASE_POD: ("postgres", "/etc/postgresql-tls", "database"),
    }
    expected = {
        of: {
            "ca.crt": applied.terraform.output("ca_certificate"),
            "tls.crt": applied.terraform.output("certificates")[of]["certificate"],
        }
        for of in ("service", "database")
    }

    def has_all(pod: str) -> bool:
        container, folder, of = places[pod]
        read = ("exec", pod, f"--container={container}", "--", "cat")
        return all(
            cluster.kubectl(*read, f"{folder}/{name}") == content
            for name, content in expected[of].items()
        )

    wait_until(lambda: all(map(has_all, places)), seconds=180)
    wait_until(lambda: cluster.sql(_HAS_READ_IT) == "t", seconds=30)


def test_the_modules_are_formatted_and_valid(terraform: Terraform) -> None:
    terraform.run("terraform", "fmt", "-check", "-recursive")
    terraform.run("terraform", "validate")


@pytest.mark.parametrize("module", MODULES)
def test_tflint_finds_nothing(terraform: Terraform, module: str) -> None:
    rules = terraform.folder / ".tflint.hcl"
    assert terraform.run("tflint", f"--chdir={module}", f"--config={rules}") == ""


def test_the_tests_of_the_plans_pass(terraform: Terraform) -> None:
    assert re.search(r"Success! \d\d passed, 0 failed", terraform.run("terraform", "test"))


def test_every_pod_is_ready_when_apply_ends(applied: Applied) -> None:
    pods = applied.cluster.get("pods", "--field-selector=status.phase!=Succeeded")["items"]
    assert len(pods) == _REPLICAS + 1
    assert [is_ready(pod) for pod in pods] == [True] * len(pods)
    (job,) = applied.cluster.get("jobs")["items"]
    assert job["status"]["succeeded"] == 1


def test_a_second_apply_changes_nothing(applied: Applied) -> None:
    assert applied.plan()[0] == 0, applied.plan()[1]
    assert "0 added, 0 changed, 0 destroyed" in applied.terraform.apply()


def test_an_order_is_placed_through_the_service(applied: Applied) -> None:
    assert _place(ByService(applied.cluster), "by-service") == 201
    assert ("by-service", "12.30") in applied.cluster.orders()


def test_the_applied_objects_equal_kubectl_kustomize_s(applied: Applied) -> None:
    """The inputs change only the image and the number of replicas."""

    def canonical(manifest: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return f"{manifest['kind']}/{manifest['metadata']['name']}", manifest

    overlay = applied.terraform.folder.parent / "k8s/overlays/kind"
    given = dict(
        map(canonical, yaml.safe_load_all(applied.cluster.run("kubectl", "kustomize", overlay)))
    )
    given["Deployment/orders"]["spec"]["replicas"] = _REPLICAS
    for each in ("Deployment/orders", "Job/orders-migrate"):
        given[each]["spec"]["template"]["spec"]["containers"][0]["image"] = applied.image

    manifests = map(yaml.safe_load, applied.terraform.manifests().values())
    found = dict(map(canonical, manifests))
    made = {name for name in found if name.startswith("Secret/")}
    assert {name: each for name, each in found.items() if name not in made} == given
    assert {name.removeprefix("Secret/") for name in made} == {
        *_CERTIFICATES.values(),
        "orders-postgres-superuser",
    }


def test_the_secrets_are_as_documented(applied: Applied) -> None:
    documented = {
        row[1]: set(re.findall(r"`([^`]+)`", row[2]))
        for row in re.finditer(
            r"^\| `([a-z-]+)` \| ((?:`[a-z.]+` ?)+) \|",
            (ROOT / "k8s/README.md").read_text(),
            re.MULTILINE,
        )
    }
    found = {
        each["metadata"]["name"]: (each["type"], set(each["data"]))
        for each in applied.cluster.get("secrets")["items"]
    }
    assert set(found) == {*_CERTIFICATES.values(), "orders-postgres-superuser"}
    for name, (kind, keys) in found.items():
        assert documented[name] <= keys
        assert (kind == "kubernetes.io/tls") is (name in _CERTIFICATES.values())


def test_the_certificates_pass_strict_verification_and_have_one_usage(applied: Applied) -> None:
    certificates = dict(applied.certificates())
    ca = certificates.pop("ca")
    ca_key_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for name, each in certificates.items():
        each.verify_directly_issued_by(ca)
        key = each.public_key()
        assert isinstance(key, EllipticCurvePublicKey)
        assert isinstance(key.curve, SECP256R1)
        assert each.not_valid_after_utc - each.not_valid_before_utc == timedelta(days=90)
        of = each.extensions
        assert of.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        issuer = of.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert issuer.key_identifier == ca_key_id
        server = name in {"database", "ingress"}
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        assert list(of.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    clients = [certificates[name].subject for name in ("service", "owner")]
    assert [
        subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value for subject in clients
    ] == ["ordersuser", "orders_owner"]


def test_neither_plans_nor_outputs_show_a_secret(applied: Applied) -> None:
    renewed = applied.terraform.run(
        "terraform", "plan", '-replace=module.certificates.tls_private_key.ca["1"]'
    )
    shown = renewed + applied.terraform.run("terraform", "output")
    assert "will be updated in-place" in renewed
    made = (applied.terraform.output("certificates"), applied.terraform.output("authorities"))
    keys = [each["private_key"] for some in made for each in some.values()]
    for secret in (*keys, applied.terraform.output("superuser_password")):
        assert secret not in shown
        assert b64encode(secret.encode()).decode() not in shown
    assert "PRIVATE KEY" not in shown


def test_an_order_is_placed_through_the_ingress_with_tls(applied: Applied, tmp_path: Path) -> None:
    """Uses the ingress controller that Terraform installs."""
    if not applied.terraform.attempt("docker", "image", "inspect", _INGRESS_IMAGE).stdout.strip(
        "[]\n"
    ):
        cluster = {"KUBE_CLUSTER": applied.cluster.name}
        run(lab() / "kube", "up", applied.cluster.name)
        run(lab() / "ingress", "up", settings=cluster)
        run(lab() / "ingress", "down", settings=cluster)
    with_controller = applied.terraform.set(
        ingress_controller="traefik",
        load_images=[applied.image, POSTGRES_IMAGE, _INGRESS_IMAGE],
    )
    with_controller.apply()
    authority = tmp_path / "ca.crt"
    authority.write_text(with_controller.output("ca_certificate"))
    by_ingress = ByIngress(applied.cluster, authority)

    def is_placed() -> bool:
        try:
            return _place(by_ingress, "by-ingress") == 201
        except ssl.SSLCertVerificationError:
            return False  # a new controller presents a default certificate at first

    wait_until(is_placed, seconds=60)
    assert ("by-ingress", "12.30") in applied.cluster.orders()
    assert applied.plan()[0] == 0, applied.plan()[1]


def test_certificates_are_rotated_under_load_and_fail_no_request(applied: Applied) -> None:
    cluster = applied.cluster
    pods, restarts = names(cluster.pods()), cluster.restarts()
    old = applied.certificates()
    cluster.sql("TRUNCATE orders")

    def is_there(new: Mapping[str, x509.Certificate]) -> bool:
        return all(
            applied.in_pod(pod, _SERIAL_IN_THE_POD) == str(new["service"].serial_number)
            and applied.in_pod(pod, _SERIAL_AT_THE_DATABASE) == str(new["database"].serial_number)
            for pod in pods
        )

    assert is_there(old)
    with traffic(ByService(cluster), pause_seconds=0.1) as load:
        load.wait_for_orders(200)
        applied.terraform.apply(
            *(
                f'-replace=module.certificates.tls_private_key.this["{name}"]'
                for name in ("service", "database")
            )
        )
        new = applied.certificates()
        assert new["service"].serial_number != old["service"].serial_number
        assert new["database"].serial_number != old["database"].serial_number
        assert new["owner"] == old["owner"]
        touch(cluster)
        wait_until(lambda: is_there(new), seconds=180)
        for pod in pods:
            applied.in_pod(pod, _RELOAD)
        wait_until(
            lambda: (
                cluster.shown_by_clients("client_serial") == {str(new["service"].serial_number)}
            ),
            seconds=60,
        )
        load.wait_for_orders(200)
        load.assert_all_answered()
    load.assert_kept(cluster.orders())
    assert (names(cluster.pods()), cluster.restarts()) == (pods, restarts)


def test_a_revoked_certificate_is_refused(applied: Applied, tmp_path: Path) -> None:
    """Follows the README: the service gets a new certificate, and the old one is refused."""
    cluster = applied.cluster
    authority, old = tmp_path / "authority", tmp_path / "old"
    (name,) = (made := applied.terraform.output("authorities"))
    for folder, files in (
        (authority, {"ca.crt": made[name]["certificate"], "ca.key": made[name]["private_key"]}),
        (
            old,
            {
                "ca.crt": made[name]["certificate"],
                "tls.crt": applied.terraform.output("certificates")["service"]["certificate"],
                "tls.key": applied.terraform.output("certificates")["service"]["private_key"],
            },
        ),
    ):
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_text(content)
    applied.terraform.apply('-replace=module.certificates.tls_private_key.this["service"]')
    wait_for_files(applied)
    run(ROOT / "scripts/certificates", authority, "revoke", old / "tls.crt")
    run(ROOT / "scripts/certificates", authority, "list")
    applied.terraform.set(revocation_list=(authority / "ca.crl").read_text()).apply()
    touch(cluster)
    with peer(cluster) as client:
        shown = client.put(old)
        wait_until(lambda: "revoked" in connect(client, shown)[1], seconds=180)
    for pod in names(cluster.pods()):
        applied.in_pod(pod, _RELOAD)
    assert _place(ByService(cluster), "after-the-revocation") == 201


def test_it_is_applied_to_an_existing_cluster(applied: Applied) -> None:
    """`terraform test` applies to another namespace, with an autoscaler, and destroys all."""
    image, _, tag = applied.image.partition(":")
    settings = {
        "TF_VAR_kubeconfig": str(applied.cluster.kubeconfig),
        "TF_VAR_image": image,
        "TF_VAR_image_tag": tag,
    }
    # Set the variables of the other cluster aside.
    values = applied.terraform.folder / "test.auto.tfvars.json"
    values.rename(values.with_suffix(".aside"))
    tests = "-test-directory=tests/cluster"
    applied.terraform.run("terraform", "init", tests)
    try:
        said = applied.terraform.run("terraform", "test", tests, settings=settings)
    finally:
        values.with_suffix(".aside").rename(values)
    assert "5 passed, 0 failed" in said
    assert "orders-terraform-test" not in applied.cluster.run("kubectl", "get", "namespaces")


def test_a_failed_rollout_fails_the_apply_and_the_old_pods_keep_serving(applied: Applied) -> None:
    pods = names(applied.cluster.pods())
    ended = applied.terraform.set(image_tag="missing", rollout_timeout="20s").attempt(
        "terraform", "apply", "-auto-approve"
    )
    assert ended.returncode != 0
    assert "ErrImagePull" in ended.stderr or "ImagePullBackOff" in ended.stderr
    assert names([pod for pod in applied.cluster.pods() if is_ready(pod)]) == pods
    assert _place(ByService(applied.cluster), "while-it-fails") == 201


def test_the_ca_is_replaced_under_load_and_no_request_fails(
    applied: Applied,
) -> None:
    """Follows the README's steps."""
    cluster = applied.cluster
    # Start from the initial values, whatever other tests have left.
    applied.terraform.set().apply()
    cluster.settled(_REPLICAS)
    pods, restarts = names(cluster.pods()), cluster.restarts()
    cluster.sql("TRUNCATE orders")
    assert cluster.shown_by_clients("issuer_dn") == {"/O=Orders/CN=Orders CA 1"}
    with traffic(ByService(cluster), pause_seconds=0.1) as load:
        load.wait_for_orders(200)
        for authorities in (["1", "2"], ["2", "1"], ["2"]):
            applied.terraform.set(certificate_authorities=authorities).apply()
            wait_for_files(applied)
        for pod in pods:
            applied.in_pod(pod, _RELOAD)
        wait_until(
            lambda: cluster.shown_by_clients("issuer_dn") == {"/O=Orders/CN=Orders CA 2"},
            seconds=60,
        )
        load.wait_for_orders(200)
        load.assert_all_answered()
    load.assert_kept(cluster.orders())
    assert (names(cluster.pods()), cluster.restarts()) == (pods, restarts)


def test_destroy_leaves_nothing(applied: Applied) -> None:
    applied.terraform.run("terraform", "destroy", "-auto-approve")
    assert applied.terraform.run("terraform", "state", "list") == ""
    assert applied.cluster.name not in applied.terraform.run("kind", "get", "clusters").split()
    containers = applied.terraform.run("docker", "ps", "--all", "--format={{.Names}}")
    assert applied.cluster.name not in containers
    assert applied.cluster.name not in applied.cluster.kubeconfig.read_text()
