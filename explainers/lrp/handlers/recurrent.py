"""Recurrent modules and cells, as torch.export keeps them."""

from __future__ import annotations

from typing import get_args

import torch

from aexbench.explainers.lrp.handlers.calls import Call, Handler
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.operations import Operation, constant
from aexbench.explainers.lrp.recurrent import CANDIDATE, GATES, Block, Cell, Direction

NAMES: dict[str, Cell] = {name: name for name in get_args(Cell)}


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
    named = call.place.partition(" at ")[2].partition(" (")[0] or call.name
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
}
