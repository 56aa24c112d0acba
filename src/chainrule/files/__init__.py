"""Floor 4: named tensors in safetensors files, and checkpoints of any nested state."""

from chainrule.files.checkpoint import load_checkpoint as load_checkpoint
from chainrule.files.checkpoint import save_checkpoint as save_checkpoint
from chainrule.files.safetensors import load_file as load_file
from chainrule.files.safetensors import read_file as read_file
from chainrule.files.safetensors import save_file as save_file
