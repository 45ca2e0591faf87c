"""What one can do with a fit: the face that a `Result` and a loaded `Model` share.

Each method loads the room that does its work when it is called, as that room is above this one.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import InputError
from chainrule.findings import Finding, warn_of
from chainrule.words import Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from chainrule.documents.player import Player
    from chainrule.explain import RowExplanation
    from chainrule.fitting.result import Result
    from chainrule.model.model import Model

Vector = NDArray[np.float64]


class Fitted(Shown):
    """Base of `Result` and `Model`: predictions, coefficients, explained rows, plots and files.

    X is an array, a SciPy sparse matrix or a frame of any library, as `chainrule.fit` takes it. A frame's columns are found
    by their names and encoded as in the fit; an array's are known by their places. All methods raise InputError, with the
    name of the column, for data that can't be used.

    unseen : "error", "reference" or "missing"
        How to treat a level that the fit did not see: refuse it, or take it as the first level or as missing. "reference" also
        fills missing numbers with the mean in columns that had none missing in the fit.
    """

    if TYPE_CHECKING:

        @property
        def classes(self) -> tuple[Any, Any]:
            """Labels of y = 0 and y = 1."""

        @property
        def w(self) -> Vector:
            """Weights, (n,), in the user's units."""

        @property
        def b(self) -> float:
            """Bias."""

    def __repr__(self) -> str:
        """One line; `print` shows more."""
        return f"<{type(self).__name__}: {self._line()}>"

    def _line(self) -> str:
        raise NotImplementedError

    @cached_property
    def model(self) -> Model:
        """The model alone, which `save` writes: how rows are encoded, and the coefficients."""
        from chainrule.model.model import Model

        return Model.of(self.recorded)

    def decision_function(self, X: Any, unseen: str = "error") -> Vector:
        """Log-odds z of each row, (m,); finite, with `w` in place of infinite coefficients."""
        from chainrule.data.applied import blocks_for

        model = self.model
        return model.decision(blocks_for(model.schema, X, unseen))

    def predict_proba(self, X: Any, unseen: str = "error") -> Vector:
        """Probabilities of classes[0] and classes[1], (m, 2), each with full relative accuracy.

        They have the same bits as those of `chainrule predict`: 0 and 1 where an infinite coefficient decides, and NaN with a
        warning where two of both signs meet.
        """
        z, probability = self.log_odds(X, unseen), self.model.loss_function.probability
        return np.column_stack([probability(-z), probability(z)])

    def predict(self, X: Any, unseen: str = "error") -> NDArray[Any]:
        """Class of each row, (m,): classes[1] if z > 0; where z is undetermined, classes[0] with a warning."""
        return np.array(self.classes)[(self.log_odds(X, unseen) > 0).astype(np.intp)]

    def log_odds(self, X: Any, unseen: str = "error") -> Vector:
        """Log-odds of each row, (m,): inf or -inf where an infinite coefficient decides, and NaN where both signs meet."""
        from chainrule.data.applied import blocks_for

        model = self.model
        blocks = blocks_for(model.schema, X, unseen)
        z = model.predicted(blocks, model.decision(blocks))
        if np.isnan(z).any():
            warn_of(Finding("undetermined", {"rows": int(np.isnan(z).sum())}))
        return z

    def coefficients(self, backend: str | None = None) -> Any:
        """Return the bias and the coefficients as a frame, one row each.

        Parameters
        ----------
        backend : "pandas", "polars" or "pyarrow", optional
            The frame's library. Default: the library of the fit's X; pyarrow for an array.

        Returns
        -------
        frame
            Columns: variable, level (of a category, or "(missing)"), coefficient (log-odds of one unit, or of the level
            against the reference), odds_ratio (exp of it), error (proven distance from the optimum's, at most), digits
            (proven ones), reference (the category's level without a coefficient). Cells that don't apply are missing.
        """
        from chainrule.model.coefficients import coefficients

        return coefficients(self.model, backend)

    def explain(
        self, X: Any, y: ArrayLike | None, row: int, *, sample_weight: ArrayLike | None = None, epoch: int | None = None,
        unseen: str = "error",
    ) -> RowExplanation:  # fmt: skip
        """Explain one row of X forward and backward, with its share of the gradient over the rows of X.

        Parameters
        ----------
        X : as in the fit
            If this is the fit's data, the shares are those of the fit.
        y : (m,) array or None
            Labels; None if they are unknown, or a missing one: then nothing goes backward.
        row : int
            Position in X, from 0; negative ones count from the end. The explanation, as all output, counts from 1.
        sample_weight : (m,) array, optional
        epoch : int, optional
            The epoch whose coefficients are used, of a `Result`; default: the returned ones.
        """
        from chainrule.data.applied import encoded
        from chainrule.data.inputs import whole_number
        from chainrule.training import explained

        trace = None if epoch is None else self.recorded.trace
        epoch = None if epoch is None else whole_number("epoch", epoch)
        design = encoded(self.model.schema, X, y, sample_weight, unseen)
        return explained(self.model, design, _numbered(row, design.blocks.m), trace=trace, epoch=epoch)

    def as_arrays(self, X: Any, y: ArrayLike) -> tuple[Vector, Vector]:
        """Encode rows as dense numbers (m, n) in the user's units, a copy, and labels as 0 and 1, (m,).

        Rows that the fit would leave out, as values are missing, are left out here too.

        `chainrule.graph.logistic_graph(X, y, fitted)` calls it.
        """
        from chainrule.data.applied import encoded

        design = encoded(self.model.schema, X, y)
        if np.isnan(design.y).any():
            row = int(np.argmax(np.isnan(design.y))) + 1
            raise InputError(f"y has no label in row {row}: drop the rows without a label")
        rows = slice(None) if design.is_whole is None else design.is_whole
        return design.X[rows], design.y[rows]

    def save(self, path: str | Path) -> None:
        """Write the model to a file, for `chainrule.load` and for the commands of `chainrule`. Written whole or not at all."""
        from chainrule.model.model import save_model

        save_model(path, self.model)

    def report(
        self, path: str | Path, X: Any = None, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
        row: int | None = None, title: str | None = None, reader: str = "analyst",
    ) -> None:  # fmt: skip
        """Write a `Result` as one HTML page.

        Parameters
        ----------
        path : str or Path
            Written whole or not at all.
        X, y, sample_weight : as in the fit, optional
            The fit's data. The page then has everything that the report of `chainrule fit` has. Without them: what
            the result knows by itself, as a notebook shows it.
        row : int, optional
            Position in X, from 0, of the row to explain. Default: the row that is right by the smallest margin.
        title : str, optional
            Default: what is learned.
        reader : "analyst" or "learner"
            What comes first on the page: figures and coefficients; or one row early in gradient descent, forward, backward and
            to the step, and the derivation with exercises.
        """
        from chainrule.documents.fits import write_report, write_summary
        from chainrule.documents.report import order_for

        order_for(reader)
        if X is None and y is None and row is None:
            write_summary(path, self.recorded, title or "Logistic regression")
            return
        if X is None or y is None:
            raise InputError(
                "a report on data needs X and y: give both, or neither for what the result knows by itself"
            )
        from chainrule.data.applied import encoded
        from chainrule.training import training_on

        design = encoded(self.model.schema, X, y, sample_weight)
        chosen = None if row is None else _numbered(row, design.blocks.m)
        write_report(Path(path), training_on(self.recorded, design), row=chosen, title=title, reader=reader)

    def play(
        self, X: Any, y: ArrayLike, path: str | Path | None = None, *, sample_weight: ArrayLike | None = None
    ) -> Player:  # fmt: skip
        """Make a page for the browser in which gradient descent learns the rows, step by step, as `chainrule play` does.

        A `Result` of gradient descent plays its own run. For another method a run of gradient descent is made, with the same
        penalty, on standardised numbers. Of more than 2,000 rows, a sample is played; 200 coefficients
        are the most.

        Parameters
        ----------
        X, y, sample_weight : as in the fit
            The fit's data. The page holds these rows.
        path : str or Path, optional
            Write the page here, whole or not at all.

        Returns
        -------
        player
            A notebook shows it in place; `player.save(path)` writes it.
        """
        from chainrule.data.applied import encoded
        from chainrule.documents.player import player
        from chainrule.playing import play_result

        made = player(play_result(self.recorded, encoded(self.model.schema, X, y, sample_weight)))
        if path is not None:
            made.save(path)
        return made

    @property
    def recorded(self) -> Result:
        """The object as a `Result`; a loaded model has no record of its training."""
        raise InputError("a model file has no record of the training: use the Result of the fit")

    @property
    def plot(self) -> Plots:
        """Plots, as matplotlib axes: `plot.coefficients()`, `plot.loss()`, `plot.calibration(X, y)`."""
        return Plots(self)


