"""What can go wrong with a fit: unstable learning rates, bad runs, and data without an optimum.

rate           the largest stable learning rate
runs           runs that diverge, oscillate, crawl or hover
collinearity   columns that are combinations of others, tried on every row
separation     classes that a plane keeps apart, proven on every row
overlap        Newton's method and linear programs for it, and the proof that nothing separates
exact          signs and elimination without a rounding error

All but the first two need SciPy and are imported where they are used.
"""

from chainrule.diagnosis.rate import expected_smoothness, largest_curvature
from chainrule.diagnosis.runs import NoiseMonitor, RunMonitor, epochs_by_trend, epochs_left

__all__ = ["NoiseMonitor", "RunMonitor", "epochs_by_trend", "epochs_left", "expected_smoothness", "largest_curvature"]
