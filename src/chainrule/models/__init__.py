"""Floor 5: networks by name, how to train them, and what is in them."""

from chainrule.models.autoencoder import Autoencoder as Autoencoder
from chainrule.models.char_rnn import CharGRU as CharGRU
from chainrule.models.char_rnn import CharLSTM as CharLSTM
from chainrule.models.char_rnn import CharRNN as CharRNN
from chainrule.models.char_rnn import LineClassifier as LineClassifier
from chainrule.models.dense import MLP as MLP
from chainrule.models.dense import LinearClassifier as LinearClassifier
from chainrule.models.efficientnet import EfficientNetLite0 as EfficientNetLite0
from chainrule.models.efficientnet import efficientnet_lite0 as efficientnet_lite0
from chainrule.models.generation import generate as generate
from chainrule.models.gpt import GPT as GPT
from chainrule.models.lenet import LeNet as LeNet
from chainrule.models.lenet import LeNetBN as LeNetBN
from chainrule.models.mobilenet import MobileNetV2 as MobileNetV2
from chainrule.models.mobilenet import mobilenet_v2 as mobilenet_v2
from chainrule.models.ngram import NGram as NGram
from chainrule.models.pretraining import DeepBeliefNet as DeepBeliefNet
from chainrule.models.pretraining import DenoisingAutoencoder as DenoisingAutoencoder
from chainrule.models.pretraining import (
    RestrictedBoltzmannMachine as RestrictedBoltzmannMachine,
)
from chainrule.models.pretraining import StackedAutoencoder as StackedAutoencoder
from chainrule.models.receptive_field import effective_receptive_field as effective_receptive_field
from chainrule.models.recipes import Augmentation as Augmentation
from chainrule.models.recipes import Recipe as Recipe
from chainrule.models.recipes import TextRecipe as TextRecipe
from chainrule.models.recipes import recipe as recipe
from chainrule.models.registry import build as build
from chainrule.models.registry import names as names
from chainrule.models.regression import LinearRegression as LinearRegression
from chainrule.models.regression import LogisticRegression as LogisticRegression
from chainrule.models.regression import polynomial_features as polynomial_features
from chainrule.models.resnet import CifarResNet as CifarResNet
from chainrule.models.resnet import ResNet as ResNet
from chainrule.models.resnet import resnet18 as resnet18
from chainrule.models.resnet import resnet20 as resnet20
from chainrule.models.resnet import resnet50 as resnet50
from chainrule.models.runs import load as load
from chainrule.models.runs import save as save
from chainrule.models.summary import Summary as Summary
from chainrule.models.summary import summary as summary
from chainrule.models.vgg import VGG as VGG
from chainrule.models.vgg import vgg11 as vgg11
from chainrule.models.vgg import vgg11_bn as vgg11_bn
from chainrule.models.vgg import vgg16 as vgg16
from chainrule.models.vgg import vgg16_bn as vgg16_bn
