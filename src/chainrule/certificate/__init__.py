"""The certificate: rigorous bounds on the distance from the optimum, rounding included.

Pure mathematics on small matrices: whoever calls it brings the matrix, the gradient and the norms, and reads no data here.
"""

from chainrule.certificate.bounds import (
    Bound,
    audit_gap,
    best_lower_bound,
    bound,
    delta_between,
    h,
    h_lower_ratio,
    h_ratio,
    kappa_exact,
    kappa_upper,
    leave_out,
    moved,
    radius_ratio,
)
from chainrule.certificate.factor import Factor
from chainrule.certificate.rounding import (
    gradient_rounding,
    hessian_eta,
    norm_of_z_rounding,
    objective_rounding,
    reach_bound,
    z_rounding,
)
from chainrule.certificate.statement import KINDS, Certificate, digits_of
from chainrule.certificate.wide import bound_by_dual, bound_by_gradient, kl_divergence

__all__ = [
    "KINDS",
    "Bound",
    "Certificate",
    "Factor",
    "audit_gap",
    "best_lower_bound",
    "bound",
    "bound_by_dual",
    "bound_by_gradient",
    "delta_between",
    "digits_of",
    "gradient_rounding",
    "h",
    "h_lower_ratio",
    "h_ratio",
    "hessian_eta",
    "kappa_exact",
    "kappa_upper",
    "kl_divergence",
    "leave_out",
    "moved",
    "norm_of_z_rounding",
    "objective_rounding",
    "radius_ratio",
    "reach_bound",
    "z_rounding",
]
