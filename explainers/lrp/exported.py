"""From a module to a list of operations by torch.export, for what torch.fx does not follow:
attention, containers, whatever runs on tensors alone.

The graph writes nothing in place, and composite functions (`gru`, `layer_norm`, `silu`,
`scaled_dot_product_attention`) stay whole: torch's own decompositions spell one network in several
ways, and each would get another explanation.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Timer
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn

from aexbench import SkipError
from aexbench.errors import tell
from aexbench.explainers.lrp.attention import taken_apart
from aexbench.explainers.lrp.building import Builder, NotFollowedError, undisturbed
from aexbench.explainers.lrp.handlers.calls import Call
from aexbench.explainers.lrp.handlers.nodes import function_of
from aexbench.explainers.lrp.operations import Operation, constant, flat
from aexbench.explainers.lrp.shapes import symbolic_lengths

# Rows of the sample that is followed: sizes that torch tells apart (25 of cdist) lie below.
ROWS, LEAST, MOST = 61, 32, 2**20
TAKEN_APART = (torch.ops.aten.einsum.default,)  # into products and routes
OWN = "model."  # before the names of the model's own parts
LONG = 2.0  # seconds after which it is said what is done


class Outer(nn.Module):
    """Calls a model by one sample, whatever its own `forward` may take."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x̂ for samples x (N, …)."""
        found: torch.Tensor = self.model(x)
        return found


class Exported(NamedTuple):
    """What torch.export makes of a model: it is kept, and the model's weights are not in it."""

    graph: fx.Graph
    named: Mapping[str, str]  # the model's parameters and buffers by the names in the graph
    lifted: Mapping[str, torch.Tensor]  # constants that its forward pass makes
    outputs: int


_KNOWN: WeakKeyDictionary[nn.Module, dict[Any, Exported | str]] = WeakKeyDictionary()


def capture(model: nn.Module, sample: torch.Tensor, attention: bool = False) -> list[Operation]:
    """Return the operations of a model's forward pass in evaluation mode for samples of the shape
    of these (N, …), the input first and the output last. Weights of attention take relevance
    where `attention` says so.

    Raises
    ------
    SkipError
        If an operation has no rule. NotFollowedError if torch.export cannot follow the forward
        pass.
    """
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    key = (tuple(sample.shape[1:]), sample.dtype, sample.device, *map(id, model.modules()), *hooks)
    known = _KNOWN.setdefault(model, {})
    with undisturbed(model), torch.no_grad():
        if key not in known:
            known[key] = _exported(model, sample)
        exported = known[key]
        if isinstance(exported, str):
            raise NotFollowedError(exported)
        graph = taken_apart(exported.graph, {}) if attention else exported.graph
        return ExportBuilder(model, exported._replace(graph=graph), attention).build(graph)


def _exported(model: nn.Module, sample: torch.Tensor) -> Exported | str:
    """Return a model's graph for any number of samples, made of composite functions, or why there
    is none.
    """
    try:
        with warnings.catch_warnings(), _told_if_long():
            warnings.simplefilter("ignore")
            program = _program(model, sample)
    except Exception as error:  # whatever the model's own forward does with a symbolic input
        return _reason(error)
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    lifted = signature.inputs_to_lifted_tensor_constants.items()
    return Exported(
        program.graph,
        {name: target.removeprefix(OWN) for name, target in named.items()},
        {name: program.constants[target] for name, target in lifted},
        len(signature.user_outputs),
    )


def _reason(error: Exception) -> str:
    """Return why a model was not followed; a number of samples that became a constant is said."""
    reason = f"{type(error).__name__}: {error}".split("\n")[0]
    if "batch" in str(error) and ("onstraint" in str(error) or "pecializ" in str(error)):
        return "its forward pass asks how many samples there are: write x.shape[0] without int()"
    return reason


def _program(model: nn.Module, sample: torch.Tensor) -> torch.export.ExportedProgram:
    rows = sample.new_empty((ROWS, *sample.shape[1:]))  # nobody asks their values
    batch = torch.export.Dim("batch", min=LEAST, max=MOST)
    with symbolic_lengths(model):
        program = torch.export.export(
            Outer(model), (rows,), dynamic_shapes=({0: batch},), strict=False
        )
    known = torch.export.default_decompositions()
    table = {function: known[function] for function in TAKEN_APART}
    whole: torch.export.ExportedProgram = program.run_decompositions(table)
    return whole


@contextmanager
def _told_if_long() -> Iterator[None]:
    """Say what is done if it takes long."""
    said = Timer(LONG, tell, ["lrp: torch.export reads the model, which may take some seconds"])
    said.daemon = True
    said.start()
    try:
        yield
    finally:
        said.cancel()


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

    def __init__(self, model: nn.Module, exported: Exported, attention: bool = False) -> None:
        self.named, self.lifted = exported.named, exported.lifted
        super().__init__(model, exported.graph, attention)
        if exported.outputs != 1:
            raise SkipError("lrp explains models that return one tensor, the reconstruction")

    def inputs(self, graph: fx.Graph) -> list[fx.Node]:
        """Return the nodes of samples."""
        given = [node for node in graph.nodes if node.op == "placeholder"]
        return [n for n in given if str(n.target) not in {*self.named, *self.lifted}]

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
    own = f"{path}.".removeprefix(OWN).removesuffix(".")
    return own, str(kind).rpartition(".")[2]


def line_of(node: fx.Node) -> str:
    """Return the innermost line outside torch that a node comes from, such as `net.py:27`."""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    own = [line for line in lines if line.startswith("File ") and "/torch/" not in line]
    if not own:
        return ""
    file, line, *_ = own[-1].removeprefix("File ").split(", ")
    return f"{file.strip(chr(34)).rpartition('/')[2]}:{line.removeprefix('line ')}"
