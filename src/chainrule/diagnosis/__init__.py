"""What can go wrong with a fit: unstable learning rates, bad runs, and data without an optimum.

rate           the largest stable learning rate
runs           runs that diverge, oscillate, crawl or hover
collinearity   columns that are combinations of others, checked on every row
separation     classes that a plane separates, proven on every row
overlap        Newton's method and linear programs for `separation`, and the proof that no plane separates
exact          signs and elimination without a rounding error

All but the first two need SciPy and are imported where they are used.
"""

from chainrule.diagnosis.rate import expected_smoothness, largest_curvature
from chainrule.diagnosis.runs import NoiseMonitor, RunMonitor, epochs_by_trend, epochs_left

__all__ = ["NoiseMonitor", "RunMonitor", "epochs_by_trend", "epochs_left", "expected_smoothness", "largest_curvature"]
