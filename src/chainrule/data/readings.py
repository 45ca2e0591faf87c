"""Reads text as numbers: "13%", "$1,200", dates, times; and takes parts of dates.

A reading is chosen once, when a fit learns a table, and kept in the model: other tables are read the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Number = int | float

SIGNS = ("%", "$", "€", "£", "¥")
_GAP = "[ \t\u00a0\u2009\u202f]*"
_MARKED = r"\d{1,3}(?P<mark>[,'’ \u00a0\u2009\u202f])\d{3}(?:(?P=mark)\d{3})*(?:\.\d*)?"
_DIGITS = rf"(?P<digits>{_MARKED}|\d+\.?\d*|\.\d+)(?P<power>[eE][+-]?\d+)?"
_SIGNED = rf"(?P<sign>[+−-]?){_GAP}(?P<before>[$€£¥]?){_GAP}(?P<inner>[+−-]?){_DIGITS}"
_QUANTITY = re.compile(rf"{_GAP}{_SIGNED}{_GAP}(?P<after>[%$€£¥]?){_GAP}", re.ASCII)
_BEGINS = re.compile(rf"{_GAP}[-+−$€£¥.\d]", re.ASCII)
_OTHER_NUMBER = re.compile(r"\s*(0x[0-9a-f]+|[+-]?(?:inf|infinity|nan))\s*", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(\.\d+)?)?)?(?P<zone> ?(Z|[+-]\d\d(:?\d\d)?))?)?", re.ASCII)
_OTHER_DATE = re.compile(
    r"\d{1,2}[-./]\d{1,2}[-./]\d{4}\b.*|\d{4}[-./]\d{1,2}[-./]\d{1,2}\b.*|\d{1,2}/\d{1,2}/\d{2}\b.*"
    r"|((mon|tue|wed|thu|fri|sat|sun)[a-z]*[,. ]+)?(\d{1,2}[-. ]+)?"
    r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-,. ]+\d{1,4}\b.*",
    re.ASCII | re.IGNORECASE,
)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,6})\d*)?)?", re.ASCII)
_THEN = r"( +(?P<time>\d{1,2}:\d\d(:\d\d(\.\d+)?)?))?"
ORDERS = {  # where they fit all of a column's cells and no other does
    "d.m.y": rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}){_THEN}",
    "d/m/y": rf"(?P<d>\d{{1,2}})/(?P<m>\d{{1,2}})/(?P<y>\d{{4}}){_THEN}",
    "m/d/y": rf"(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}})/(?P<y>\d{{4}}){_THEN}",
    "y/m/d": rf"(?P<y>\d{{4}})/(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}}){_THEN}",
}
_SWAPPED = str.maketrans(".,", ",.")
_EPOCH, _TICK = datetime(1970, 1, 1), timedelta(microseconds=1)
DAY, HOUR = 86_400_000_000, 3_600_000_000  # ticks
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def periods(ticks: NDArray[Any], period: int) -> Floats:
    """Divide whole ticks by a period's length; the same time gives the same bits in ticks of any length."""
    whole, rest = np.divmod(ticks.astype(np.int64), period)
    return np.asarray(whole + rest / period)


