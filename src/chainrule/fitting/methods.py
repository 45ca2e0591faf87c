"""The methods of a fit, in one table: all that other modules ask about a method is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.fitting.problem import Ending, Problem

RATE = ("learning_rate", "epochs")


@dataclass(frozen=True)
class Method:
    """A method.

    name : as in `fit`. words, title : what it is called in a list of facts, and in a sentence or a picture.
    function : the module in `fitting` and the function that runs it. noun : what one of its epochs is called.
    options : those of `fit` that only some methods take. If the method is "auto" and any of them are given, the first method
    that takes them all is used.
    by_reads : its run is limited and drawn by the reads of the data, as a step may take several or only a part of one.
    is_scale_free : its path doesn't depend on the units of the columns, so the command line doesn't standardise them.
    """

    name: str
    words: str
    title: str
    function: str
    noun: str = "epoch"
    options: tuple[str, ...] = ()
    by_reads: bool = False
    is_scale_free: bool = False

    def load(self) -> Callable[[Problem], Ending]:
        """Import its function. Not earlier, as all methods need SciPy, which `chainrule predict` doesn't load."""
        module, name = self.function.split(".")
        function: Callable[[Problem], Ending] = getattr(import_module(f"chainrule.fitting.{module}"), name)
        return function


def _newton(name: str, function: str) -> Method:
    return Method(name, name, "Newton’s method", function, noun="step", by_reads=True, is_scale_free=True)


NEWTON = _newton("newton", "optimize.optimize")
NEWTON_CG = _newton("newton-cg", "conjugate.optimize_by_products")
DESCENT = Method("gradient-descent", "gradient descent", "gradient descent", "descend.descend", options=RATE)
SGD = Method(
    "sgd",
    "stochastic gradient descent",
    "stochastic gradient descent",
    "descend.descend",
    options=(*RATE, "batch_size", "schedule", "resume"),
)
METHODS = {method.name: method for method in (NEWTON, NEWTON_CG, DESCENT, SGD)}


def owner_of(option: str) -> Method:
    """Return the first method that takes an option of only some methods."""
    return next(method for method in METHODS.values() if option in method.options)
