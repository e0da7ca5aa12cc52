"""The page on configuration says what the program does."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from orders_cli.exits import Exit
from orders_cli.importing import BATCH
from orders_service.configuration.loading import load
from orders_service.configuration.settings import SETTINGS
from orders_tokens import parse_tokens
from tests.service.settings_reference import LISTINGS

PAGE: Final = (Path(__file__).parents[2] / "docs/configuration.md").read_text("utf-8")


def rows(header: str) -> list[list[str]]:
    """Read the cells of the table that has this header."""
    lines = PAGE.splitlines()
    start = lines.index(header) + 2
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines[start:end]]


def test_the_table_of_settings_explains_each_of_them() -> None:
    assert rows("| Key in TOML | Flag | Environment | Default | Meaning |") == [
        [each.name, each.flag or "", each.variable, each.default or "", each.explanation]
        for each in SETTINGS
    ]


@pytest.mark.parametrize("name", LISTINGS)
def test_every_list_of_settings_is_what_make_settings_writes(name: str) -> None:
    listing = LISTINGS[name]
    assert listing.found() == listing.write(SETTINGS), "run: make settings"


def test_every_secret_names_its_files() -> None:
    for setting in SETTINGS:
        for name in (f"{setting.variable}_FILE", f"{setting.name}_file"):
            assert (f"`{name}`" in PAGE) == setting.secret


def test_the_table_of_exit_statuses_is_the_programs() -> None:
    statuses = [int(status) for status, _ in rows("| Status | Meaning |")]
    assert statuses == [status.value for status in Exit]


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "orders.toml"
    file.write_text(example)
    config = load({}, {}, file)
    assert config.allowed_hosts == set(tomllib.loads(example)["allowed_hosts"])


def test_the_size_of_a_batch_is_the_programs() -> None:
    assert f"in parts of {BATCH:,} rows" in " ".join(PAGE.split())


def test_the_example_of_a_token_file_is_one() -> None:
    (example,) = re.findall(r"```text\n(# name, .*?)```", PAGE, re.DOTALL)
    assert [(token.name, token.scope_list()) for token in parse_tokens(example.encode())] == [
        *(("shop", "read,write"), ("dashboard", "read")),
    ]
