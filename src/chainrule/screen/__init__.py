"""What a person sees in a terminal: tables, a progress line, notes. It prints documents that `--json` gives as well."""

from chainrule.screen.demo import print_demo
from chainrule.screen.explaining import print_explanation
from chainrule.screen.fitting import (
    print_audit,
    print_evaluation,
    print_fit,
    print_predictions,
    print_set_aside,
    run_and_certificate,
)
from chainrule.screen.progress import FitProgress
from chainrule.screen.study import StudyProgress, print_study
from chainrule.screen.words import as_options, messages, note, results

__all__ = [
    "FitProgress",
    "StudyProgress",
    "as_options",
    "messages",
    "note",
    "print_audit",
    "print_demo",
    "print_evaluation",
    "print_explanation",
    "print_fit",
    "print_predictions",
    "print_set_aside",
    "print_study",
    "results",
    "run_and_certificate",
]
