"""The certificate: rigorous bounds on the distance from the optimum, rounding included.

Pure mathematics on small matrices: the caller provides the matrix, the gradient and the norms; no data are read here.
"""

from chainrule.certificate.bounds import Bound as Bound
from chainrule.certificate.bounds import bound as bound
from chainrule.certificate.factor import Factor as Factor
from chainrule.certificate.rounding import objective_rounding as objective_rounding
from chainrule.certificate.statement import Certificate as Certificate
from chainrule.certificate.statement import digits_of as digits_of
from chainrule.certificate.wide import bound_by_dual as bound_by_dual
from chainrule.certificate.wide import bound_by_penalty as bound_by_penalty
