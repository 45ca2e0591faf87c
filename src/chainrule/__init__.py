"""Logistic regression as the smallest neural network, with nothing hidden.

Names load on first use: importing the package loads neither NumPy nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule import graph as graph
    from chainrule import studies as studies
    from chainrule.certificate import Certificate as Certificate
    from chainrule.errors import ChainruleWarning as ChainruleWarning
    from chainrule.errors import CollinearityWarning as CollinearityWarning
    from chainrule.errors import CrawlingWarning as CrawlingWarning
    from chainrule.errors import DivergenceWarning as DivergenceWarning
    from chainrule.errors import InputError as InputError
    from chainrule.errors import LearningRateWarning as LearningRateWarning
    from chainrule.errors import NotConvergedWarning as NotConvergedWarning
    from chainrule.errors import OscillationWarning as OscillationWarning
    from chainrule.errors import SeparationWarning as SeparationWarning
    from chainrule.errors import ThinnedTraceWarning as ThinnedTraceWarning
    from chainrule.estimator import LogisticRegression as LogisticRegression
    from chainrule.explain import explain_row as explain_row
    from chainrule.fitting.fit import fit as fit
    from chainrule.fitting.held_out import HeldOut as HeldOut
    from chainrule.fitting.reference import certify as certify
    from chainrule.fitting.result import Result as Result
    from chainrule.solvers.trace import Trace as Trace

__version__ = "0.1.0"

_HOMES = {
    "Certificate": "chainrule.certificate",
    "ChainruleWarning": "chainrule.errors",
    "CollinearityWarning": "chainrule.errors",
    "CrawlingWarning": "chainrule.errors",
    "DivergenceWarning": "chainrule.errors",
    "LearningRateWarning": "chainrule.errors",
    "NotConvergedWarning": "chainrule.errors",
    "OscillationWarning": "chainrule.errors",
    "SeparationWarning": "chainrule.errors",
    "ThinnedTraceWarning": "chainrule.errors",
    "HeldOut": "chainrule.fitting.held_out",
    "InputError": "chainrule.errors",
    "LogisticRegression": "chainrule.estimator",
    "Result": "chainrule.fitting.result",
    "certify": "chainrule.fitting.reference",
    "explain_row": "chainrule.explain",
    "Trace": "chainrule.solvers.trace",
    "fit": "chainrule.fitting.fit",
}
_MODULES = ("graph", "studies")

__all__ = [
    "Certificate",
    "ChainruleWarning",
    "CollinearityWarning",
    "CrawlingWarning",
    "DivergenceWarning",
    "HeldOut",
    "InputError",
    "LearningRateWarning",
    "LogisticRegression",
    "NotConvergedWarning",
    "OscillationWarning",
    "Result",
    "SeparationWarning",
    "ThinnedTraceWarning",
    "Trace",
    "__version__",
    "certify",
    "explain_row",
    "fit",
    "graph",
    "studies",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"chainrule.{name}")
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
