"""Methods, one file each; `loop.Run` runs them all."""

from chainrule.solvers.gradient_descent import GradientDescent
from chainrule.solvers.loop import Before, Callback, NotFiniteAtStart, Outcome, Run, Solver, State, Step
from chainrule.solvers.newton import Newton, NewtonState
from chainrule.solvers.newton_cg import CGState, NewtonCG
from chainrule.solvers.plan import plan
from chainrule.solvers.stochastic import StochasticGradientDescent, StochasticState

__all__ = [
    "Before",
    "CGState",
    "Callback",
    "GradientDescent",
    "Newton",
    "NewtonCG",
    "NewtonState",
    "NotFiniteAtStart",
    "Outcome",
    "Run",
    "Solver",
    "State",
    "Step",
    "StochasticGradientDescent",
    "StochasticState",
    "plan",
]
