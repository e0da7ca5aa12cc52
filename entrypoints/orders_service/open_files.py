"""How many files each process may have open: one for each connection, and a few more."""

import resource

from orders_http.server.server import FILES, LEAST_FILES
from orders_service.config import InvalidConfig


def allow_open_files() -> None:
    """Raise the limit of open files to what all connections need, as far as the system allows.

    Raises:
        InvalidConfig: The system allows so few that none would be left for clients.
    """
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if files < wanted:
        files = wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    refuse_few_files(files)


def refuse_few_files(files: int) -> None:
    """Refuse a limit of open files that leaves none for clients.

    Raises:
        InvalidConfig: It does.
    """
    if files < LEAST_FILES:
        message = (
            f"each process may open {files} files, and needs {LEAST_FILES} to serve anyone, "
            f"{FILES} to serve as many as it can; raise the limit: ulimit -Hn {FILES} in a shell, "
            f"LimitNOFILE={FILES} in a unit of systemd, --ulimit nofile={FILES} for a container"
        )
        raise InvalidConfig([message])