# --- cells as numbers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A way to read cells: what they hold, what the numbers are, and the number of a cell, None if it has none.

    period : if not 0, a cell's number counts ticks, and a column's numbers are periods of so many ticks.
    """

    holds: str
    says: str
    number: Callable[[str], Number | None]
    period: int = 0

    def values(self, numbers: Sequence[Number]) -> NDArray[Any]:
        """Make a column's numbers of its cells' numbers; whole numbers stay exact if int64 holds them."""
        values = np.array(numbers)
        if self.period:
            return periods(values, self.period)
        return values if values.dtype.kind in "if" else values.astype(np.float64)


def _quantity(cell: str, unit: str, has_comma: bool) -> Number | None:
    if not unit and cell.isdecimal() and cell.isascii():  # most cells of most columns
        return int(cell)
    found = _QUANTITY.fullmatch(cell.translate(_SWAPPED) if has_comma else cell)
    if found is None:
        return _other_number(cell) if not unit else None
    sign = found["sign"] + found["inner"]
    if found["before"] + found["after"] != unit or len(sign) > 1:
        return None
    text = sign.replace("−", "-") + found["digits"].replace(found["mark"] or ",", "")
    return int(text) if text.lstrip("+-").isdecimal() and not found["power"] else float(text + (found["power"] or ""))


def _other_number(cell: str) -> Number | None:
    found = _OTHER_NUMBER.fullmatch(cell)
    return None if found is None else int(found[1], 16) if "x" in found[1].lower() else float(found[1])


def _day(cell: str, is_zoned: bool) -> Number | None:
    found = _DATE.fullmatch(cell)
    if found is None or (found["zone"] is not None) != is_zoned:
        return None
    try:
        if not is_zoned:
            return (datetime.fromisoformat(cell) - _EPOCH) // _TICK
        when = datetime.fromisoformat(cell.replace(found["zone"], found["zone"].strip()))
        return (when.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // _TICK
    except (ValueError, OverflowError):
        return None


def _other_day(cell: str, form: re.Pattern[str]) -> Number | None:
    found = form.fullmatch(cell.strip())
    if found is None:
        return None
    hours, *others = (found["time"] or "0").split(":")
    return _day(f"{found['y']}-{found['m']:0>2}-{found['d']:0>2} {':'.join([hours.zfill(2), *others])}", is_zoned=False)


def _hour(cell: str) -> Number | None:
    found = _TIME.fullmatch(cell.strip())
    if found is None:
        return None
    hours, minutes, seconds, rest = (found[k] or "0" for k in (1, 2, 3, 4))
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 10**6 + int(rest.ljust(6, "0"))


def _signed() -> dict[str, Reading]:
    """List readings of numbers with a sign; one that ends in a comma has commas for points, and points for commas."""
    holds = {"%": "percentages", **{sign: f"amounts in {sign}" for sign in SIGNS[1:]}}
    says = {"%": "in per cent (13% is 13)", **{sign: f"in {sign}" for sign in SIGNS[1:]}}
    commas = {"": "", ",": ", with decimal commas"}
    return {
        sign + mark: Reading(holds[sign], says[sign] + also, partial(_quantity, unit=sign, has_comma=bool(mark)))
        for mark, also in commas.items()
        for sign in SIGNS
    }


def _dates() -> dict[str, Reading]:
    """List readings of dates: as ISO 8601 has them, without and with a time zone, and with the day or month first."""
    says = "in days since 1970-01-01"
    return {
        "days": Reading("dates", says, partial(_day, is_zoned=False), DAY),
        "days, UTC": Reading("dates with a time zone", f"{says}, in UTC", partial(_day, is_zoned=True), DAY),
        **{
            f"days, {order}": Reading(
                f"dates written {order}", says, partial(_other_day, form=re.compile(form, re.ASCII)), DAY
            )
            for order, form in ORDERS.items()
        },
    }


READINGS: dict[str, Reading] = {
    "number": Reading("numbers", "", partial(_quantity, unit="", has_comma=False)),
    **_signed(),
    **_dates(),
    "hours": Reading("times of day", "in hours since midnight", _hour, HOUR),
}


def reading_of(cells: Sequence[str]) -> str:
    """Find the reading that gives every cell a number with a sign, a date or a time.

    Empty if there is none, or if the cells don't tell whether a date's day or month comes first.
    """
    if not cells or not any(mark in cells[0] for mark in ("-", "/", ".", ":", *SIGNS)):
        return ""
    keys = (key for key in READINGS if key != "number" and READINGS[key].number(cells[0]) is not None)
    found = [key for key in keys if all(READINGS[key].number(cell) is not None for cell in cells)]
    is_open = len(found) > 1 and found[0].startswith("days")
    return found[0] if found and not is_open else ""


def may_be_number(cell: str) -> bool:
    """Whether a cell begins as numbers, amounts, dates and times do."""
    return _BEGINS.match(cell) is not None


def looks_like_date(cell: str) -> bool:
    """Whether a cell seems to be a date, perhaps one that can't be read."""
    return _DATE.fullmatch(cell) is not None or _OTHER_DATE.fullmatch(cell.strip()) is not None


# --- parts of dates ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DatePart:
    """A part of dates: from days since 1970-01-01 to whole numbers; their names if they are categories."""

    take: Callable[[Floats], NDArray[Any]]
    names: tuple[str, ...] = ()


def _months(days: Floats) -> NDArray[Any]:
    return np.floor(days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _hours(days: Floats) -> NDArray[Any]:
    microseconds = np.round((days - np.floor(days)) * 86_400e6)  # 10:00 is not quite 10/24 of a day
    return np.asarray(microseconds // 3_600e6, dtype=np.int64)


PARTS: dict[str, DatePart] = {
    "year": DatePart(lambda days: _months(days) // 12 + 1970),
    "month": DatePart(lambda days: _months(days) % 12, MONTHS),
    "weekday": DatePart(lambda days: (np.floor(days).astype(np.int64) + 3) % 7, WEEKDAYS),  # 1970-01-01 was a Thursday
    "hour": DatePart(_hours, tuple(f"{hour:02}" for hour in range(24))),
}


def date_text(days: float) -> str:
    """Write days since 1970-01-01 as a date, with the time if there is one."""
    when = _EPOCH + timedelta(microseconds=round(days * 86_400e6))
    return when.isoformat(" ") if days % 1 else when.date().isoformat()
