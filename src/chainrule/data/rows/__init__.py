"""Data as rows. A solver needs only sums over rows; only the design knows how the numbers are stored."""

from chainrule.data.rows.rare import Rare, rare_rows
from chainrule.data.rows.rows import MAX_MATRIX_COLUMNS, Rows
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Moments, Units, power_of_two, theta_of

__all__ = [
    "MAX_MATRIX_COLUMNS", "Moments", "Rare", "Rows", "Units", "power_of_two", "rare_rows", "spread_rows", "theta_of",
]  # fmt: skip
