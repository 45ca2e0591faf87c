"""The options of a fit, checked once for Python and the command line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from chainrule.data.inputs import LARGEST_LIMIT, LARGEST_SEED, choice, number, strength, switch, whole_number
from chainrule.errors import InputError
from chainrule.findings import PYTHON, Front
from chainrule.fitting.methods import METHODS, Method, owner_of
from chainrule.fitting.result import Result
from chainrule.kernels.reading import MAX_THREADS
from chainrule.kernels.runs import SCHEDULES, Batches
from chainrule.losses import LOGISTIC, LOSSES, Loss
from chainrule.penalties import PENALTIES, ElasticNet
from chainrule.solvers import Callback

LARGEST_TOL = 1e-8  # of the default tol; if rounding leaves a larger gap, a warning says so


@dataclass(frozen=True)
class FitSpec:
    """The checked options of a fit, without the data. An option that is None is left to the method.

    tol : as given, or the default, which `on_rows` lowers to 1e-6/m for many rows. has_tol : whether it was given.
    C : scikit-learn's inverse strength, if given instead of alpha; `on_rows` computes alpha from it.
    penalty : its name in `PENALTIES`. standardize : as in `fit`, None if not given. start : (w0, b0) as given.
    batches, resume : for stochastic gradient descent, else None. given : the options given that only some methods take.
    """

    method: str = "auto"
    alpha: float = 0.0
    C: float | None = None
    fit_intercept: bool = True
    tol: float = LARGEST_TOL
    max_reads: int | None = None
    learning_rate: float | None = None
    standardize: bool | str | ArrayLike | None = None
    start: tuple[ArrayLike | None, float | None] = (None, None)
    n_threads: int | None = None
    callbacks: tuple[Callback, ...] = ()
    loss: Loss = LOGISTIC
    penalty: str = "ridge"
    batches: Batches | None = None
    resume: Result | None = None
    has_tol: bool = False
    given: tuple[str, ...] = ()
    front: Front = PYTHON

    @classmethod
    def of(
        cls,
        front: Front = PYTHON,
        *,
        method: str = "auto",
        alpha: float | None = None,
        C: float | None = None,
        fit_intercept: bool = True,
        tol: float | None = None,
        max_reads: int | None = None,
        epochs: int | None = None,
        learning_rate: float | str | None = None,
        standardize: bool | str | ArrayLike | None = None,
        w0: ArrayLike | None = None,
        b0: float | None = None,
        n_threads: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = (),
        batch_size: int | None = None,
        schedule: str | None = None,
        seed: int = 0,
        resume: Result | None = None,
        loss: str = "logistic",
        penalty: str = "ridge",
    ) -> FitSpec:
        """Check the options of `fit`; raises InputError with the names that options have in `front`.

        epochs : the same as max_reads, but implies gradient descent. learning_rate : None if not given.
        """
        name = front.option
        if epochs is not None and max_reads is not None:
            raise InputError(f"{name('epochs')} and {name('max_reads')} limit the same run: give one of them")
        limit, limited = (max_reads, "max_reads") if epochs is None else (epochs, "epochs")
        options = {"learning_rate": learning_rate, "epochs": epochs, "batch_size": batch_size, "schedule": schedule}
        given = tuple(option for option, value in {**options, "resume": resume}.items() if value is not None)
        method = choice(name("method"), method, ("auto", *sorted(METHODS)))
        taken = _asked(method, given).options
        batches = Batches(
            whole_number(name("batch_size"), 1 if batch_size is None else batch_size, 1, LARGEST_SEED),
            whole_number(name("seed"), seed, 0, LARGEST_SEED),
            choice(name("schedule"), "constant" if schedule is None else schedule, SCHEDULES),
        )
        spec = cls(
            method=method,
            alpha=strength(alpha, C, 1.0, front),
            C=C,
            fit_intercept=switch("fit_intercept", fit_intercept),
            tol=LARGEST_TOL if tol is None else number(name("tol"), tol, low=0.0),
            max_reads=None if limit is None else whole_number(name(limited), limit, 0, LARGEST_LIMIT),
            learning_rate=_learning_rate(front, learning_rate),
            standardize=standardize,
            start=(w0, b0),
            n_threads=None if n_threads is None else whole_number(name("n_threads"), n_threads, 1, MAX_THREADS),
            callbacks=_callbacks(callbacks),
            loss=_loss(loss),
            penalty=choice("penalty", penalty, PENALTIES),
            batches=batches if "batch_size" in taken else None,
            resume=_resumed(resume, {"w0": w0, "b0": b0}),
            has_tol=tol is not None,
            given=given,
            front=front,
        )  # fmt: skip
        for option in given:
            if option not in taken:
                of, asked = owner_of(option).name.replace("-", " "), name("method")
                raise InputError(f"{name(option)} is an option of {of}, and {asked} is {method}: leave one of them out")
        if not front.is_shell:
            return spec
        without = " and ".join(map(name, given))
        return replace(spec, front=replace(front, without=without and f" without {without}"))

    @property
    def more(self) -> str:
        """The way out for a run that reached its limit, by the limit's name; `LogisticRegression` knows max_reads alone."""
        is_default = self.front.is_shell and self.max_reads is None and not self.asked.by_reads
        return "more epochs" if "epochs" in self.given or is_default else "more reads"

    @property
    def asked(self) -> Method:
        """The method that the options imply; newton if they leave it to the data."""
        return _asked(self.method, self.given)

    def penalty_on(self, n: int) -> ElasticNet:
        """Make the penalty of n columns; raises InputError for one that no method can minimise."""
        made = PENALTIES[self.penalty](self.alpha, n)
        if not made.smooth:
            raise InputError(
                f"penalty {self.penalty!r} has corners, as sum |w_j| has, and no method minimises these yet: use 'ridge', or "
                "another penalty with a gradient everywhere"
            )
        return made

    def on_rows(self, m: int, sum_weights: float) -> FitSpec:
        """Fill in the default tol for m rows, and the alpha that C means for their weights."""
        alpha = self.alpha if self.C is None else strength(None, self.C, sum_weights, self.front)
        return replace(self, alpha=alpha, tol=self.tol if self.has_tol else default_tol(m))


