"""The overlays for other clusters: the one in the documentation, and production."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import ByIngress, Cluster, Deployed, lab
from tests.e2e.cluster.pods import namespace
from tests.postgres_server import wait_until

_HOST: Final = "orders.example.org"
_GENERATE: Final = ROOT / "k8s/generate-secrets"


def block(page: str, after: str, language: str) -> str:
    """Return a page's first code block of a language after the given words."""
    _, found, rest = (ROOT / page).read_text().partition(after)
    assert found
    return rest.partition(f"```{language}\n")[2].partition("```")[0]


@pytest.fixture
def for_any_cluster(changing: Deployed, image: str) -> Iterator[Deployed]:
    """Orders, prepared for the documented overlay, and restored at the end."""
    cluster = changing.cluster
    published = "registry.example.org/orders:0.1.0"
    run("docker", "tag", image, published)
    run(lab() / "kube", "load", published, settings={"KUBE_CLUSTER": cluster.name})
    cluster.kubectl("delete", "secret", "orders-ingress-tls")
    cluster.kubectl("delete", "job", "orders-migrate")
    yield changing
    run("docker", "image", "rm", published)
    cluster.kubectl("delete", "horizontalpodautoscaler/orders", "secret/orders-tokens")
    cluster.kubectl("delete", "secret", "orders-ingress-tls")
    changing.generate_secrets()


def test_the_documented_overlay_works(for_any_cluster: Deployed, tmp_path: Path) -> None:
    cluster = for_any_cluster.cluster
    # Put the overlay and the repository side by side.
    here, overlay = tmp_path / "orders", tmp_path / "overlay"
    here.mkdir()
    overlay.mkdir()
    for folder in ("k8s", "scripts"):
        (here / folder).symlink_to(ROOT / folder)
    shown = block("docs/kubernetes.md", "## On any cluster", "yaml")
    (overlay / "kustomization.yaml").write_text(shown)
    # Resolve the host name, as a name server would.
    (tmp_path / ".curlrc").write_text(f'resolve = "{_HOST}:443:{cluster.address}"\n')
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{cluster.path}"
    at = evolve(cluster, path=path)

    def sh(script: str) -> tuple[int, str]:
        prepared = f"cd {here}; export CURL_HOME={tmp_path} TOKEN=$(cat shop-token 2>&1)\n"
        script = script.replace("OVERLAY", str(overlay))
        ended = at.attempt("bash", "-eo", "pipefail", "-c", prepared + script)
        return ended.returncode, ended.stdout + ended.stderr

    status, said = sh(block("docs/kubernetes.md", f'value: "{_HOST}"', "sh"))
    assert status == 0, said
    commands = block("README.md", "On any other cluster", "sh")
    # The controller needs a moment to load the certificate.
    wait_until(lambda: sh(commands)[0] == 0, seconds=60)
    assert '{"id":"A-1","amount":12.30}' in sh(commands)[1]
    refused = sh(commands.replace("$TOKEN", "guessed") + " --fail")
    assert "401" in refused[1]
    assert cluster.orders() == [("A-1", "12.30")]


def test_an_overlay_names_the_minor_release_of_every_postgresql(
    cluster: Cluster, tmp_path: Path
) -> None:
    images = block("docs/kubernetes.md", "So name the minor release", "yaml")
    base = os.path.relpath(ROOT / "k8s/overlays/kind", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{base}]\n{images}")
    objects = cluster.run("kubectl", "kustomize", tmp_path)
    tags = re.findall(r"image: postgres:(\S+)", objects)
    # The server, its reloader, the backup and the restore.
    assert tags == ["17.6-trixie"] * 4


