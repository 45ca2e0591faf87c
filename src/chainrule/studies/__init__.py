"""Studies of how a logistic regression learns: each runs, measures, and says in words and pictures what it found.

`learning_rate`, `centering`, `scaling` and `batches` are functions of arrays; their results have `runs`, `conclusion`,
`to_dict()`, `svg()`, `png()` and `html()`. A new study is a module with its knob, its sentence and its table's columns.
"""

from chainrule.studies.batched import BatchesStudy as BatchesStudy
from chainrule.studies.batched import batches as batches
from chainrule.studies.centred import CenteringStudy as CenteringStudy
from chainrule.studies.centred import article_points as article_points
from chainrule.studies.centred import centering as centering
from chainrule.studies.rates import LearningRateStudy as LearningRateStudy
from chainrule.studies.rates import learning_rate as learning_rate
from chainrule.studies.scaled import ScalingStudy as ScalingStudy
from chainrule.studies.scaled import scaling as scaling
from chainrule.studies.study import Study as Study

__all__ = [
    "BatchesStudy",
    "CenteringStudy",
    "LearningRateStudy",
    "ScalingStudy",
    "Study",
    "article_points",
    "batches",
    "centering",
    "learning_rate",
    "scaling",
]
