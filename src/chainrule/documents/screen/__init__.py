"""What a person sees in a terminal: tables, a progress line, notes. It prints documents that `--json` gives as well."""

from chainrule.documents.screen.demo import print_demo
from chainrule.documents.screen.explaining import print_explanation
from chainrule.documents.screen.fitting import (
    print_audit,
    print_evaluation,
    print_fit,
    print_predictions,
    print_set_aside,
    run_and_certificate,
)
from chainrule.documents.screen.progress import FitProgress
from chainrule.documents.screen.study import StudyProgress, print_study
from chainrule.documents.screen.words import as_options, messages, note, results

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
