"""Running a captured model forward, and relevance backward through it, with one rule per weighted
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from aexbench.explainers.lrp import attention, averages, bicubic, bilinear, sums
from aexbench.explainers.lrp.operations import Operation, flat, replaced
from aexbench.explainers.lrp.rules import Rule

Values = dict[Operation, Any]
HANDS_ON = ("pass", "route", "sum")
Sharing = Callable[[Operation, Values, Any], list[Any]]
Watch = Callable[[Operation, torch.Tensor, list[torch.Tensor]], None]


@dataclass
class Propagation:
    """The operations of a model with their rules.

    Parameters
    ----------
    operations
        In the order of the forward pass, input first.
    rules
        The rule of each weighted operation.
    epsilon
        Of products that share by signed contributions.
    """

    operations: list[Operation]
    rules: Mapping[Operation, Rule]
    epsilon: float = 0.0
    _steps: list[tuple[Operation, Callable[[Values], Any], tuple[Operation, ...]]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        """Find out how each operation gets its arguments, and which values nobody
        needs after it.
        """
        self.input, self.output = self.operations[0], self.operations[-1]
        self._before: dict[
            Operation, Operation
        ] = {}  # what an operation that hands on its relevance hands it to
        for operation in self.operations:
            hands_on = operation.kind in ("pass", "output") and not operation.broadcasts
            self._before[operation] = self._before[operation.inputs[0]] if hands_on else operation
        self._inserted: set[Operation] = set()  # whose values hold inserted constants
        for operation in self.operations:
            if operation.inserts or (
                operation.kind in HANDS_ON and self._inserted.intersection(operation.inputs)
            ):
                self._inserted.add(operation)
        acting = [o for o in self.operations if o.inputs and self._before[o] is o]
        self._backwards = [
            (o, self._sharing(o), [self._before[source] for source in o.inputs])
            for o in acting[::-1]
        ]
        last: dict[Operation, Operation] = {}
        for operation in self.operations:
            for source in _sources([operation.args, operation.kwargs]):
                last[source] = operation
        kept = {source for operation in self.operations for source in _needed(operation)} | {
            self.input,
            self.output,
        }
        for operation in self.operations[1:]:
            done = tuple(
                source for source, user in last.items() if user is operation and source not in kept
            )
            self._steps.append((operation, _runner(operation), done))

    def forward(self, x: torch.Tensor, keep: bool = False) -> Values:
        """Return the values that the backward pass needs, or all of them; that of
        `output` is x̂.
        """
        values: Values = {self.input: x}
        for operation, run, done in self._steps:
            values[operation] = run(values)
            for source in () if keep else done:
                del values[source]
        return values

    def backward(
        self, values: Values, relevance: torch.Tensor, watch: Watch | None = None
    ) -> torch.Tensor:
        """Return the input's relevance from the output's; `watch` sees what each operation received
        and handed on.
        """
        received: dict[Operation, Any] = {self._before[self.output]: relevance}
        for operation, share_out, sources in self._backwards:
            own = received.pop(operation, None)
            if own is None:
                continue
            shares = share_out(operation, values, own)
            if watch is not None and operation.kind == "recurrent":
                watch(operation, *_by_sample(operation, own, shares))
            elif watch is not None and operation.kind not in ("pass", "route"):
                watch(operation, own, [share for share in shares if share is not None])
            for source, share in zip(sources, shares, strict=True):
                if share is not None:  # indices and the like take none
                    _add(received, source, share)
        found: torch.Tensor = received[self.input]
        return found

    def _sharing(self, operation: Operation) -> Sharing:
        """Return how an operation shares its relevance among its inputs."""
        masked = not self._inserted.isdisjoint(operation.inputs)
        ways: dict[str, Sharing] = {
            "weighted": self._weighted_beside_constants if masked else self._weighted,
            "sum": self._sum,
            "average": self._average,
            "product": _halves,
            "bicubic": self._bicubic,
            "bilinear": _bilinear,
            "signed product": self._signed_product,
            "softmax": _softmax,
            "recurrent": self._recurrent,
            "pass": _narrowed,
        }
        return ways.get(operation.kind, _route)

    def _weighted(self, operation: Operation, values: Values, relevance: Any) -> list[Any]:
        x = values[operation.inputs[0]]
        return [self.rules[operation].propagate(x, relevance)]

    def _weighted_beside_constants(
        self, operation: Operation, values: Values, relevance: Any
    ) -> list[Any]:
        source = operation.inputs[0]
        exists = self._exists(source, values)
        return [self.rules[operation].propagate(values[source], relevance, exists)]

    def _average(self, operation: Operation, values: Values, relevance: Any) -> list[Any]:
        source = operation.inputs[0]
        average, exists = as_function(operation, values), self._inserted_in(source, values)
        x, signed = values[source], not source.not_negative
        return [averages.share(average, x, relevance, signed, exists)]

    def _bicubic(self, operation: Operation, values: Values, relevance: Any) -> list[Any]:
        source, exists = operation.inputs[0], self._inserted_in(operation.inputs[0], values)
        return [bicubic.share(as_function(operation, values), values[source], relevance, exists)]

    def _sum(self, operation: Operation, values: Values, relevance: Any) -> list[Any]:
        a, b = operation.inputs
        masks = [self._inserted_in(source, values) for source in (a, b)]
        second = values[b] if operation.signs[1] > 0 else -values[b]
        return [*sums.share(values[a], second, relevance, (masks[0], masks[1]))]

    def _signed_product(self, operation: Operation, values: Values, relevance: Any) -> list[Any]:
        a, b = operation.args[:2]
        found = attention.of_product(values[a], values[b], relevance, self.epsilon)
        return [share for o, share in zip((a, b), found, strict=True) if o in operation.inputs]

    def _recurrent(self, operation: Operation, values: Values, relevance: Any) -> list[Any]:
        sources = _sources(operation.args[:2])  # x and the initial states, which may be a pair
        x, *begins = (values[source] for source in sources)
        to_x, *to_states = operation.block.share(
            x, flat(begins), _by_number(relevance), self.rules, flat(values[operation])[0]
        )
        shares = [to_x, *_as_given(begins, to_states)]
        return [share for o, share in zip(sources, shares, strict=True) if o.carries]

    def _inserted_in(self, operation: Operation, values: Values) -> Any:
        """Return where an operation's values exist, or None where nothing was inserted."""
        return self._exists(operation, values) if operation in self._inserted else None

    def _exists(self, operation: Operation, values: Values) -> Any:
        """Return where an operation's values come from the model's input (1), and where they were
        inserted (0).
        """
        if operation not in self._inserted:
            return _mapped(torch.ones_like, values[operation])
        if operation.kind == "pass":
            return self._exists(operation.inputs[0], values)
        found = {source: self._exists(source, values) for source in operation.inputs}
        if operation.kind == "sum":
            return torch.maximum(
                *torch.broadcast_tensors(*(found[source] for source in operation.inputs))
            )
        zeros = {source: _mapped(torch.zeros_like, value) for source, value in found.items()}
        run = _runner(operation)
        return _mapped(torch.sub, run({**values, **found}), run({**values, **zeros}))


