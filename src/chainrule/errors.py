"""The errors and warnings that users see: one class for each cause, one clear sentence each."""

import os
import sys
import warnings

from chainrule.words import visible


class InputError(ValueError):
    """The user's data or options can't be used; the message says what is wrong and what to do.

    Raised with a text, or with a finding, whose sentence is worded differently on the command line.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class ChainruleWarning(UserWarning):
    """Base of all warnings: the result is valid, but there is something to know about it."""

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
    """A plane separates the classes, so no finite coefficients are optimal."""


class CollinearityWarning(ChainruleWarning):
    """Some columns are linear combinations of others, so many coefficients are equally good."""


class IdentifierWarning(ChainruleWarning):
    """A text column has a value of its own in nearly every row, so its coefficients say nothing about other rows."""


class TextWarning(ChainruleWarning):
    """A column holds numbers or dates but for a few cells, and these make it a category of text."""


class MissingWarning(ChainruleWarning):
    """A prediction fills in missing values, where the fit left such rows out."""


class ThinnedTraceWarning(ChainruleWarning):
    """The trace would have outgrown its memory, so only every k-th epoch was kept."""


def warn(kind: type[ChainruleWarning], what: object) -> None:
    """Warn at the user's line that called this package, however deep; what: a text, or an object that prints as one."""
    home = os.path.dirname(__file__)
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename).startswith(home):
        frame, level = frame.f_back, level + 1
    warnings.warn(kind(what), stacklevel=level)
