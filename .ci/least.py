"""Print a constraint for the least version that pyproject.toml declares of each dependency."""

import re
import tomllib
from pathlib import Path

LEFT_OUT = {"test"}  # tools
DECLARED = re.compile(r"([\w.-]+)>=([\w.]+)")

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
listed = [project["dependencies"], *(extras[name] for name in extras if name not in LEFT_OUT)]
for name, least in (DECLARED.fullmatch(entry).groups() for part in listed for entry in part):
    if name != "torch":  # as .ci/constraints.txt has it: the one build that comes without CUDA
        print(f"{name}=={least}")
print((Path(__file__).parent / "constraints.txt").read_text(), end="")
