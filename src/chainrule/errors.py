"""What a user is told when something is wrong: one class a cause, one clear sentence each."""

import os
import sys
import warnings

from chainrule.words import visible


class InputError(ValueError):
    """The user's data or options can't be used; the message names the culprit and the way out.

    Raised with a text, or with a finding whose sentence the command line puts in its own words.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class ChainruleWarning(UserWarning):
    """Base of all warnings: the answer stands, and there is something to know about it."""

    def __str__(self) -> str:
        return visible(super().__str__())


class LearningRateWarning(ChainruleWarning):
    """The learning rate is above the largest stable one."""


class DivergenceWarning(ChainruleWarning):
    """The loss rose far above its start, so training was stopped."""


class OscillationWarning(ChainruleWarning):
    """The loss went up and down while training."""


class CrawlingWarning(ChainruleWarning):
    """At the rate seen, training will end long before it reaches `tol`."""


class NotConvergedWarning(ChainruleWarning):
    """Training ended before it reached `tol`."""


class SeparationWarning(ChainruleWarning):
    """A plane keeps the classes apart, so that no finite coefficients are optimal."""


class CollinearityWarning(ChainruleWarning):
    """Columns are combinations of others, so that many coefficients are equally good."""


class ThinnedTraceWarning(ChainruleWarning):
    """The trace would have outgrown its memory, so only every k-th epoch was kept."""


def warn(kind: type[ChainruleWarning], what: object) -> None:
    """Warn at the line of the user's that called into this package, however deep that is; what: a text, or reads as one."""
    home = os.path.dirname(__file__)
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename).startswith(home):
        frame, level = frame.f_back, level + 1
    warnings.warn(kind(what), stacklevel=level)
