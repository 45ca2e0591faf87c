"""What others call coefficients: R, statsmodels, scikit-learn and more."""

import re
from collections.abc import Mapping, Sequence

from chainrule.data.schema import BOOLEANS, MISSING_LEVEL, Column, feature_names
from chainrule.data.words import shown
from chainrule.errors import InputError

INTERCEPT = ("intercept", "(intercept)", "intercept_", "const", "_cons", "bias", "b")  # in lower case
# how others write a level: R; patsy and statsmodels, glum; pandas and scikit-learn; H2O and R's caret; Julia
FORMS = ("{}{}", "{}[T.{}]", "{}[{}]", "{}_{}", "{}.{}", "{}: {}")


def spellings(columns: Sequence[Column]) -> dict[str, list[str]]:
    """Map what coefficients may be called to the names here, reference levels included; some spellings mean several."""
    known: dict[str, list[str]] = {}
    for column in columns:
        for name in column.design_names():
            level = name.removeprefix(f"{column.name}=") if column.levels else ""
            _add(known, column.name, level, name)
        if column.levels and not column.all_levels:
            _add(known, column.name, column.levels[0], f"{column.name}={column.levels[0]}")
    return known | {name: [name] for name in feature_names(columns)}


def _add(known: dict[str, list[str]], column: str, level: str, name: str) -> None:
    """Add what R, statsmodels, scikit-learn and others call a level."""
    ways = [level]
    if level in BOOLEANS:
        ways += [level.capitalize(), level.upper()]
    if level == MISSING_LEVEL:
        ways += ["nan", "None", "NA"]
    if re.fullmatch(r"-?\d+", level):
        ways += [f"{level}.0"]
    for spelled in dict.fromkeys([name, *(form.format(column, way) for form in FORMS for way in ways if level)]):
        known.setdefault(spelled, []).append(name)


def meant(given: str, known: Mapping[str, list[str]], where: str = "") -> str:
    """Return the name here of a coefficient; the name as given if it is unknown. where : begins the message of an error."""
    plain = re.sub(r"""\bQ\((["'])(.+?)\1\)""", r"\2", given).replace("`", "")
    plain = re.sub(r"^(?:C|factor|as\.factor)\(\s*(.+?)\s*(?:,.*)?\)(.+)$", r"\1\2", plain)
    # scikit-learn puts the transformer's name first, as in onehot__species_Gentoo
    for spelled in (given, plain, plain.partition("__")[2]):
        names = known.get(spelled, [])
        if len(names) > 1:
            raise InputError(
                f"{where}{shown(given)} may be {' or '.join(map(shown, names))}: write the one that is meant"
            )
        if names:
            return names[0]
    return given