def _mapped(function: Callable[..., torch.Tensor], value: Any, *others: Any) -> Any:
    """Return the function of a value, or of each of several; indices stay as they are."""
    if isinstance(value, tuple | list):
        return tuple(_mapped(function, *items) for items in zip(value, *others, strict=True))
    return function(value, *others) if _is_float(value) else value


def run_routes(target: Operation, x: torch.Tensor, model_input: Operation) -> torch.Tensor:
    """Return what becomes of x on its way from the model's input to an operation that reads it
    nearly as it is.
    """
    values: Values = {model_input: x}

    def value_of(operation: Operation) -> Any:
        if operation not in values:
            for source in _sources([operation.args, operation.kwargs]):
                value_of(source)
            values[operation] = _runner(operation)(values)
        return values[operation]

    result = value_of(target.inputs[0])
    assert isinstance(result, torch.Tensor)
    return result


def _halves(operation: Operation, values: Values, relevance: Any) -> list[Any]:
    """Return the relevance of two factors: half each."""
    return [(relevance / 2).sum_to_size(values[source].shape) for source in operation.inputs]


def _softmax(operation: Operation, values: Values, relevance: Any) -> list[Any]:
    x, own = values[operation.inputs[0]], values[operation]
    return [attention.of_softmax(x, own, relevance, attention.axis(operation))]


def _bilinear(operation: Operation, values: Values, relevance: Any) -> list[Any]:
    a, b = operation.args[:2]
    to_a, to_b = a in operation.inputs, b in operation.inputs
    found = bilinear.share(values[a], values[b], relevance, to_a, to_b)
    return [share for share, goes in zip(found, (to_a, to_b), strict=True) if goes]


def _narrowed(operation: Operation, values: Values, relevance: Any) -> list[Any]:
    """Return the relevance of what a constant operand may have made larger."""
    return [relevance.sum_to_size(values[operation.inputs[0]].shape)]


def _route(operation: Operation, values: Values, relevance: Any) -> list[Any]:
    """Return where the relevance of copies and maxima comes from, by the adjoint of the operation
    at its inputs.
    """
    several = isinstance(values[operation.inputs[0]], tuple | list)
    if several and operation.function == "getitem" and isinstance(operation.args[1], int):
        return [{operation.args[1] % len(values[operation.inputs[0]]): relevance}]
    if operation.adjoint is not None:
        return [operation.adjoint(values[operation.inputs[0]], relevance)]
    sources = list(dict.fromkeys(operation.inputs))
    copies = {source: _tracked(values[source]) for source in sources}
    with torch.enable_grad():
        result = _runner(operation)({**values, **copies})
    outputs, grads = _paired(result, relevance)
    leaves = [leaf for copy in copies.values() for leaf in _leaves(copy)]
    found = iter(torch.autograd.grad(outputs, leaves, grads, allow_unused=True))
    by_source = {source: _shares_of(copy, found) for source, copy in copies.items()}
    shares = [
        by_source.pop(source, None) for source in operation.inputs
    ]  # one that stands twice is given its sum once
    return _with_inserted(shares, relevance) if operation.inserts else shares


