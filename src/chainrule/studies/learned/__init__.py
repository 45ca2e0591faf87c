"""How a run learned: from what it recorded, and from a few reads at the points that it passed."""

from chainrule.studies.learned.gradients import AT_OPTIMUM, Gradients, gradients_of
from chainrule.studies.learned.maps import Maps, maps_of, maps_over
from chainrule.studies.learned.progress import NEAR, HalfTime, HeldOutProgress, Progress, progress_of
from chainrule.studies.learned.whole import Learned, learned_by

__all__ = [
    "AT_OPTIMUM", "NEAR", "Gradients", "HalfTime", "HeldOutProgress", "Learned", "Maps", "Progress", "gradients_of",
    "learned_by", "maps_of", "maps_over", "progress_of",
]  # fmt: skip
