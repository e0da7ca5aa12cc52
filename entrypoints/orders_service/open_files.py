"""How many files each process may have open: one for each connection, and a few more."""

import resource

from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_service.config import InvalidConfig


def allow_open_files(limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise the limit of open files to what all connections need, as far as the system allows.

    Raises:
        InvalidConfig: The system allows so few that none would be left for clients.
    """
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.files if most == resource.RLIM_INFINITY else min(limits.files, most)
    if files < wanted:
        files = wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    refuse_few_files(files, limits)


def refuse_few_files(files: int, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse a limit of open files that leaves none for clients.

    Raises:
        InvalidConfig: It does.
    """
    if files < limits.least_files:
        wanted = limits.files
        message = (
            f"each process may open {files} files, and needs {limits.least_files} to serve "
            f"anyone, {wanted} to serve as many as it can; raise the limit: ulimit -Hn {wanted} "
            f"in a shell, LimitNOFILE={wanted} in a unit of systemd, --ulimit nofile={wanted} for "
            "a container"
        )
        raise InvalidConfig([message])
