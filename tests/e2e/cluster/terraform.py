"""Terraform, on a copy of the modules."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import lab

MODULES: Final = (".", "modules/kind", "modules/certificates", "modules/orders")


@frozen
class Terraform:
    """A copy of the modules and the manifests.

    Attributes:
        folder: The folder of the root module.
        environment: The environment, which configures the providers and the PATH.
        values: The values of the root module's variables.
    """

    folder: Path
    environment: Mapping[str, str]
    values: Mapping[str, object]

    def attempt(
        self, *command: str | Path, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the root module, and return its result, even if it fails."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **(settings or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *command: str | Path, settings: Mapping[str, str] | None = None) -> str:
        """Run a command in the root module, and return its output."""
        ended = self.attempt(*command, settings=settings)
        assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def apply(self, *arguments: str) -> str:
        """Run `terraform apply`."""
        return self.run("terraform", "apply", "-auto-approve", *arguments)

    def set(self, **values: object) -> "Terraform":
        """Set variables for the following plans."""
        changed = Terraform(self.folder, self.environment, {**self.values, **values})
        file = self.folder / "test.auto.tfvars.json"
        file.write_text(json.dumps(changed.values))
        return changed

    def output(self, name: str) -> Any:  # noqa: ANN401 - whatever the output is
        """Return an output, sensitive or not."""
        return json.loads(self.run("terraform", "output", "-json", name))

    def manifests(self) -> Mapping[str, str]:
        """Return the applied manifests in the state, by their addresses."""
        state = json.loads(self.run("terraform", "show", "-json"))
        (orders,) = (
            module
            for module in state["values"]["root_module"]["child_modules"]
            if module["address"] == "module.orders"
        )
        return {
            each["address"]: each["values"]["yaml_body"]
            for each in orders["resources"]
            if each["type"] == "kubectl_manifest"
        }


def initialized(folder: Path) -> Terraform:
    """Copy the modules to a folder, and initialize them there.

    The lock file is not copied: these providers do not come from the public registry.
    """
    generated = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars*", "kubeconfig")
    for tree in ("terraform", "k8s"):
        shutil.copytree(ROOT / tree, folder / tree, ignore=generated)
    run(lab() / "kube", "build")
    tools = run(lab() / "terraform-providers", "tools").strip()
    providers = run(lab() / "terraform-providers", "up").strip().partition("TF_CLI_CONFIG_FILE=")[2]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
        "PATH": tools + os.pathsep + os.environ["PATH"],
        "TF_CLI_CONFIG_FILE": providers,
        "TF_IN_AUTOMATION": "1",
        "TF_CLI_ARGS": "-no-color",
    }
    terraform = Terraform(folder / "terraform", environment, {})
    terraform.run("terraform", "init")
    return terraform
