"""How a run learned: from what it recorded, and from a few reads at the points that it passed."""

from chainrule.learned.gradients import Gradients, gradients_of
from chainrule.learned.maps import Maps, maps_of
from chainrule.learned.progress import NEAR, HalfTime, HeldOutProgress, Progress, progress_of

__all__ = [
    "NEAR",
    "Gradients",
    "HalfTime",
    "HeldOutProgress",
    "Maps",
    "Progress",
    "gradients_of",
    "maps_of",
    "progress_of",
]
