"""Runs one of these programs on PyTorch: python with_torch.py PROGRAM.py [its arguments].

The imports of chainrule become imports of torch, and nothing else changes.
"""

import re
import sys
from pathlib import Path


def as_torch(source):
    """The program's text with PyTorch in the place of chainrule in its import lines."""
    source = re.sub(r"^import chainrule as torch$", "import torch", source, flags=re.M)
    return re.sub(r"^(import|from) chainrule\b", r"\1 torch", source, flags=re.M)


if __name__ == "__main__":
    program = Path(sys.argv.pop(1))
    sys.path.insert(0, str(program.parent))
    sys.argv[0] = str(program)
    exec(compile(as_torch(program.read_text(encoding="utf-8")), program, "exec"))
