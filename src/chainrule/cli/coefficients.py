"""Anyone's coefficients as a model: names and numbers from a table or JSON, as R, broom, statsmodels and people write them."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.files import read_table
from chainrule.data.schema import Schema
from chainrule.data.words import near, shown, some
from chainrule.errors import InputError
from chainrule.model.model import Model

ENDINGS = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".json")  # other files are models
INTERCEPT = ("intercept", "(intercept)", "intercept_", "const", "_cons", "bias", "b")
# heads of columns, in lower case, with spaces in place of marks
NAMES = ("name", "term", "feature", "variable", "parameter", "ind")
COEFFICIENTS = ("coef", "coefficient", "coefficients", "estimate", "weight", "weights", "w", "beta", "value", "values")


def model_of(path: Path, schema: Schema, columns: Sequence[str]) -> Model:
    """Read coefficients of a table with these columns, in its units, as a model without a penalty.

    Raises InputError for a name that is missing, unknown or there twice, and for what is no number.
    """
    known = _spellings(schema)
    w = dict.fromkeys(schema.feature_names, math.nan)
    intercepts: dict[str, float] = {}
    for given, value in _numbers(path):
        if type(value) not in (int, float) or not math.isfinite(value):
            raise InputError(f"{path}: the coefficient of {shown(given)} is no finite number: {shown(str(value))}")
        name = known.get(given, given)
        kept = intercepts if name not in w and name.lower() in INTERCEPT else w
        if kept is w and name not in w:
            raise InputError(f"{path}: {_unknown(name, schema, columns)}")
        if not math.isnan(kept.get(name, math.nan)):
            raise InputError(f"{path}: {shown(name)} is there twice: keep one")
        kept[name] = float(value)
    missing = [name for name, value in w.items() if math.isnan(value)]
    if missing:
        raise InputError(f"{path} has no coefficient for {some(missing)}: add it, or leave the column out with --drop")
    if len(intercepts) != 1:
        which = (
            f"{some(intercepts)} are all intercepts: keep one" if intercepts else "has no row called intercept: add one"
        )
        raise InputError(f"{path} {which} (0 where the model has none)")
    (b,) = intercepts.values()
    numbers = np.array(list(w.values()))
    return Model(schema, numbers, b, numbers, b, np.zeros(len(w)), np.ones(len(w)), {"alpha": 0.0})


def _spellings(schema: Schema) -> dict[str, str]:
    """Give what coefficients may be called, and their names here: a level also as R and statsmodels spell it."""
    known: dict[str, str] = {}
    for name in schema.feature_names:
        column, is_level, level = name.partition("=")
        if is_level:
            known |= dict.fromkeys((f"{column}{level}", f"{column}[T.{level}]", f"C({column})[T.{level}]"), name)
    return known | {name: name for name in schema.feature_names}


def _unknown(name: str, schema: Schema, columns: Sequence[str]) -> str:
    """Say why a name has no place, and the way out."""
    references = {f"{c.name}={c.levels[0]}": c.design_names() for c in schema.columns if c.levels}
    if name in references:
        return (
            f"{shown(name)} is the level that the others are compared with: take its coefficient off those of "
            f"{some(references[name])}, add it to the intercept, and leave its line out"
        )
    column = name if name in columns else name.partition("=")[0]
    if column in columns:
        return (
            f"column {shown(column)} of the table is not used here: leave the coefficient of {shown(name)} out, or, where "
            "the column is constant, add the two's product to the intercept"
        )
    return f"the table has no column {shown(name)} as it is encoded: {near(name, schema.feature_names)}"


def _numbers(path: Path) -> Iterable[tuple[str, Any]]:
    """Read names and what stands beside them."""
    if path.suffix.lower() == ".json":
        try:
            return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: pairs)  # type: ignore[no-any-return]
        except (ValueError, RecursionError) as error:
            raise InputError(
                f'{path} is no JSON of names and numbers, such as {{"bill_length_mm": 0.2}}: {error}'
            ) from None
    table = read_table(path)
    heads = [re.sub(r"\W+|_+", " ", head.lower()).strip() for head in table.column_names]
    name = next((j for j, head in enumerate(heads) if head in NAMES), 0)
    others = [j for j, head in enumerate(heads) if head and j != name]  # columns without a head are row numbers
    meant = [j for j in others if heads[j] in COEFFICIENTS] or others
    if len(meant) != 1:
        raise InputError(
            f"{path} has the columns {some(table.column_names, 10)}: call the one with the names name, and one with the "
            "coefficients coef"
        )
    names, numbers = (table.column(j).to_pylist() for j in (name, meant[0]))
    return [("" if name is None else str(name), number) for name, number in zip(names, numbers, strict=True)]
