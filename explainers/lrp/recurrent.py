"""Recurrent layers: what their states are made of, and where the relevance of their outputs goes.

    h = (1 − z) ⊙ n + z ⊙ h₋                      GRU, n = tanh(W x + b + r ⊙ (U h₋ + b'))
    c = f ⊙ c₋ + i ⊙ g,  h = o ⊙ tanh c           LSTM, g = tanh(W x + b + U h₋ + b')
    h = tanh(W x + b + U h₋ + b')                 plain

Gates are held constant, and a sum goes to its parts of its own sign (Arras et al. 2017, 2019, who
share by size with an ε: errors explode there). Each map has the rule of its layer. An initial state
that is a constant takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from aexbench.explainers.lrp.operations import Operation
from aexbench.explainers.lrp.rules import Rule
from aexbench.explainers.lrp.sums import first_share

Cell = Literal["gru", "lstm", "rnn_tanh", "rnn_relu"]
GATES = {"gru": 3, "lstm": 4, "rnn_tanh": 1, "rnn_relu": 1}
CANDIDATE = {"gru": 2, "lstm": 2, "rnn_tanh": 0, "rnn_relu": 0}  # which rows of the weights


@dataclass(frozen=True, eq=False)
class Direction:
    """One layer in one direction: its weights, and the maps of its candidate as operations that
    have rules.
    """

    cell: Cell
    weights: tuple[torch.Tensor, ...]  # W, U and, where there are some, their biases
    reads: Operation  # W x
    recalls: Operation  # U h₋
    reverse: bool


class States(NamedTuple):
    """What a direction has computed (N, T, H), time in its own order."""

    before: torch.Tensor  # h₋
    kept: torch.Tensor  # the share of relevance that goes to the memory: z ⊙ h₋, f ⊙ c₋
    recalled: torch.Tensor  # the share of the candidate's that goes to U h₋


class Carried(NamedTuple):
    """Relevance of W x (N, T, H), and of states (N, H)."""

    read: torch.Tensor
    h: torch.Tensor
    c: torch.Tensor | None


@dataclass(frozen=True, eq=False)
class Start:
    """An initial state (N, H) of a direction; one that is held takes no relevance."""

    h: torch.Tensor
    c: torch.Tensor | None
    h_carries: bool
    c_carries: bool


def states(
    own: Direction, x: torch.Tensor, outputs: torch.Tensor, start: Start, reads: bool
) -> States:
    """Return what a direction computes from x (N, T, D) to its outputs (N, T, H), both in its own
    order; relevance goes on to x where it `reads` what depends on the model's input.
    """
    before = torch.cat([start.h[:, None], outputs[:, :-1]], 1)
    w, u, *biases = own.weights
    read = torch.nn.functional.linear(x, w, biases[0] if biases else None)
    recall = torch.nn.functional.linear(before, u, biases[1] if biases else None)
    kept, recalled = _shares(own.cell, read, recall, before, start)
    remembers = start.c_carries if own.cell == "lstm" else start.h_carries
    recalled = recalled if reads else torch.ones_like(recalled)
    recalled[:, 0] *= start.h_carries
    kept[:, 0] = kept[:, 0] * remembers if reads or start.h_carries else float(remembers)
    return States(before, kept, recalled)


def _outputs(own: Direction, x: torch.Tensor, start: Start) -> torch.Tensor:
    """Return h at every step (N, T, H)."""
    run = getattr(torch.ops.aten, own.cell).input
    first = start.h[None].contiguous()
    begins = first if start.c is None else [first, start.c[None].contiguous()]
    biased = len(own.weights) > 2
    result = run(x, begins, list(own.weights), biased, 1, 0.0, False, False, True)
    outputs: torch.Tensor = result[0]
    return outputs


def _shares(
    cell: Cell, read: torch.Tensor, recall: torch.Tensor, before: torch.Tensor, start: Start
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the shares of the memory, and of the candidate's recall (N, T, H)."""
    w, u = (t.chunk(GATES[cell], -1) for t in (read, recall))
    if cell == "gru":
        reset, update = (torch.sigmoid(w[k] + u[k]) for k in (0, 1))
        parts = w[2], reset * u[2]
        new = torch.tanh(parts[0] + parts[1])
        return first_share(update * before, (1 - update) * new), first_share(parts[1], parts[0])
    if cell == "lstm":
        enters, stays = (torch.sigmoid(w[k] + u[k]) for k in (0, 1))
        new = torch.tanh(w[2] + u[2])
        assert start.c is not None
        cells = _memories(stays, enters * new, start.c)
        return first_share(stays * cells, enters * new), first_share(u[2], w[2])
    return torch.zeros_like(before), first_share(u[0], w[0])


