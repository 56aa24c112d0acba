"""Floor 4: tensors in safetensors files, checkpoints of any nested state, PyTorch's files read."""

from chainrule.files.checkpoint import is_checkpoint as is_checkpoint
from chainrule.files.checkpoint import load_checkpoint as load_checkpoint
from chainrule.files.checkpoint import save as save
from chainrule.files.checkpoint import save_checkpoint as save_checkpoint
from chainrule.files.safetensors import load_file as load_file
from chainrule.files.safetensors import read_file as read_file
from chainrule.files.safetensors import save_file as save_file
from chainrule.files.torch_file import is_torch_file as is_torch_file
from chainrule.files.torch_file import load_torch as load_torch
