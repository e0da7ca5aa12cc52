"""GitHub's workflows, read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from attrs import frozen

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".github/workflows"


@frozen
class Step:
    """A step that runs commands.

    Attributes:
        workflow: The workflow's file, without its suffix.
        job: The job's id.
        command: What it runs.
        environment: The variables that it sets, with GitHub's expressions as they are written.
    """

    workflow: str
    job: str
    command: str
    environment: Mapping[str, str]


def workflows() -> Mapping[str, Mapping[str, Any]]:
    """Read every workflow."""
    return {file.stem: _read(file) for file in sorted(FOLDER.glob("*.yml"))}


def _read(file: Path) -> Mapping[str, Any]:
    content: dict[Any, Any] = yaml.safe_load(file.read_text("utf-8"))
    # YAML 1.1, which this library speaks, has the word `on` for true.
    return {"on" if key is True else key: value for key, value in content.items()}


def jobs() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give every job with its workflow's name and its own."""
    for workflow, content in workflows().items():
        for name, job in content["jobs"].items():
            yield workflow, name, job


def steps_that_run() -> Sequence[Step]:
    """Give every step that runs commands."""
    return [
        Step(workflow, name, step["run"].strip(), step.get("env", {}))
        for workflow, name, job in jobs()
        for step in job.get("steps", ())
        if "run" in step
    ]