def _memories(stays: torch.Tensor, added: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Return c₋ at every step (N, T, H)."""
    found = [first]
    for stay, new in zip(stays.unbind(1)[:-1], added.unbind(1)[:-1], strict=True):
        found.append(torch.addcmul(new, stay, found[-1]))
    return torch.stack(found, 1)


def carry_back(
    own: Direction,
    made: States,
    relevance: torch.Tensor,
    last: tuple[torch.Tensor, torch.Tensor | None],
    recall: Rule,
) -> Carried:
    """Return where the relevance of a direction's outputs (N, T, H) and of its last states goes."""
    hand_on, given = recall.by_step(made.before), _turned(own, relevance).unbind(1)
    new = 1 - made.kept
    kept, to_recall = (share.unbind(1) for share in (made.kept, new * made.recalled))
    whole = given[-1] + (last[0] if last[1] is None else last[0] + last[1])
    wholes = [whole]
    for step in range(len(given) - 1, 0, -1):
        h = hand_on(step, whole * to_recall[step])
        whole = given[step - 1] + h.addcmul_(whole, kept[step])
        wholes.append(whole)
    read = torch.stack(wholes[::-1], 1) * (new * (1 - made.recalled))
    h, memory = hand_on(0, whole * to_recall[0]), whole * kept[0]
    h, c = (h + memory, None) if last[1] is None else (h, memory)
    return Carried(_turned(own, read), h, c)


def _turned(own: Direction, x: torch.Tensor) -> torch.Tensor:
    """Return x (N, T, …) in a direction's own order of time, or back."""
    return x.flip(1) if own.reverse else x


@dataclass(frozen=True, eq=False)
class Block:
    """All layers of a recurrent module, or the one of a cell.

    Parameters
    ----------
    layers
        From the input on, each with its directions.
    reads
        Whether relevance can go to what it reads.
    carries
        Whether relevance can go to the initial h and c.
    batch_first
        Whether x is (N, T, D); else (T, N, D).
    cell
        Whether it is one step, of x (N, D).
    """

    layers: tuple[tuple[Direction, ...], ...]
    reads: bool
    carries: tuple[bool, bool]
    batch_first: bool
    cell: bool

    @property
    def maps(self) -> tuple[Operation, ...]:
        """The maps that have rules, from the first layer's on."""
        directions = [own for layer in self.layers for own in layer]
        return tuple(part for own in directions for part in (own.reads, own.recalls))

    def share(
        self,
        x: torch.Tensor,
        begins: Sequence[torch.Tensor],
        relevance: Mapping[int, torch.Tensor],
        rules: Mapping[Operation, Rule],
        outputs: torch.Tensor,
    ) -> list[torch.Tensor]:
        """Return the relevance of x and of the initial states, of their shapes, from that of the
        results by number: the `outputs`, the last h and, of an LSTM, the last c.
        """
        begins = [begin[None] for begin in begins] if self.cell else begins
        made, inputs = self._unrolled(self._in_order(x), begins, self._in_order(outputs))
        flowing, *last = self._given(relevance, inputs[-1], begins)
        carried: list[Carried] = []
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            given = zip(layer, made[number], flowing.chunk(len(layer), -1), strict=True)
            own = [
                carry_back(o, s, part, self._last(last, number, o), rules[o.recalls])
                for o, s, part in given
            ]
            carried = [*own, *carried]
            read = [(rules[o.reads], one.read) for o, one in zip(layer, own, strict=True)]
            if number:
                flowing = _summed([r.propagate(inputs[number], part) for r, part in read])
        first = _summed([r.propagate(x, self._as_given(part)) for r, part in read])
        cells = [one.c for one in carried if one.c is not None]
        states = [[one.h for one in carried], *([cells] if cells else [])]
        return [first, *map(self._stacked, states)]

    def _unrolled(
        self, x: torch.Tensor, begins: Sequence[torch.Tensor], last: torch.Tensor
    ) -> tuple[list[list[States]], list[torch.Tensor]]:
        """Return what the directions of each layer compute; and what each layer reads, the outputs
        of the last one at the end.
        """
        made, inputs = [], [x]
        for number, layer in enumerate(self.layers):
            starts = [self._start(begins, number, own) for own in layer]
            if number < len(self.layers) - 1:
                pairs = zip(layer, starts, strict=True)
                outputs = [_turned(o, _outputs(o, _turned(o, inputs[-1]), s)) for o, s in pairs]
            else:
                outputs = [*last.chunk(len(layer), -1)]
            own = [
                states(o, _turned(o, inputs[-1]), _turned(o, part), s, self.reads or number > 0)
                for o, part, s in zip(layer, outputs, starts, strict=True)
            ]
            made.append(own)
            inputs.append(torch.cat(outputs, -1))
        return made, inputs

    def _in_order(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (N, T, D)."""
        if self.cell:
            return x[:, None]
        return x if self.batch_first else x.transpose(0, 1)

    def _as_given(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is (N, T, …) as the block's input lies."""
        if self.cell:
            return x[:, 0]
        return x if self.batch_first else x.transpose(0, 1)

    def by_sample(self, relevance: torch.Tensor, sequence: bool) -> torch.Tensor:
        """Return relevance of a sequence or of states as (N, …), flat."""
        if not self.cell:
            relevance = self._in_order(relevance) if sequence else relevance.transpose(0, 1)
        return relevance.flatten(1)

    def _stacked(self, states: list[torch.Tensor]) -> torch.Tensor:
        """Return the relevance of initial states, of the shape that they have."""
        return states[0] if self.cell else torch.stack(states)

    def _start(self, begins: Sequence[torch.Tensor], layer: int, own: Direction) -> Start:
        place = layer * len(self.layers[0]) + own.reverse
        c = begins[1][place] if len(begins) > 1 else None
        return Start(begins[0][place], c, *self.carries)

    def _given(
        self,
        relevance: Mapping[int, torch.Tensor],
        outputs: torch.Tensor,
        begins: Sequence[torch.Tensor],
    ) -> tuple[torch.Tensor, ...]:
        """Return the relevance of the outputs (N, T, H), and of the last states; 0 where none came.
        A cell returns its states alone.
        """
        none, first = torch.zeros_like(outputs), 0 if self.cell else 1
        of_outputs = none if self.cell else self._in_order(relevance.get(0, self._as_given(none)))
        found = [relevance.get(k + first) for k in range(len(begins))]
        last = [torch.zeros_like(b) if r is None else r for r, b in zip(found, begins, strict=True)]
        return (of_outputs, *(r[None] if r.dim() < 3 else r for r in last))

    def _last(
        self, given: list[torch.Tensor], layer: int, own: Direction
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        place = layer * len(self.layers[0]) + own.reverse
        return given[0][place], given[1][place] if len(given) > 1 else None


def _summed(values: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(values).sum(0)