@pytest.fixture
def database(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """The address of an external PostgreSQL server with its own CA."""
    folder = tmp_path / "database"
    folder.mkdir()
    reachable = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "production"},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": _named("production")}]}],
        },
    }
    (folder / "reachable.json").write_text(json.dumps(reachable))
    kustomization = {
        "namespace": "elsewhere",
        "resources": [os.path.relpath(ROOT / "k8s/postgres", folder.resolve()), "reachable.json"],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    kubectl = ("kubectl", "--namespace=elsewhere")
    try:
        cluster.run(_GENERATE, "--namespace", "elsewhere", "--host", _HOST)
        cluster.run("kubectl", "apply", "--kustomize", folder)
        cluster.run(*kubectl, "rollout", "status", "statefulset/orders-postgres", "--timeout=120s")
        address = "--output=jsonpath={.status.podIP}"
        yield cluster.run(*kubectl, "get", "pod", "orders-postgres-0", address)
    finally:
        cluster.run("kubectl", "delete", "namespace", "elsewhere", "--wait=false")


def _named(name: str) -> object:
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


def production(cluster: Cluster, image: str, address: str, folder: Path) -> str:
    """Return the objects of the production overlay, with its example values replaced."""
    name, _, tag = image.partition(":")
    kustomization = {
        "namespace": "production",
        "resources": [os.path.relpath(ROOT / "k8s/overlays/production", folder.resolve())],
        "components": [os.path.relpath(ROOT / "k8s/components/pull-secret", folder.resolve())],
        "images": [{"name": "ghcr.io/OWNER/orders", "newName": name, "newTag": tag}],
        # The test machine has few cores.
        "patches": [
            {
                "target": {"kind": "Deployment"},
                "patch": '[{"op": "replace", "value": "20m", "path":'
                ' "/spec/template/spec/containers/0/resources/requests/cpu"}]',
            }
        ],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    objects = cluster.run("kubectl", "kustomize", folder)
    for example, real in (
        ("db.example.org", "orders-postgres.elsewhere.svc"),
        ("203.0.113.7/32", f"{address}/32"),
    ):
        assert example in objects
        objects = objects.replace(example, real)
    return objects


def test_production_serves_token_holders_with_an_external_database(
    cluster: Cluster, image: str, database: str, tmp_path: Path
) -> None:
    objects = production(cluster, image, database, tmp_path)
    tokens = {"ORDERS_TOKENS_FILE": str(tmp_path / "tokens")}
    token = run(
        ROOT / ".venv/bin/orders", "token", "shop", "--scope=write", "--add", settings=tokens
    )
    login = tmp_path / ".dockerconfigjson"
    login.write_text('{"auths": {"ghcr.io": {"auth": "c29tZWJvZHk6c29tZXRoaW5n"}}}')
    kubectl = ("kubectl", "--namespace=production")
    elsewhere = ("kubectl", "--namespace=elsewhere")
    with namespace(cluster, "production"):
        for secret in ("orders-client-tls", "orders-owner-tls", "orders-ingress-tls"):
            found = json.loads(cluster.run(*elsewhere, "get", "secret", secret, "--output=json"))
            moved = {each: found[each] for each in ("apiVersion", "kind", "type", "data")}
            moved["metadata"] = {"name": secret}
            cluster.run(*kubectl, "create", "--filename=-", text=json.dumps(moved))
        make = (*kubectl, "create", "secret", "generic")
        cluster.run(*make, "orders-tokens", f"--from-file={tmp_path / 'tokens'}")
        kind = "--type=kubernetes.io/dockerconfigjson"
        cluster.run(*make, "orders-pull", kind, f"--from-file={login}")
        cluster.run("kubectl", "apply", "--filename=-", text=objects)
        cluster.run(
            *kubectl, "wait", "job/orders-migrate", "--for=condition=Complete", "--timeout=120s"
        )
        cluster.run(*kubectl, "rollout", "status", "deployment/orders", "--timeout=120s")
        authority = tmp_path / "authority.crt"
        authority.write_text(cluster.run(_GENERATE, "--namespace", "elsewhere", "--authority"))
        by_ingress = ByIngress(cluster, authority, _HOST)

        def place(secret: str) -> int:
            client = by_ingress.connect()
            try:
                client.request(
                    "POST",
                    "/orders",
                    '{"id": "A-1", "amount": 12.30}',
                    {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"},
                )
                return client.getresponse().status
            except OSError:
                return 0
            finally:
                client.close()

        wait_until(lambda: place(token.strip()) in {200, 201}, seconds=60)
        assert place("guessed") == 401
        stored = ("psql", "-qAtX", "--username=postgres", "--dbname=ordersdb")
        assert (
            cluster.run(
                *(*elsewhere, "exec", "orders-postgres-0", "--container=postgres", "--", *stored),
                *("--command", "SELECT id, amount FROM orders"),
            )
            == "A-1|12.30\n"
        )
