"""The documentation of the Ansible roles is complete and true."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from orders_service.configuration.settings import SETTINGS
from tests.debian_package import ROOT

ROLES: Final = sorted((ROOT / "ansible/roles").iterdir())


def read(file: Path) -> Any:  # noqa: ANN401 - YAML can contain anything
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def entries(role: Path) -> dict[str, Any]:
    specified: dict[str, Any] = read(role / "meta/argument_specs.yml")["argument_specs"]
    return specified


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_of_a_role_is_the_documented_one(role: Path) -> None:
    documented = {
        name: option["default"]
        for name, option in entries(role)["main"]["options"].items()
        if "default" in option
    }
    assert read(role / "defaults/main.yml") == documented


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_documented_and_prefixed_with_its_role(role: Path) -> None:
    for entry in entries(role).values():
        assert entry["short_description"]
        for name, option in entry["options"].items():
            assert name.startswith(f"{role.name}_")
            assert option["description"]
            assert option.get("required") or "default" in option, name


def test_the_role_writes_only_existing_settings() -> None:
    template = (ROOT / "ansible/roles/orders/templates/orders.toml.j2").read_text("utf-8")
    written = set(re.findall(r"^(\w+) = ", template, re.MULTILINE))
    assert written
    assert written <= {setting.name for setting in SETTINGS}
    # Every other setting can be set by its key.
    assert "{{ name }} = {{ value | to_json }}" in template


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_internal_variable_of_a_role_hides_an_option(role: Path) -> None:
    options = {name for entry in entries(role).values() for name in entry["options"]}
    internal = role / "vars/main.yml"
    assert not internal.exists() or options.isdisjoint(read(internal))
