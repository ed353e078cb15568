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
"""

import re

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

starts_formula = re.compile(_FORMULA + "|'*\t").match
"""Whether a cell with this text would be run."""
may_need_guard = re.compile(rf"[~;|]['\" {_SIGNS}]").search
"""Whether a printable text, put after a tilde, might need a guard: a reason to look closer."""


def guard(text: str) -> str:
    """Put a quote wherever a spreadsheet would find a formula."""
    return _UNGUARDED.sub(r"\1'", text)


def unguard(text: str) -> str:
    """Take off what `guard` put on."""
    for pattern in _GUARDED:
        text = pattern.sub(r"\1\2", text)
    return text


def guard_json(text: str) -> str:
    """Escape the separators after which a spreadsheet would find a formula."""
    for mark, before_a_sign in _BEFORE_A_SIGN.items():
        if mark in text:
            text = before_a_sign.sub(rf"\\u{ord(mark):04x}", text)
    return text
