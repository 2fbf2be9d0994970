"""From a module to a list of operations by torch.export, for what torch.fx does not follow: LSTM
and attention, shapes that are asked for, containers, whatever runs on tensors alone.

The graph writes nothing in place, and composite functions (`gru`, `layer_norm`, `silu`,
`scaled_dot_product_attention`) stay whole: torch's own decompositions spell one network in several
ways, and each would get another explanation.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import fx, nn

from aexbench import SkipError
from aexbench.explainers.lrp.building import Builder, NotFollowedError, undisturbed
from aexbench.explainers.lrp.handlers.calls import Call
from aexbench.explainers.lrp.handlers.nodes import function_of
from aexbench.explainers.lrp.operations import WAYS_OUT, Operation, constant, flat

# Rows of the sample that is followed: sizes that torch tells apart (25 of cdist) lie below.
ROWS, LEAST, MOST = 61, 32, 2**20


def capture(model: nn.Module, sample: torch.Tensor) -> list[Operation]:
    """Return the operations of a model's forward pass in evaluation mode for samples of the shape
    of these (N, …), the input first and the output last.

    Raises
    ------
    SkipError
        If an operation has no rule. NotFollowedError if torch.export cannot follow the forward
        pass.
    """
    with undisturbed(model), torch.no_grad():
        program = _exported(model, sample)
        builder = ExportBuilder(model, program)
        return builder.build(program.graph)


def _exported(model: nn.Module, sample: torch.Tensor) -> torch.export.ExportedProgram:
    """Return a model's graph with any number of samples; it is made of composite functions."""
    rows = sample[:1].repeat(ROWS, *(1,) * (sample.dim() - 1))
    batch = torch.export.Dim("batch", min=LEAST, max=MOST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(
                model, (rows,), dynamic_shapes=({0: batch},), strict=False
            )
            return program.run_decompositions({})
    except Exception as error:  # whatever the model's own forward does with a symbolic input
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise NotFollowedError(
            f"lrp cannot follow this model's forward pass ({reason}); {WAYS_OUT}"
        ) from error


class ExportedCall(Call):
    """A call of one of aten's functions, whose parameters have names."""

    def setting(self, name: str, default: Any, table: str = "") -> Any:
        """Return a parameter's value by its name in the function's schema."""
        names = [argument.name for argument in self.compute._schema.arguments]
        if name == "weight" and name not in names:
            name = "mat2" if "mat2" in names else "other"
        position = names.index(name) if name in names else len(names)
        given = self.args[position] if position < len(self.args) else self.kwargs.get(name, default)
        if any(isinstance(leaf, Operation) and leaf.kind != "constant" for leaf in flat(given)):
            raise self.refused(f"{self.name} whose {name} depends on the input")
        return constant(given)


class ExportBuilder(Builder):
    """Turns the nodes of an exported program into operations."""

    kind = ExportedCall

    def __init__(self, model: nn.Module, program: torch.export.ExportedProgram) -> None:
        super().__init__(model, program.graph)
        signature = program.graph_signature
        if len(signature.user_outputs) != 1:
            raise SkipError("lrp explains models that return one tensor, the reconstruction")
        self.named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.lifted = {
            name: program.constants[target]
            for name, target in signature.inputs_to_lifted_tensor_constants.items()
        }

    def _placeholder(self, node: fx.Node) -> None:
        name = str(node.target)
        if name not in self.named and name not in self.lifted:
            super()._placeholder(node)
            return
        value = self.lifted[name] if name in self.lifted else self._held_by_model(self.named[name])
        self.made[node] = self.append(str(node), "constant", lambda: value)

    def _held_by_model(self, name: str) -> torch.Tensor:
        owner, _, own = name.rpartition(".")
        value: torch.Tensor = getattr(self.model.get_submodule(owner), own)
        return value.detach()

    def _output(self, node: fx.Node) -> None:
        self._returned(node, node.args[0][-1])  # type: ignore[index]  # what is written comes first

    def place_of(self, node: fx.Node) -> str:
        """Return what a node calls and where it stands: its module, and the line of the model's own
        code. A layer goes by the name of its weights.
        """
        path, kind = module_of(node)
        weights = [self.named[str(n)] for n in node.all_input_nodes if str(n) in self.named]
        if weights and weights[0].endswith("weight"):
            return f"{weights[0].removesuffix('weight').rstrip('._')} ({kind})"
        where = [f"{path} ({kind})" if path else "", line_of(node)]
        return f"{function_of(node, {})} at {', '.join(filter(None, where)) or 'forward'}"


def module_of(node: fx.Node) -> tuple[str, str]:
    """Return the path of the module in whose forward a node stands, and its class."""
    stack = node.meta.get("nn_module_stack") or {}
    named = [entry for entry in stack.values() if isinstance(entry, tuple) and len(entry) == 2]
    path, kind = named[-1] if named else ("", "forward")
    if str(path).startswith("_"):  # of torch's own passes
        return "", "forward"
    return str(path), str(kind).rpartition(".")[2]


def line_of(node: fx.Node) -> str:
    """Return the innermost line outside torch that a node comes from, such as `net.py:27`."""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    own = [line for line in lines if line.startswith("File ") and "/torch/" not in line]
    if not own:
        return ""
    file, line, *_ = own[-1].removeprefix("File ").split(", ")
    return f"{file.strip(chr(34)).rpartition('/')[2]}:{line.removeprefix('line ')}"
