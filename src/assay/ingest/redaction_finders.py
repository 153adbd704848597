"""Where the finds of redaction lie: spans (start, end) of a text, verified by libraries.

Each candidate is looked at in windows of bounded size, so that the work grows with the text and not with its square.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import phonenumbers
from stdnum import iban, luhn

from assay.judging.patterns import linear

MOST_CHECKS = 2000  # verifications of phone numbers and of IBANs a text, some 50 µs each
_CARD_DIGITS = (13, 19)
LEAST_DIGITS = 7  # of a phone number
_PHONE_DIGITS = (LEAST_DIGITS, 15)
_PHONE_GROUPS = 6
_IBAN_CHARS = (15, 34)
_DIGIT_RUNS = linear(r"\+?\(?\d(?:[ .()/\-]{0,3}\d)+")
_IBAN_START = linear(r"\b[A-Za-z]{2}\d{2} ?[A-Za-z0-9]")
_GROUP = linear(r"\d+")


def spans_of(pattern: Any, text: str) -> Iterator[tuple[int, int]]:
    """The matches of a pattern; where it has a group that took part, the group's."""
    for match in pattern.finditer(text):
        whole = match.span(1) if pattern.groups else (-1, -1)
        yield whole if whole != (-1, -1) else match.span()


def card_spans(text: str) -> Iterator[tuple[int, int]]:
    """Card numbers: 13 to 19 digits, alone or in groups, with an issuer's first digit and a valid Luhn digit."""
    for groups in _digit_groups(text):
        place = 0
        while place < len(groups):
            end = _card_end(text, groups, place)
            if end is not None:
                yield groups[place][0], groups[end][1]
                place = end
            place += 1


def iban_spans(text: str) -> Iterator[tuple[int, int]]:
    """IBANs, in one piece or in groups."""
    last = checks = 0
    for match in _IBAN_START.finditer(text):
        start = match.start()
        if start < last:
            continue
        ends = _alnum_ends(text, start)
        if len(ends) < _IBAN_CHARS[0]:
            continue
        checks += 1
        if checks > MOST_CHECKS:
            yield start, ends[-1]
            last = ends[-1]
            continue
        found = next((end for end in reversed(ends[_IBAN_CHARS[0] - 1 :]) if iban.is_valid(text[start:end])), None)
        if found is not None:
            yield start, found
            last = found


def phone_spans(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Phone numbers: with an international prefix from anywhere, else written in groups as one of the regions does."""
    checks = 0
    for groups in _digit_groups(text):
        place = 0
        while place < len(groups):
            found = None
            for end in range(min(place + _PHONE_GROUPS, len(groups)) - 1, place - 1, -1):
                start = _with_prefix(text, groups[place][0])
                if not _may_be_phone(text, start, groups[place : end + 1]):
                    continue
                checks += 1
                if checks > MOST_CHECKS or _is_phone(text[start : groups[end][1]], regions):
                    found = (start, groups[end][1], end)
                    break
            if found is not None:
                yield found[0], found[1]
                place = found[2]
            place += 1


def _digit_groups(text: str) -> Iterator[list[tuple[int, int]]]:
    """Runs of digits with little between them, each as the spans of its groups."""
    for run in _DIGIT_RUNS.finditer(text):
        start, end = run.span()
        yield [(start + a, start + b) for a, b in (match.span() for match in _GROUP.finditer(text[start:end]))]


def _card_end(text: str, groups: Sequence[tuple[int, int]], place: int) -> int | None:
    digits = ""
    best = None
    for end in range(place, len(groups)):
        if end > place and text[groups[end - 1][1] : groups[end][0]] not in (" ", "-"):
            break
        digits += text[groups[end][0] : groups[end][1]]
        if len(digits) > _CARD_DIGITS[1]:
            break
        if len(digits) >= _CARD_DIGITS[0] and digits[0] in "23456" and digits.isascii() and luhn.is_valid(digits):
            best = end
    return best


def _alnum_ends(text: str, start: int) -> list[int]:
    """Where each of the next letters or digits ends, up to 34 of them, single spaces passed over."""
    ends: list[int] = []
    place = start
    while place < len(text) and len(ends) < _IBAN_CHARS[1]:
        if text[place].isascii() and text[place].isalnum():
            ends.append(place + 1)
        elif text[place] != " " or text[place - 1] == " ":
            break
        place += 1
    return ends


def _with_prefix(text: str, start: int) -> int:
    while start > 0 and text[start - 1] in "+(":
        start -= 1
    return start


def _may_be_phone(text: str, start: int, groups: Sequence[tuple[int, int]]) -> bool:
    """Cheap signs: the number of digits, and a prefix or groups (a bare number is more often something else)."""
    digits = sum(end - begin for begin, end in groups)
    written = text[start] in "+(" or text[start : start + 2] == "00" or len(groups) > 1
    return _PHONE_DIGITS[0] <= digits <= _PHONE_DIGITS[1] and written


def _is_phone(written: str, regions: Sequence[str]) -> bool:
    if written.startswith("00"):
        written = f"+{written[2:]}"
    for region in (None,) if written[0] == "+" else regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(written, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