def _numbered(row: int, m: int) -> int:
    """Return the number, from 1, of the row at a position in X."""
    try:
        return range(m)[row] + 1
    except (IndexError, TypeError):
        raise InputError(f"row must be a position in X, a whole number from 0 to {m - 1}, not {row!r}") from None


class Plots:
    """Plots of a fit. Each draws on `ax`, by default new axes of pyplot, and returns the axes; none calls `plt.show`."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted

    def coefficients(self, *, ax: Axes | None = None) -> Axes:
        """Draw odds ratios on a logarithmic axis by column, in the order in which `print` shows them; at most 30 lines."""
        from chainrule.charts.plots import coefficients
        from chainrule.documents.variables import odds_lines
        from chainrule.model.coefficients import by_column

        lines = odds_lines(by_column(self._fitted.model))
        return coefficients(positive=str(self._fitted.classes[1]), ax=ax, **lines)

    def loss(self, *, ax: Axes | None = None) -> Axes:
        """Draw the log-loss over the epochs of a `Result`'s run, or over the reads of the data if it had few steps."""
        from chainrule.charts.plots import loss
        from chainrule.fitting.methods import METHODS

        result = self._fitted.recorded
        return loss(result.trace, METHODS[result.method].by_reads, ax)

    def calibration(
        self, X: Any, y: ArrayLike, *, sample_weight: ArrayLike | None = None, unseen: str = "error",
        ax: Axes | None = None,
    ) -> Axes:  # fmt: skip
        """Draw how often the predicted probabilities came true in these rows, in bins of about as many rows each."""
        from chainrule.charts.plots import calibration
        from chainrule.data.applied import encoded
        from chainrule.fitting.metrics import calibration as compared

        model = self._fitted.model
        design = encoded(model.schema, X, y, sample_weight, unseen)
        z, s = model.predicted(design.blocks, model.decision(design.blocks)), design.weights
        known = design.labelled[~np.isnan(z[design.labelled])]
        if not len(known):
            raise InputError("y has no known label: there is nothing to compare the probabilities with")
        s, probability = None if s is None else s[known], model.loss_function.probability
        bins = compared(z[known], design.y[known], s, probability=probability)
        return calibration([vars(each) for each in bins], str(self._fitted.classes[1]), ax)
