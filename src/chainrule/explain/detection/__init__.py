"""Where each box of a detector comes from: `explain_detection(model, image)`."""

from chainrule.explain.detection.explanation import DetectionExplanation as DetectionExplanation
from chainrule.explain.detection.explanation import explain_detection as explain_detection
