"""Permission numbers as people write them. Stays on the controller: arguments are judged there."""

from __future__ import annotations

HIGHEST = 0o7777


def check(mode: object) -> None:
    """Raise ValueError unless mode is None or a permission number, written as 0o644 and not as 644."""
    if mode is None:
        return
    if not isinstance(mode, int) or isinstance(mode, bool):
        raise ValueError(f"mode must be a number such as 0o644, not {mode!r}{meant(mode)}")
    if not 0 <= mode <= HIGHEST or is_decimal(mode):
        raise ValueError(f"mode must be a number such as 0o644, not {mode}{meant(mode)}")


def meant(mode: object) -> str:
    """The octal number that someone may have meant by these digits, as a question."""
    digits = str(mode)
    digits = digits[2:] if digits.startswith("0o") else digits
    octal = 3 <= len(digits.lstrip("0")) <= 4 and set(digits) <= set("01234567")
    return f": did you mean 0o{digits.lstrip('0')}?" if octal else ""


def is_decimal(mode: int) -> bool:
    """Whether a number is likely to be octal digits without the 0o, as YAML takes them: 644 is 0o1204.

    True if its digits are a mode that people use, and the number itself is none.
    """
    return bool(meant(mode)) and usual(int(str(mode), 8)) and not usual(mode)


def usual(mode: int) -> bool:
    """Whether the owner may read, and no one else may do what the owner may not, or write what they can't read."""
    owner, *others = (mode >> shift & 7 for shift in (6, 3, 0))
    return bool(owner & 4) and all(
        not each & ~owner and (each & 6 != 2) and not (each & 2 and owner & 1 and not each & 1)
        for each in others
    )