def _tracked(value: Any) -> Any:
    """Return a value, or several, as leaves that autograd follows; indices stay as they are."""
    if isinstance(value, tuple | list):
        return (
            type(value)(_tracked(item) for item in value)
            if type(value) in (tuple, list)
            else tuple(map(_tracked, value))
        )
    return value.detach().requires_grad_() if _is_float(value) else value


def _leaves(value: Any) -> list[torch.Tensor]:
    items = value if isinstance(value, tuple | list) else [value]
    return [item for item in items if _is_float(item)]


def _shares_of(copy: Any, found: Iterator[torch.Tensor | None]) -> Any:
    """Return the next of the found shares for a value: one, or by number for several."""
    if not isinstance(copy, tuple | list):
        return next(found) if _is_float(copy) else None
    by_number = {number: next(found) for number, item in enumerate(copy) if _is_float(item)}
    return {number: share for number, share in by_number.items() if share is not None} or None


def _with_inserted(
    shares: list[torch.Tensor | None], relevance: torch.Tensor
) -> list[torch.Tensor | None]:
    """Give what has landed on inserted constants to the first input, evenly: nothing else can take
    it.
    """
    first = shares[0]
    assert first is not None
    found = sum(share.flatten(1).sum(1) for share in shares if share is not None)
    missing = (relevance.flatten(1).sum(1) - found) / first.shape[1:].numel()
    return [first + missing.reshape(-1, *(1,) * (first.dim() - 1)), *shares[1:]]


def _paired(result: Any, relevance: Any) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the outputs that have relevance, and their relevance; one of several outputs goes by
    its number.
    """
    if isinstance(result, torch.Tensor):
        return [result], [relevance]
    pairs = [
        (result[index], share) for index, share in relevance.items()
    ]  # of those that were asked for
    return [output for output, _ in pairs], [share for _, share in pairs]


def as_function(operation: Operation, values: Values) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return an operation as a function of its first input, all others as they are."""
    run = _runner(operation)
    return lambda x: run({**values, operation.inputs[0]: x})


def _add(received: dict[Operation, Any], source: Operation, share: Any) -> None:
    """Add a share to what an operation has received; outputs of an operation with several are kept
    apart.
    """
    received[source] = _added(received[source], share) if source in received else share


def _added(one: Any, other: Any) -> Any:
    if not isinstance(one, dict):
        return one + other
    shared = {index: _added(one[index], other[index]) for index in one.keys() & other.keys()}
    return {**one, **other, **shared}


def _by_number(relevance: Any) -> dict[int, torch.Tensor]:
    """Return the relevance of a recurrent block's results by their number: the outputs, and the
    last states, which a module returns as a pair.
    """
    given = relevance if isinstance(relevance, dict) else {0: relevance}
    nested = {index: part if isinstance(part, dict) else {0: part} for index, part in given.items()}
    return {index + own: one for index, part in nested.items() for own, one in part.items()}


def _as_given(begins: list[Any], shares: list[torch.Tensor]) -> list[Any]:
    """Return the relevance of states one by one as that of states of which some are pairs."""
    rest = iter(shares)
    return [
        {number: next(rest) for number in range(len(begin))}
        if isinstance(begin, tuple)
        else next(rest)
        for begin in begins
    ]


def _by_sample(
    operation: Operation, own: Any, shares: list[Any]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return what a recurrent block has received and handed on (N, …), however samples lie."""
    lay, sources = operation.block.by_sample, zip(operation.inputs, shares, strict=True)
    received = [lay(part, number == 0) for number, part in _by_number(own).items()]
    return torch.cat(received, 1), [
        lay(part, source is operation.args[0]) for source, share in sources for part in flat(share)
    ]


def _needed(operation: Operation) -> tuple[Operation, ...]:
    """Return the values that an operation's rule needs; routes and averages run again, with all
    their arguments.
    """
    if operation.kind == "softmax":
        return (operation, *operation.inputs)
    if operation.kind in ("bilinear", "signed product"):
        return tuple(_sources(operation.args[:2]))
    if operation.kind == "recurrent":
        return (operation, *_sources(operation.args[:2]))
    if operation.kind in ("weighted", "sum", "product") or operation.broadcasts:
        return operation.inputs
    return (
        tuple(_sources([operation.args, operation.kwargs]))
        if operation.kind in ("route", "average", "bicubic")
        else ()
    )


def _runner(operation: Operation) -> Callable[[Values], Any]:
    """Return the operation as a function of the values so far."""
    args, kwargs, compute = operation.args, operation.kwargs, operation.compute
    if not kwargs and len(args) == 1 and isinstance(args[0], Operation):
        source = args[0]
        return lambda values: compute(values[source])

    def run(values: Values) -> Any:
        filled = lambda leaf: values[leaf] if isinstance(leaf, Operation) else leaf  # noqa: E731
        return compute(
            *replaced(args, filled),
            **{key: replaced(value, filled) for key, value in kwargs.items()},
        )

    return run


def _sources(value: Any) -> list[Operation]:
    return [leaf for leaf in flat(value) if isinstance(leaf, Operation)]


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()
