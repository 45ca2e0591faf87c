"""Logistic regression as the smallest neural network, with nothing hidden.

Names load on first use: importing the package loads neither NumPy nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule import graph as graph
    from chainrule import studies as studies
    from chainrule.certificate import Certificate as Certificate
    from chainrule.errors import *  # noqa: F403
    from chainrule.estimator import LogisticRegression as LogisticRegression
    from chainrule.explain import explain_row as explain_row
    from chainrule.fitting.fit import fit as fit
    from chainrule.fitting.held_out import HeldOut as HeldOut
    from chainrule.fitting.reference import certify as certify
    from chainrule.fitting.result import Result as Result
    from chainrule.model.model import Model as Model
    from chainrule.model.model import load_model
    from chainrule.solvers.trace import Trace as Trace

    load = load_model

__version__ = "0.1.0"

_ERRORS = (
    "ChainruleWarning", "CollinearityWarning", "CrawlingWarning", "DivergenceWarning", "IdentifierWarning", "InputError",
    "LearningRateWarning", "MissingWarning", "NotConvergedWarning", "OscillationWarning", "SeparationWarning",
    "TextWarning", "ThinnedTraceWarning",
)  # fmt: skip
_HOMES = dict.fromkeys(_ERRORS, "chainrule.errors") | {
    "Certificate": "chainrule.certificate",
    "HeldOut": "chainrule.fitting.held_out",
    "LogisticRegression": "chainrule.estimator",
    "Model": "chainrule.model.model",
    "Result": "chainrule.fitting.result",
    "Trace": "chainrule.solvers.trace",
    "certify": "chainrule.fitting.reference",
    "explain_row": "chainrule.explain",
    "fit": "chainrule.fitting.fit",
    "load": "chainrule.model.model:load_model",
}
_MODULES = ("graph", "studies")

__all__ = sorted(["__version__", *_HOMES, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"chainrule.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    module, _, own_name = _HOMES[name].partition(":")
    found = globals()[name] = getattr(import_module(module), own_name or name)
    return found


def __dir__() -> list[str]:
    return __all__
