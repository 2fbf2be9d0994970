"""Recurrent modules and cells, as torch.fx and torch.export keep them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import nn

from aexbench.explainers.lrp.handlers.calls import Call, Handler
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.operations import Operation, constant
from aexbench.explainers.lrp.recurrent import CANDIDATE, GATES, Block, Cell, Direction

NAMES: dict[str, Cell] = {name: name for name in get_args(Cell)}


def module(call: Call) -> Operation:
    """Append a module as the function that it calls."""
    own: Any = call.module
    weights = [getattr(own, name) for name in own._flat_weights_names]
    both, first = own.bidirectional, own.batch_first
    states = own.num_layers * (2 if both else 1)
    begins = lambda x: x.new_zeros(states, x.shape[1 - first], own.hidden_size)  # noqa: E731
    settings = (weights, own.bias, own.num_layers, 0.0, False, both, first)
    return layers(_as_function(call, own.mode.lower(), begins, settings))


def cell_module(call: Call) -> Operation:
    """Append a module of one step as the function that it calls."""
    own: Any = call.module
    name = "lstm" if isinstance(own, nn.LSTMCell) else "gru"
    name = f"rnn_{own.nonlinearity}" if isinstance(own, nn.RNNCell) else name
    weights = [own.weight_ih, own.weight_hh, own.bias_ih, own.bias_hh]
    begins = lambda x: x.new_zeros(len(x), own.hidden_size)  # noqa: E731
    return cell(_as_function(call, name, begins, weights))


def _as_function(
    call: Call, name: str, zeros: Callable[[torch.Tensor], torch.Tensor], settings: Sequence[Any]
) -> Call:
    """Return the call of a module with all its arguments; it starts at zeros unless it is given
    states.
    """
    x, states = (*call.args, call.kwargs.get("hx"))[:2]
    if states is None:
        first = call.append(f"{call.place} start", "held", zeros, args=(x,))
        states = (first, first) if name == "lstm" else first
    run = lambda x, states, *_: call.compute(x, states)  # noqa: E731
    return replace(call, name=name, compute=run, args=(x, states, *settings), kwargs={})


def layers(call: Call) -> Operation:
    """Append a recurrent module, with all its layers and directions."""
    x, begins, weights, biased, count, _, _, both, batch_first, *_ = call.args
    states: list[Operation] = [*begins] if isinstance(begins, list | tuple) else [begins]
    each = 4 if biased else 2
    directions = 2 if both else 1
    if len(weights) != each * count * directions:
        raise call.refused(f"{call.name} whose states are projected (proj_size)")
    groups = [weights[k * each : (k + 1) * each] for k in range(count * directions)]
    reads = [x if k < directions else None for k in range(len(groups))]
    made = [_direction(call, call.name, groups[k], reads[k], k) for k in range(len(groups))]
    stacked = tuple(tuple(made[k : k + directions]) for k in range(0, len(made), directions))
    return _block(call, stacked, x, states, batch_first=batch_first, cell=False)


def cell(call: Call) -> Operation:
    """Append one step of a recurrent network."""
    x, begins, *weights = call.args
    states: list[Operation] = [*begins] if isinstance(begins, list | tuple) else [begins]
    given = [w for w in weights if w is not None]
    own = _direction(call, call.name.removesuffix("_cell"), given, x, 0)
    return _block(call, ((own,),), x, states, batch_first=True, cell=True)


def _direction(
    call: Call, name: str, weights: list[Operation], x: Operation | None, number: int
) -> Direction:
    """Return one layer in one direction; `x` is what it reads if that is the block's input."""
    kind = NAMES[name]
    values = tuple(constant(weight).detach() for weight in weights)
    state = Operation("a state", "held", lambda: None)
    named = call.place.rpartition(" at ")[2].partition(" (")[0]
    reads, recalls = (
        _map(f"{named}.{what}{number}", value.chunk(GATES[kind])[CANDIDATE[kind]], source)
        for value, what, source in zip(values, ("x", "h"), (x or state, state), strict=False)
    )
    return Direction(kind, values, reads, recalls, _reverse(call, number))


def _reverse(call: Call, number: int) -> bool:
    return len(call.args) > 7 and bool(call.args[7]) and number % 2 == 1


def _map(label: str, weight: torch.Tensor, source: Operation) -> Operation:
    layer = Dense(weight)
    return Operation(label, "weighted", lambda x: x, inputs=(source,), layer=layer, own=layer)


def _block(
    call: Call,
    stacked: tuple[tuple[Direction, ...], ...],
    x: Operation,
    begins: list[Operation],
    batch_first: bool,
    cell: bool,
) -> Operation:
    carries = [isinstance(o, Operation) and o.carries for o in (*begins, *begins)][:2]
    block = Block(stacked, x.carries, (carries[0], carries[1]), batch_first, cell)
    inputs = tuple(o for o in (x, *begins) if isinstance(o, Operation) and o.carries)
    return call.whole("recurrent", inputs, block=block)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(NAMES, layers),
    **dict.fromkeys([f"{name}_cell" for name in NAMES], cell),
    "recurrent_module": module,
    "recurrent_cell": cell_module,
}
