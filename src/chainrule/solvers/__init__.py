"""Methods, one file each; `loop.Run` runs them all."""

from chainrule.solvers.gradient_descent import GradientDescent
from chainrule.solvers.loop import Callback, NotFiniteAtStart, Outcome, Run, Solver, State, Step
from chainrule.solvers.newton import Newton, NewtonState, plan

__all__ = [
    "Callback",
    "GradientDescent",
    "Newton",
    "NewtonState",
    "NotFiniteAtStart",
    "Outcome",
    "Run",
    "Solver",
    "State",
    "Step",
    "plan",
]
