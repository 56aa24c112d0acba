"""Floor 2: the vocabulary. Each operation is written once, in the file of its family."""

from chainrule.ops import activation as activation
from chainrule.ops import adaptive_pooling as adaptive_pooling
from chainrule.ops import along as along
from chainrule.ops import arithmetic as arithmetic
from chainrule.ops import casting as casting
from chainrule.ops import comparison as comparison
from chainrule.ops import convolution as convolution
from chainrule.ops import elementary as elementary
from chainrule.ops import functions as functions
from chainrule.ops import gru as gru
from chainrule.ops import hyperbolic as hyperbolic
from chainrule.ops import indexing as indexing
from chainrule.ops import layer_normalization as layer_normalization
from chainrule.ops import linalg as linalg
from chainrule.ops import loss as loss
from chainrule.ops import loss_binary as loss_binary
from chainrule.ops import loss_classes as loss_classes
from chainrule.ops import lstm as lstm
from chainrule.ops import max_pooling as max_pooling
from chainrule.ops import normalization as normalization
from chainrule.ops import padding as padding
from chainrule.ops import pooling as pooling
from chainrule.ops import recording as recording
from chainrule.ops import rectifier as rectifier
from chainrule.ops import recurrent as recurrent
from chainrule.ops import reduction as reduction
from chainrule.ops import rounding as rounding
from chainrule.ops import shaping as shaping
from chainrule.ops import softmax as softmax
from chainrule.ops import transposed_convolution as transposed_convolution
from chainrule.ops import view_write as view_write
from chainrule.ops import views as views
from chainrule.ops import windows as windows
from chainrule.ops import writing as writing

from chainrule.ops import functional as functional  # isort: skip  (collects what the others made)
