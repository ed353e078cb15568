"""Which characters of a stranger's text a person sees."""

import re

# Python calls these printable. Unicode draws nothing for them ("Default_Ignorable_Code_Point": joiners, fillers of
# Hangul, variation selectors, in which whole messages have been hidden), or a blank (the empty pattern of Braille).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def is_seen(text: str) -> bool:
    """Say whether every character is drawn, and none turns the direction; a blank is."""
    return text.isprintable() and not _UNSEEN.search(text)
