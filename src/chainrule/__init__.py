"""Logistic regression as the smallest neural network, with nothing hidden.

Names load on first use: importing the package loads neither NumPy nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule import graph as graph
    from chainrule.errors import ChainruleWarning as ChainruleWarning
    from chainrule.errors import InputError as InputError

__version__ = "0.1.0"

_HOMES = {
    "ChainruleWarning": "chainrule.errors",
    "InputError": "chainrule.errors",
}
_MODULES = ("graph",)

__all__ = ["ChainruleWarning", "InputError", "__version__", "graph"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"chainrule.{name}")
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
