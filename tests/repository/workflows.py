"""GitHub's workflows, parsed."""

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
        workflow: The workflow's file name, without the suffix.
        job: The job's id.
        command: The shell commands.
        environment: The variables that it sets, with unexpanded expressions of GitHub.
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
    # This library implements YAML 1.1, in which `on` means true.
    return {"on" if key is True else key: value for key, value in content.items()}


def jobs() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield every job with the names of its workflow and itself."""
    for workflow, content in workflows().items():
        for name, job in content["jobs"].items():
            yield workflow, name, job


def steps_that_run() -> Sequence[Step]:
    """Return every step that runs commands."""
    return [
        Step(workflow, name, step["run"].strip(), step.get("env", {}))
        for workflow, name, job in jobs()
        for step in job.get("steps", ())
        if "run" in step
    ]
