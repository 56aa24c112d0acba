"""Tools around modules: gradient clipping, parameters as one vector, batches of sequences."""

from chainrule.nn.utils import rnn as rnn
from chainrule.nn.utils.clipping import clip_grad_norm_ as clip_grad_norm_
from chainrule.nn.utils.clipping import clip_grad_value_ as clip_grad_value_
from chainrule.nn.utils.conversion import conv_to_linear as conv_to_linear
from chainrule.nn.utils.conversion import linear_to_conv as linear_to_conv
from chainrule.nn.utils.fusion import fuse_batch_norms as fuse_batch_norms
from chainrule.nn.utils.fusion import fuse_conv_bn_eval as fuse_conv_bn_eval
from chainrule.nn.utils.fusion import fuse_conv_bn_weights as fuse_conv_bn_weights
from chainrule.nn.utils.fusion import fuse_linear_bn_eval as fuse_linear_bn_eval
from chainrule.nn.utils.fusion import fuse_linear_bn_weights as fuse_linear_bn_weights
from chainrule.nn.utils.vectors import parameters_to_vector as parameters_to_vector
from chainrule.nn.utils.vectors import vector_to_parameters as vector_to_parameters
