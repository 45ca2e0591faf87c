"""Methods, one file each; `loop.Run` runs them all."""

from chainrule.solvers.gradient_descent import GradientDescent
from chainrule.solvers.loop import Callback, NotFiniteAtStart, Outcome, Run, Solver, State, Step

SOLVERS = {"gradient-descent": GradientDescent}

__all__ = ["SOLVERS", "Callback", "GradientDescent", "NotFiniteAtStart", "Outcome", "Run", "Solver", "State", "Step"]
