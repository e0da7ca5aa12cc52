"""On machines for which Atheris has no wheel, only the seeds of the targets are run."""

import platform

collect_ignore = [] if platform.machine() == "x86_64" else ["test_fuzzing.py"]
