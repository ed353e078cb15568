"""Every key and prefix of the export bucket that `ledger.keys` spells."""

from ledger import keys


def keys_spelt() -> set[str]:
    """Give them; what else stands there by a public name (the beginning of an id) has neither a slash nor a dot."""
    named = {value for name, value in vars(keys).items() if name.isupper() and name[0] != "_"}
    return {value for value in named if isinstance(value, str) and ("/" in value or "." in value)}
