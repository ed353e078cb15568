"""Which version of Skyledger this command is: that of `pyproject.toml`, as is the template's output `Version`."""

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Give the version of the package that is installed; of code that is not, nobody can tell it."""
    try:
        return version("skyledger")
    except PackageNotFoundError:
        return "unknown"
