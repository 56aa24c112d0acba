"""The report of a training run as one HTML file."""

from chainrule.explain.report.data import Kernels as Kernels
from chainrule.explain.report.data import ReportData as ReportData
from chainrule.explain.report.data import WrongPrediction as WrongPrediction
from chainrule.explain.report.page import render_report as render_report
from chainrule.explain.report.page import write_report as write_report
