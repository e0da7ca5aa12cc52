"""A program whose processes count requests from standard input, and are killed.

Each line is a JSON array of generations; each of those has, for every process, the requests that it
counts. The processes of a generation are forked together, and end as a crash ends them. For every
line the program prints the exposition that follows, as one line of JSON.
"""

import json
import os
import signal
import sys
from typing import Any

from orders_prometheus import SharedMetrics
from tests.prometheus.request_labels import LABELS


def count(shared: SharedMetrics, process: int, requests: Any) -> None:  # noqa: ANN401 - JSON
    """Count some requests in a separate process, which is then killed."""
    if os.fork() == 0:
        try:
            metrics = shared.of(process)
            for route, method, status, seconds in requests:
                metrics.request_begun()
                metrics.request_answered(route, method, status, seconds)
                # This one is never answered.
                metrics.request_begun()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Answer every line."""
    for line in sys.stdin:
        generations = json.loads(line)
        shared = SharedMetrics(len(generations[0]), LABELS)
        for generation in generations:
            for process, requests in enumerate(generation):
                count(shared, process, requests)
            for _ in generation:
                os.wait()
        print(json.dumps(shared.exposition().decode()), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
