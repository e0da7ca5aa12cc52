"""The limit of open files: each process needs one per connection, and a few more."""

import resource

from orders_http.server.limits import DEFAULT_LIMITS, Limits
from orders_service.configuration.settings import InvalidConfig


def allow_open_files(limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise the limit of open files to what all connections need, as far as the system allows.

    Raises:
        InvalidConfig: The system allows too few to serve any client.
    """
    files, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.files if maximum == resource.RLIM_INFINITY else min(limits.files, maximum)
    if files < wanted:
        files = wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, maximum))
    refuse_few_files(files, limits)


def refuse_few_files(files: int, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse a limit of open files that is too low to serve any client.

    Raises:
        InvalidConfig: The limit is too low.
    """
    if files < limits.least_files:
        wanted = limits.files
        message = (
            f"each process may open {files} files, but needs {limits.least_files} to serve any "
            f"client and {wanted} to serve as many as it can; raise the limit: ulimit -Hn {wanted} "
            f"in a shell, LimitNOFILE={wanted} in a systemd unit, --ulimit nofile={wanted} for a "
            "container"
        )
        raise InvalidConfig([message])
