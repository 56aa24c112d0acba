"""Images with boxes: datasets, augmentation, and batches of fixed shapes."""

from chainrule.data.detection.augmentation import Augmentation as Augmentation
from chainrule.data.detection.batches import BucketSampler as BucketSampler
from chainrule.data.detection.batches import DetectionBatches as DetectionBatches
from chainrule.data.detection.batches import DetectionWarning as DetectionWarning
from chainrule.data.detection.batches import buckets as buckets
from chainrule.data.detection.batches import detection_loader as detection_loader
from chainrule.data.detection.coco import open_coco as open_coco
from chainrule.data.detection.digit_scenes import DigitScenes as DigitScenes
from chainrule.data.detection.files import ImageFiles as ImageFiles
from chainrule.data.detection.samples import DetectionDataset as DetectionDataset
from chainrule.data.detection.samples import Objects as Objects
from chainrule.data.detection.samples import Sample as Sample
from chainrule.data.detection.sources import DetectionData as DetectionData
from chainrule.data.detection.sources import load_detection as load_detection
from chainrule.data.detection.trees import tree_crowns as tree_crowns
from chainrule.data.detection.voc import open_voc as open_voc
