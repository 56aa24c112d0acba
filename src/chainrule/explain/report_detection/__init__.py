"""What a detector found and what not, as parts of a run report and as pictures."""

from chainrule.explain.report_detection.pictures import drawn as drawn
from chainrule.explain.report_detection.pictures import write_curves as write_curves
from chainrule.explain.report_detection.sections import Mistake as Mistake
from chainrule.explain.report_detection.sections import detection_sections as detection_sections
from chainrule.explain.report_detection.sections import mistakes as mistakes
