r"""Strangers' text in a CSV that people open in spreadsheets: no cell is a formula, and every text can be had back.

A spreadsheet runs a cell that starts with `=`, `+`, `-` or `@`, and a leading tab hides such a start (OWASP, "CSV
Injection"). Some skip blanks before it; some, in Japanese, take the full-width signs for it. And where a cell starts is
for the spreadsheet to say: Excel cuts at the list separator of the region, in most of Europe a semicolon, LibreOffice
at tab, comma and semicolon at once. Quotes do not hold a field together there, since they count only where such a cell
starts: `a,"x;=1+1;y"` is then `a,"x`, `=1+1` and `y"` (OWASP/www-community, issue 443, has it run without quotes). So:

- **Text.** A cell may start where the text does, and after each `;`, `|` and tab. If what follows there is a sign,
  maybe after `'`, then blanks, double quotes and characters that nobody sees, one `'` goes before it; also before a tab
  that the text starts with. What starts with `'` gets one more, so taking one off gives back every text.
- **JSON** says the same with an escape: a `;` or `|` before a sign is written `\u003b` or `\u007c`, and no reader of
  JSON notices. Tabs between its tokens are blanks, as line breaks are.

A row is one line, so text has a space for a line break. Where two texts must not become one (the key of an object), a
character that hardly any text has (U+241B) escapes it instead. Every text can be had back by four replacements, in this
order: `␛n` by a line feed, `␛r` by a return, `␛0` by NUL, and last `␛e` by `␛` itself. What `␛e` gives is looked
at no more, and no other escape arises without it. The guard is put on later, and comes off before.
"""

import re
from collections.abc import Sequence

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# Blanks, double quotes, control characters without the tab, and characters without a width.
_SKIPPED = (
    '"\x01-\x08\x0a-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f'
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
_FORMULA = f"'*[{_SKIPPED}]*[{_SIGNS}]"
_SEPARATORS = ";|\t"
_UNGUARDED = re.compile(rf"^(?='*\t)|(^|[{_SEPARATORS}])(?={_FORMULA})")
# Each by itself: a pattern that starts with one character is looked for twice as fast.
_BEFORE_A_SIGN = {mark: re.compile(rf"{re.escape(mark)}(?=[{_SKIPPED}]*[{_SIGNS}])") for mark in ";|"}

GUARDED: tuple[str, str] = ("^()'('*\t)", rf"(^|[{_SEPARATORS}])'({_FORMULA})")
r"""Replacing every match of the first and then of the second by `\1\2` takes the guard off; RE2 (DuckDB) knows both."""
_GUARDED = tuple(map(re.compile, GUARDED))

_STARTS = re.compile(f"['{_SKIPPED}{_SIGNS}]").match
_needs_guard = re.compile(f"[~;|]{_FORMULA}").search

ESCAPE = "\u241b"
ESCAPES: tuple[tuple[str, str], ...] = (
    (f"{ESCAPE}n", "\n"),
    (f"{ESCAPE}r", "\r"),
    (f"{ESCAPE}0", "\0"),
    (f"{ESCAPE}e", ESCAPE),
)
"""What is written for what; replacing each in this order gives the text back, in any language."""


def guard(text: str) -> str:
    """Put a quote wherever a spreadsheet would find a formula."""
    return _UNGUARDED.sub(r"\1'", text)


def are_harmless(texts: Sequence[str], together: str) -> bool:
    """Say whether texts without tabs need no guard, given also joined, with a tilde before each. It is for speed."""
    if ";" not in together and "|" not in together and not any(map(_STARTS, texts)):
        return True
    return not _needs_guard(together)


def unguard(text: str) -> str:
    """Take off what `guard` put on."""
    for pattern in _GUARDED:
        text = pattern.sub(r"\1\2", text)
    return text


def escape(text: str) -> str:
    """Write line breaks and NUL in one line, so that no two texts become one."""
    for written, meant in reversed(ESCAPES):
        text = text.replace(meant, written)
    return text


def unescape(text: str) -> str:
    """Take back what `escape` did."""
    for written, meant in ESCAPES:
        text = text.replace(written, meant)
    return text


def guard_json(text: str) -> str:
    """Escape the separators after which a spreadsheet would find a formula."""
    for mark, before_a_sign in _BEFORE_A_SIGN.items():
        if mark in text:
            text = before_a_sign.sub(rf"\\u{ord(mark):04x}", text)
    return text
