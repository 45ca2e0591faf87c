"""Cells as numbers: per cent, currency, dates, times; and parts of dates."""

import datetime
import math

import numpy as np
import pytest

from chainrule.data.readings import MONTHS, PARTS, READINGS, WEEKDAYS, date_text, looks_like_date, reading_of

DAY = datetime.date(1970, 1, 1)


def read(cells):
    key = reading_of(cells)
    return key, value_of(key, *cells) if key else None


def value_of(key, *cells):
    return READINGS[key].values([READINGS[key].number(cell) for cell in cells])


@pytest.mark.parametrize(
    ("cells", "key", "numbers"),
    [
        (["13%", "1.5 %", "-0.25%", "1,200%", " 7 % "], "%", [13, 1.5, -0.25, 1200, 7]),
        (["$1,200.50", "$3", "-$4", "$ -5", "$.5"], "$", [1200.5, 3, -4, -5, 0.5]),
        (["12 €", "1,234 €"], "€", [12, 1234]),
        (["1,5 %", "1.234,75 %"], "%,", [1.5, 1234.75]),
        (["1 234,50\N{NO-BREAK SPACE}€", "−3\N{NARROW NO-BREAK SPACE}€"], "€,", [1234.5, -3]),
        (["£1'234'567.5", "£1"], "£", [1234567.5, 1]),
        (["2024-01-31", "1969-12-31"], "days", [19753.0, -1.0]),
        (["2024-01-31 06:00", "2024-01-31T12:00:00", "2024-01-31"], "days", [19753.25, 19753.5, 19753.0]),
        (["2024-01-31T06:00:00Z", "2024-01-31 08:00:00 +02:00"], "days, UTC", [19753.25, 19753.25]),
        (["31.1.2024", "01.02.2024"], "days, d.m.y", [19753.0, 19754.0]),
        (["1/31/2024", "02/01/2024"], "days, m/d/y", [19753.0, 19754.0]),
        (["31/1/2024", "01/02/2024"], "days, d/m/y", [19753.0, 19754.0]),
        (["31/1/2024 6:00", "01/02/2024 12:00:00.000"], "days, d/m/y", [19753.25, 19754.5]),
        (["2024/01/31 06:00:00", "2024/2/1"], "days, y/m/d", [19753.25, 19754.0]),
        (["06:00", "8:30", "23:59:59.5"], "hours", [6.0, 8.5, 24 - 0.5 / 3600]),
    ],
)
def test_cells_that_read_as_numbers(cells, key, numbers):
    found, values = read(cells)
    assert found == key
    np.testing.assert_allclose(values, numbers, rtol=1e-15)


@pytest.mark.parametrize(
    "cells",
    [
        [],
        ["1", "2"],  # text of digits is meant as text
        ["00042", "10000"],
        ["13%", "13"],  # is it 13 or 0.13?
        ["$5", "€5"],
        ["5%", "$5"],
        ["2024-01-31", "soon"],
        ["2024-02-30"],
        ["31.1.2024 25:00"],
        ["01/02/2024 06:00", "03/04/2024 07:30"],
        ["2024-01-31T06:00:00Z", "2024-01-31T06:00:00"],  # with and without a time zone
        ["01/02/2024", "03/04/2024"],  # January or February?
        ["25:00", "10:61"],
        ["1,50%", "1.50%"],  # is it 1.5 or 150?
        ["1.2.3", "1.10.2"],  # versions
        ["20240131"],
        ["-", "--"],
    ],
)
def test_cells_that_stay_text(cells):
    assert reading_of(cells) == ""


def test_a_reading_refuses_what_is_no_number_and_keeps_whole_numbers_exact():
    assert READINGS["number"].number("9007199254740993") == 9007199254740993
    assert READINGS["number"].number("0x1F") == 31
    assert math.isinf(READINGS["number"].number("-inf"))
    assert READINGS["number"].number("1,200.5") == 1200.5
    assert [READINGS["number"].number(cell) for cell in ("1,20", "a", "", "1e", "$5")] == [None] * 5


def test_days_agree_with_the_calendar():
    days = [datetime.date(1, 1, 1), datetime.date(1969, 7, 20), datetime.date(2000, 2, 29), datetime.date(9999, 12, 31)]
    for day in days:
        (number,) = value_of("days", day.isoformat())
        assert number == (day - DAY).days
        assert PARTS["year"].take(np.array([number]))[0] == day.year
        assert MONTHS[PARTS["month"].take(np.array([number]))[0]] == MONTHS[day.month - 1]
        assert WEEKDAYS[PARTS["weekday"].take(np.array([number]))[0]] == WEEKDAYS[day.weekday()]
        assert date_text(number) == day.isoformat()


def test_every_hour_is_found_though_a_day_has_no_exact_hours():
    cells = [f"2024-01-31 {hour:02}:{minute:02}" for hour in range(24) for minute in (0, 59)]
    days = value_of("days", *cells)
    np.testing.assert_array_equal(PARTS["hour"].take(days), np.repeat(np.arange(24), 2))
    assert [date_text(day) for day in days[1:]] == [f"{cell}:00" for cell in cells[1:]]


@pytest.mark.parametrize(
    "cell", ["01/02/2024", "5 Jan 2024", "Jan-2024", "2024/1/5", "1/2/24", "Mon, 5 Jan 2024", "2024-02-30"]
)
def test_other_dates_are_seen(cell):
    assert looks_like_date(cell)


@pytest.mark.parametrize("cell", ["1.2.3", "may", "Jan", "10/20", "192.168.0.1", "march hare", "2024", "red"])
def test_words_and_versions_are_no_dates(cell):
    assert not looks_like_date(cell)
