"""Methods, one file each; `loop.Run` runs them all."""

from chainrule.solvers.gradient_descent import GradientDescent as GradientDescent
from chainrule.solvers.loop import Before as Before
from chainrule.solvers.loop import Callback as Callback
from chainrule.solvers.loop import NotFiniteAtStart as NotFiniteAtStart
from chainrule.solvers.loop import Outcome as Outcome
from chainrule.solvers.loop import Run as Run
from chainrule.solvers.loop import Step as Step
from chainrule.solvers.newton import Newton as Newton
from chainrule.solvers.newton import NewtonState as NewtonState
from chainrule.solvers.newton_cg import CGState as CGState
from chainrule.solvers.newton_cg import NewtonCG as NewtonCG
from chainrule.solvers.plan import plan as plan
from chainrule.solvers.stochastic import StochasticGradientDescent as StochasticGradientDescent
from chainrule.solvers.stochastic import StochasticState as StochasticState
