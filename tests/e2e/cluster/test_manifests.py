"""What is applied keeps to the schemas of Kubernetes and to what checkers ask for."""

import json
import os
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import lab

_CHECKOV: Final = "checkov==3.3.30"
_UV: Final = Path(sys.executable).with_name("uv")
_VERSIONS: Final = ("1.32.0", "1.33.0", "1.34.0")


@pytest.fixture(scope="module", params=["production", "kind"])
def manifests(
    request: pytest.FixtureRequest, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """All objects of an overlay in one file; that for kind with all that can be added to it."""
    folder = tmp_path_factory.mktemp("manifests")
    overlay = ROOT / "k8s/overlays" / request.param
    if request.param == "kind":
        overlay = folder
        from_here = os.path.relpath(ROOT / "k8s", folder.resolve())
        kustomization = {
            "resources": [f"{from_here}/overlays/kind"],
            "components": [f"{from_here}/components/{each}" for each in ("tokens", "pull-secret")],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    written = folder / f"{request.param}.yaml"
    written.write_text(run(tools / "kubectl", "kustomize", overlay))
    return written


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of kubectl, kubeconform and kube-score."""
    run(lab() / "kube", "build")
    return Path(run(lab() / "terraform-providers", "tools").strip())


def write_schemas(version: str, manifests: Path, folder: Path) -> None:
    """Write the strict schema of each kind in the manifests, each whole in one file."""
    package = files("kubernetes_validate")
    source = package / f"kubernetes-json-schema/v{version}-local-strict"

    def read(name: str) -> dict[str, object]:
        text = (source / name).read_text("utf-8").replace('"/api/_definitions.json#', '"#')
        content: dict[str, object] = json.loads(text)
        return content

    definitions = read("_definitions.json")["$defs"]
    kinds = set(re.findall(r"^kind: (\w+)$", manifests.read_text(), re.MULTILINE))
    for file in source.iterdir():
        if file.name.partition("-")[0] in {kind.lower() for kind in kinds}:
            schema = read(file.name) | {"$defs": definitions}
            (folder / file.name).write_text(json.dumps(schema))


@pytest.mark.parametrize("version", _VERSIONS)
def test_every_object_has_the_schema_of_its_kind(
    manifests: Path, tools: Path, version: str, tmp_path: Path
) -> None:
    write_schemas(version, manifests, tmp_path)
    place = f"{tmp_path}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    checked = (tools / "kubeconform", "-strict", "-summary", "-schema-location", place)
    said = run(*checked, "-kubernetes-version", version, manifests)
    assert re.search(r"Valid: [1-9]\d*, Invalid: 0, Errors: 0, Skipped: 0", said)


def test_a_member_that_no_schema_has_would_be_found(
    manifests: Path, tools: Path, tmp_path: Path
) -> None:
    write_schemas(_VERSIONS[-1], manifests, tmp_path)
    broken = tmp_path / "broken.yaml"
    broken.write_text(manifests.read_text().replace("minReadySeconds:", "minReadySecond:"))
    place = f"{tmp_path}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    with pytest.raises(AssertionError, match="minReadySecond"):
        run(tools / "kubeconform", "-strict", "-schema-location", place, broken)


def test_kube_score_finds_nothing_critical(manifests: Path, tools: Path) -> None:
    score = (tools / "kube-score", "score", "--kubernetes-version=v1.34")
    assert "[CRITICAL]" not in run(*score, "--output-format=ci", manifests)


def test_checkov_finds_nothing(manifests: Path) -> None:
    checkov = (_UV, "tool", "run", "--system-certs", "--from", _CHECKOV, "checkov")
    options = ("--framework=kubernetes", "--skip-download", "--output=json", "--file", manifests)
    summary = json.loads(run(*checkov, *options))["summary"]
    assert (summary["failed"], summary["parsing_errors"]) == (0, 0)
    assert summary["passed"] > 0


def test_each_check_that_is_skipped_has_its_reason_beside_it() -> None:
    for file in (ROOT / "k8s").rglob("*.yaml"):
        for skip in re.findall(r"checkov\.io/skip\d+: (.*)", file.read_text()):
            assert re.fullmatch(r"CKV\w+=\w.{20,}", skip), f"{file}: {skip}"
