"""Which version of Skyledger this command is: that of `pyproject.toml`, as is the template's output `Version`."""

from importlib.metadata import version


def own_version() -> str:
    """Give the version of the package that is installed."""
    return version("skyledger")
