"""Studies of how a logistic regression learns: each runs fits, measures them, and reports in words and pictures.

`learning_rate`, `centering`, `scaling` and `batches` are functions of arrays; their results have `runs`, `conclusion`,
`to_dict()`, `svg()`, `png()` and `html()`. A new study is a list of forms, a plan of runs, and its table's columns (`kinds`).
"""

from chainrule.studies.kinds import BatchesStudy as BatchesStudy
from chainrule.studies.kinds import CenteringStudy as CenteringStudy
from chainrule.studies.kinds import LearningRateStudy as LearningRateStudy
from chainrule.studies.kinds import ScalingStudy as ScalingStudy
from chainrule.studies.kinds import article_points as article_points
from chainrule.studies.kinds import batches as batches
from chainrule.studies.kinds import centering as centering
from chainrule.studies.kinds import learning_rate as learning_rate
from chainrule.studies.kinds import scaling as scaling
from chainrule.studies.study import Study as Study