def _asked(method: str, given: Sequence[str]) -> Method:
    if method != "auto":
        return METHODS[method]
    return next(method for method in METHODS.values() if set(given) <= set(method.options))


def default_tol(m: int) -> float:
    """Return the tol for m rows, if none is given."""
    return min(LARGEST_TOL, 1e-6 / m)


def _learning_rate(front: Front, given: float | str | None) -> float | None:
    if given is None or (isinstance(given, str) and given.strip().lower() == "auto"):
        return None
    name = front.option("learning_rate")
    try:
        return number(name, float(given) if front.is_shell else given, above=0.0)
    except (InputError, ValueError):
        raise InputError(f"{name} must be a positive number or {front.auto_rate}, not {given!r}") from None


def _loss(name: str) -> Loss:
    loss = LOSSES[choice("loss", name, LOSSES)]
    for what in ("steepest", "curvature", "bend"):
        if not 0.0 < getattr(loss, what) < math.inf:
            raise InputError(f"loss {name!r} has {what} {getattr(loss, what)}: bounds need a positive, finite number")
    return loss


def _callbacks(callbacks: Sequence[Callback] | Callback | None) -> tuple[Callback, ...]:
    if callbacks is None:
        return ()
    given = (callbacks,) if callable(callbacks) or not isinstance(callbacks, Iterable) else tuple(callbacks)
    for callback in given:
        if not callable(callback):
            raise InputError(f"callbacks must be functions of a Step, not {callback!r}")
    as_here = np.errstate(**np.geterr())  # a fit ignores overflow; its callbacks warn as the user's other code does
    return tuple(as_here(callback) for callback in given)


def _resumed(resume: Result | None, starts: dict[str, object]) -> Result | None:
    if resume is not None and not isinstance(resume, Result):
        raise InputError(f"resume must be the Result of an earlier fit, not {type(resume).__name__}")
    given = next((name for name, value in starts.items() if value is not None), "")
    if resume is not None and given:
        raise InputError(f"resume goes on from that fit's last point, not from {given}: leave {given} out, or resume")
    return resume
