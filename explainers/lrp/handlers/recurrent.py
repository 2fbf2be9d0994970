"""Recurrent modules and cells, as torch.export keeps them."""

from __future__ import annotations

import torch

from aexbench.explainers.lrp.handlers.calls import Call, Handler
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.operations import Operation, constant
from aexbench.explainers.lrp.recurrent import CANDIDATE, GATES, Block, Cell, Direction, parts

NAMES: dict[str, Cell] = {
    "gru": "gru",
    "lstm": "lstm",
    "rnn_tanh": "rnn_tanh",
    "rnn_relu": "rnn_relu",
}


def layers(call: Call) -> Operation:
    """Append a recurrent module, with all its layers and directions."""
    x, begins, weights, biased, count, _, _, both, batch_first, *_ = call.args
    states: list[Operation] = [*begins] if isinstance(begins, list | tuple) else [begins]
    each = 4 if biased else 2
    directions = 2 if both else 1
    if len(weights) != each * count * directions:
        raise call.refused(f"{call.name} whose states are projected (proj_size)")
    made = [
        _direction(
            call, call.name, weights[k * each : (k + 1) * each], x if k < directions else None, k
        )
        for k in range(count * directions)
    ]
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
    maps = []
    for value, what, source in zip(values, ("input", "state"), (x or state, state), strict=False):
        rows = value.chunk(GATES[kind])[CANDIDATE[kind]]
        label = f"{call.place.partition(' at ')[2] or call.place}.{what}{number}".replace(" ", "_")
        maps.append(_map(label, rows, source))
    return Direction(kind, values, maps[0], maps[1], _reverse(call, number))


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
    return call.whole("recurrent", inputs, block=block, begins=tuple(begins), parts=parts(block))


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(NAMES, layers),
    **dict.fromkeys([f"{name}_cell" for name in NAMES], cell),
}
