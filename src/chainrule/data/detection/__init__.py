"""Images with boxes: datasets, augmentation, and batches of fixed shapes."""

from chainrule.data.detection.batches import BucketSampler as BucketSampler
from chainrule.data.detection.batches import DetectionBatches as DetectionBatches
from chainrule.data.detection.batches import DetectionWarning as DetectionWarning
from chainrule.data.detection.batches import buckets as buckets
from chainrule.data.detection.batches import detection_loader as detection_loader
from chainrule.data.detection.digit_scenes import DigitScenes as DigitScenes
from chainrule.data.detection.geometry import Augmentation as Augmentation
from chainrule.data.detection.samples import DetectionDataset as DetectionDataset
from chainrule.data.detection.samples import Objects as Objects
from chainrule.data.detection.samples import Sample as Sample
