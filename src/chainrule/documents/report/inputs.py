"""What a report shows, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import InputError
from chainrule.studies.learned import Learned

if TYPE_CHECKING:
    from chainrule.charts.curves import TraceLike

# What the page reads of a result; what is missing is not shown.
READ = (
    "objective_line", "message", "n_rows", "n_epochs", "objective", "grad_norm", "alpha", "reads", "seconds", "method",
)  # fmt: skip


@dataclass(frozen=True)
class Coefficients:
    """The fitted weights, for the table and the forest of odds ratios.

    Parameters
    ----------
    names : sequence of str, length n
        Names of the design's columns.
    w, b : array_like (n,), float
        In the user's units: log-odds per unit.
    w_fit : array_like (n,)
        In the units of the fit.
    scale : array_like (n,)
        Standard deviation of each number in the user's units, where it is known; 1 elsewhere.
    numeric : array_like (n,) of bool, optional
        Which columns are numbers; the others are marks of a level or of a missing value. If not given, those with
        another scale than 1.
    digits, b_digits : array_like (n,) of int and int, optional
        How many digits of each are proven to be the optimum's.
    """

    names: Sequence[str]
    w: ArrayLike
    b: float
    w_fit: ArrayLike
    scale: ArrayLike
    numeric: ArrayLike | None = None
    digits: ArrayLike | None = None
    b_digits: int | None = None


@dataclass(frozen=True)
class Learning:
    """Gradient descent to the same optimum, for a page whose model came from another method.

    result, trace: as those of the page.
    """

    result: Mapping[str, Any]
    trace: "TraceLike"


@dataclass(frozen=True)
class Part:
    """Training rows or held-out rows.

    Parameters
    ----------
    metrics : mapping
        "rows", "loss", "accuracy", "auc", "base_rate", "base_loss", "base_accuracy"; what is missing or None is not shown.
    z : array_like (m,)
        Log-odds of its rows.
    y : array_like (m,)
        Their classes, 0 or 1.
    """

    metrics: Mapping[str, Any]
    z: ArrayLike
    y: ArrayLike


@dataclass(frozen=True)
class ReportInputs:
    """All that a report shows.

    Parameters
    ----------
    title : str
        Heading of the page.
    result : mapping
        `Result.to_dict()`; what is missing or None is not shown.
    trace : Trace
        What training recorded; anything with `columns` will do.
    coefficients : Coefficients
    training : Part
    held_out : Part, optional
    schema : mapping
        `Schema.to_dict()`; "target", "negative" and "positive" are read.
    explanation : mapping, optional
        `RowExplanation.to_dict()` of the row to show; with "part" ("training" or "held out") the page says where it
        is from, with "closest" that it is the training row that the model gets right by the smallest margin.
    predictions : sequence of mapping
        "row", "probability", "class" of the rows asked for.
    notes : sequence of str
        What a reader should know about data and fit, one sentence each; the result's warnings are added.
    sources : sequence of str
        Where the data come from, as text.
    learning : Learning, optional
        Gradient descent on the same objective: the learning curves are then its own.
    learned : Learned, optional
        How the run of the learning curves learned.
    """

    title: str
    result: Mapping[str, Any]
    trace: "TraceLike"
    coefficients: Coefficients
    training: Part
    held_out: Part | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    explanation: Mapping[str, Any] | None = None
    predictions: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    sources: Sequence[str] = ()
    learning: Learning | None = None
    learned: Learned | None = None


def check_inputs(inputs: ReportInputs) -> None:
    """Refuse arrays that don't belong together."""
    c = inputs.coefficients
    lengths = {len(c.names), np.size(c.w), np.size(c.w_fit), np.size(c.scale)}
    if len(lengths) > 1:
        raise InputError("the report's coefficients need as many names, w, w_fit and scale as there are features")
    for part, what in ((inputs.training, "training"), (inputs.held_out, "held-out")):
        if part is not None and np.size(part.z) != np.size(part.y):
            raise InputError(
                f"the report's {what} rows have {np.size(part.z)} z and {np.size(part.y)} y: give one a row"
            )


def numeric_columns(c: Coefficients) -> NDArray[np.bool_]:
    """Tell which columns are numbers."""
    numeric = np.asarray(c.scale, dtype=np.float64) != 1 if c.numeric is None else c.numeric
    return np.asarray(numeric, dtype=np.bool_)


def is_newton(result: Mapping[str, Any]) -> bool:
    """Tell a run of Newton's method by its result."""
    return str(result.get("method")).startswith("newton")
