"""Floor 2: the vocabulary. Each operation is written once, in the file of its family."""

from chainrule.ops import activation as activation
from chainrule.ops import adaptive_pooling as adaptive_pooling
from chainrule.ops import along as along
from chainrule.ops import arithmetic as arithmetic
from chainrule.ops import arranging as arranging
from chainrule.ops import attention as attention
from chainrule.ops import boxes as boxes
from chainrule.ops import casting as casting
from chainrule.ops import comparison as comparison
from chainrule.ops import convolution as convolution
from chainrule.ops import convolution_ways as convolution_ways
from chainrule.ops import counting as counting
from chainrule.ops import decompositions as decompositions
from chainrule.ops import diagonals as diagonals
from chainrule.ops import differences as differences
from chainrule.ops import distances as distances
from chainrule.ops import elementary as elementary
from chainrule.ops import elementwise_functions as elementwise_functions
from chainrule.ops import embedding_bag as embedding_bag
from chainrule.ops import fractional_pooling as fractional_pooling
from chainrule.ops import functions as functions
from chainrule.ops import grid_sample as grid_sample
from chainrule.ops import grids as grids
from chainrule.ops import gru as gru
from chainrule.ops import hyperbolic as hyperbolic
from chainrule.ops import indexing as indexing
from chainrule.ops import interpolation as interpolation
from chainrule.ops import layer_normalization as layer_normalization
from chainrule.ops import linalg as linalg
from chainrule.ops import linear_algebra as linear_algebra
from chainrule.ops import loss as loss
from chainrule.ops import loss_binary as loss_binary
from chainrule.ops import loss_classes as loss_classes
from chainrule.ops import loss_distance as loss_distance
from chainrule.ops import loss_likelihood as loss_likelihood
from chainrule.ops import loss_margin as loss_margin
from chainrule.ops import loss_sequence as loss_sequence
from chainrule.ops import lstm as lstm
from chainrule.ops import max_pooling as max_pooling
from chainrule.ops import multi_head as multi_head
from chainrule.ops import normalization as normalization
from chainrule.ops import norms as norms
from chainrule.ops import padding as padding
from chainrule.ops import picking as picking
from chainrule.ops import pixel_shuffle as pixel_shuffle
from chainrule.ops import pooling as pooling
from chainrule.ops import products as products
from chainrule.ops import recording as recording
from chainrule.ops import rectifier as rectifier
from chainrule.ops import recurrent as recurrent
from chainrule.ops import reduction as reduction
from chainrule.ops import regions as regions
from chainrule.ops import remedies as remedies
from chainrule.ops import rounding as rounding
from chainrule.ops import running as running
from chainrule.ops import scattering as scattering
from chainrule.ops import shaping as shaping
from chainrule.ops import softmax as softmax
from chainrule.ops import sorting as sorting
from chainrule.ops import special_functions as special_functions
from chainrule.ops import stacking as stacking
from chainrule.ops import statistics as statistics
from chainrule.ops import suppression as suppression
from chainrule.ops import transposed_convolution as transposed_convolution
from chainrule.ops import two_inputs as two_inputs
from chainrule.ops import view_write as view_write
from chainrule.ops import views as views
from chainrule.ops import windows as windows
from chainrule.ops import writing as writing

from chainrule.ops import functional as functional  # isort: skip  (collects what the others made)
from chainrule.ops.box_functions import box_area as box_area
from chainrule.ops.box_functions import box_convert as box_convert
from chainrule.ops.box_functions import complete_box_iou as complete_box_iou
from chainrule.ops.box_functions import complete_box_iou_loss as complete_box_iou_loss
from chainrule.ops.box_functions import distance_box_iou as distance_box_iou
from chainrule.ops.box_functions import distance_box_iou_loss as distance_box_iou_loss
from chainrule.ops.box_functions import generalized_box_iou_loss as generalized_box_iou_loss
from chainrule.ops.box_functions import remove_small_boxes as remove_small_boxes
from chainrule.ops.box_functions import sigmoid_focal_loss as sigmoid_focal_loss
from chainrule.ops.boxes import BoxDecode, BoxEncode, BoxIoU, ClipBoxesToImage, GeneralizedBoxIoU
from chainrule.ops.regions import roi_align as roi_align
from chainrule.ops.regions import roi_pool as roi_pool
from chainrule.ops.suppression import NMSKeep
from chainrule.ops.suppression import batched_nms as batched_nms
from chainrule.ops.suppression import nms as nms

box_iou, generalized_box_iou = BoxIoU.function, GeneralizedBoxIoU.function
box_encode, box_decode = BoxEncode.function, BoxDecode.function
clip_boxes_to_image, nms_keep = ClipBoxesToImage.function, NMSKeep.function
