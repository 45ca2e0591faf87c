"""Data as rows. A solver needs sums over rows only; how the numbers are stored is known to the design alone."""

from chainrule.data.rows.rare import Rare, rare_rows
from chainrule.data.rows.rows import MAX_MATRIX_COLUMNS, Rows
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Moments, Units, power_of_two

__all__ = ["MAX_MATRIX_COLUMNS", "Moments", "Rare", "Rows", "Units", "power_of_two", "rare_rows", "spread_rows"]
