"""Faster R-CNN and its parts, each usable alone; torchvision's names."""

from chainrule.models.detection.anchors import AnchorGenerator as AnchorGenerator
from chainrule.models.detection.faster_rcnn import FasterRCNN as FasterRCNN
from chainrule.models.detection.faster_rcnn import (
    fasterrcnn_resnet18_fpn as fasterrcnn_resnet18_fpn,
)
from chainrule.models.detection.faster_rcnn import (
    fasterrcnn_resnet50_fpn as fasterrcnn_resnet50_fpn,
)
from chainrule.models.detection.faster_rcnn import fasterrcnn_small as fasterrcnn_small
from chainrule.models.detection.matching import (
    BalancedPositiveNegativeSampler as BalancedPositiveNegativeSampler,
)
from chainrule.models.detection.matching import Matcher as Matcher
from chainrule.models.detection.proposals import RegionProposalNetwork as RegionProposalNetwork
from chainrule.models.detection.proposals import RPNHead as RPNHead
from chainrule.models.detection.pyramid import BackboneWithFPN as BackboneWithFPN
from chainrule.models.detection.pyramid import FeaturePyramidNetwork as FeaturePyramidNetwork
from chainrule.models.detection.pyramid import FrozenBatchNorm2d as FrozenBatchNorm2d
from chainrule.models.detection.pyramid import LastLevelMaxPool as LastLevelMaxPool
from chainrule.models.detection.pyramid import resnet_fpn_backbone as resnet_fpn_backbone
from chainrule.models.detection.pyramid import small_fpn_backbone as small_fpn_backbone
from chainrule.models.detection.regions import FastRCNNPredictor as FastRCNNPredictor
from chainrule.models.detection.regions import MultiScaleRoIAlign as MultiScaleRoIAlign
from chainrule.models.detection.regions import RoIHeads as RoIHeads
from chainrule.models.detection.regions import TwoMLPHead as TwoMLPHead
from chainrule.models.detection.regions import fastrcnn_loss as fastrcnn_loss
from chainrule.models.detection.transform import (
    GeneralizedRCNNTransform as GeneralizedRCNNTransform,
)
