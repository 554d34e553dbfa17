"""Text of others in a page: shown, never obeyed."""

from typing import Any

from markupsafe import Markup

_UNKNOWN = 0xFFFD
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
"""Control characters to their pictures: HTML forbids them, and a log that holds them should show it."""
_ORDERS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that reorder the letters around them, so that a name could pass for another (CVE-2021-42574)."""
_NO_CHARACTERS = (
    *range(0x80, 0xA0),
    *range(0xD800, 0xE000),  # halves of pairs: they are in no UTF-8, but JSON can hold them
    *range(0xFDD0, 0xFDF0),
    *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)),
)
_SHOWN = {**_PICTURES, **dict.fromkeys((*_ORDERS, *_NO_CHARACTERS), _UNKNOWN)}


def shown(text: str) -> str:
    """Return *text* with a visible sign for every character that a page may not hold or that reorders others."""
    return text.translate(_SHOWN)


def finalized(value: Any) -> Any:
    """Return what the template may put out for *value*; escaping comes after it."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value
