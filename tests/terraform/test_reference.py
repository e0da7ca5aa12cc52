"""The Terraform modules describe their inputs and outputs, and their READMEs list them."""

from pathlib import Path

import pytest

from tests.terraform.reference import MODULES, TERRAFORM, declared, documented


def _name(module: Path) -> str:
    return str(module.relative_to(TERRAFORM.parent))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_the_readme_lists_the_inputs_and_outputs_of_its_module(module: Path) -> None:
    written = (module / "README.md").read_text(encoding="utf-8")
    assert written == documented(module), "run: make reference"


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_every_input_and_output_is_described_in_a_sentence(module: Path) -> None:
    each = [
        *declared(module, "variable", "variables.tf"),
        *declared(module, "output", "outputs.tf"),
    ]
    assert each
    assert [one.name for one in each if not one.description.endswith(".")] == []


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_outputs_with_private_keys_are_sensitive(module: Path) -> None:
    secret = ("key", "password", "certificates", "credentials", "secrets")
    outputs = declared(module, "output", "outputs.tf")
    assert [one.name for one in outputs if one.name.endswith(secret) and not one.sensitive] == []
