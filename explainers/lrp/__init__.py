"""LRP for autoencoders: the paper's method, for any autoencoder that can be followed.

`rules.py` holds the equations, `maps.py` what they act on, `capture.py` (torch.fx) or `exported.py`
(torch.export) reads a model, `building.py` and `handlers` make operations of it, `propagation.py`
and, through recurrent layers, `recurrent.py` carry relevance through it, `ledger.py` shows where it
goes; this file puts them together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any, Literal, get_args

import torch
from annotated_types import Ge, Le

from aexbench import Detector, Features, RequestError, SkipError
from aexbench.correlations import likeness
from aexbench.declarations import Later
from aexbench.detector import evaluation_mode, in_chunks, is_out_of_memory
from aexbench.errors import unknown
from aexbench.explainers import register
from aexbench.explainers.lrp import exported
from aexbench.explainers.lrp.attention import shared
from aexbench.explainers.lrp.building import NotFollowedError, plain
from aexbench.explainers.lrp.capture import capture
from aexbench.explainers.lrp.checks import (
    compare,
    compare_adjoints,
    compare_sums,
    same_weights,
)
from aexbench.explainers.lrp.contrast import Contrast, contrasted, settled
from aexbench.explainers.lrp.diagonal import over_chance
from aexbench.explainers.lrp.ledger import Book, Ledger, gap, per_sample
from aexbench.explainers.lrp.maps import floored_relu
from aexbench.explainers.lrp.operations import WAYS_OUT, NoRuleError, Operation, flat
from aexbench.explainers.lrp.propagation import Propagation, Values, Watch, run_routes
from aexbench.explainers.lrp.random_layers import tied_diagonal
from aexbench.explainers.lrp.rules import (
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Rule,
    Sign,
    SquaredWeights,
    ZBox,
    ZPlus,
)
from aexbench.explainers.lrp.tuning import channels_last, tuned

RuleName = Literal["z-plus", "w2", "z-box", "epsilon", "gamma", "alpha-beta", "sign", "flat"]
RULES: dict[str, type[Rule]] = {
    "w2": SquaredWeights,
    "epsilon": Epsilon,
    "gamma": Gamma,
    "alpha-beta": AlphaBeta,
    "sign": Sign,
    "flat": Flat,
}
# A product of one image does not fill the cores: four take a seventh less time than one by one.
LEAST_ROWS, MOST_BYTES = 4, 2**28
# A step of a recurrent network costs as many calls for one window as for a hundred; its gates and
# shares take several times the room of what its modules return.
LEAST_UNROLLED, GATES = 64, 8
PRESETS: dict[str, tuple[RuleName, RuleName]] = {
    "paper-tabular": ("w2", "z-plus"),
    "paper-image": ("z-box", "z-plus"),
    "attn-lrp": ("epsilon", "epsilon"),
}


@register("lrp", version=2)
class LRP:
    """Layer-wise relevance propagation of the reconstruction error, from x̂ back to the input.

    The output's relevance is the error map, |x − x̂|/m or (x − x̂)²/m (Eq. 13, 14). Each weighted
    layer hands it on by its rule; activations, and normalisations with their statistics held
    constant, pass it through; a sum hands it to the operands of its own sign; what is detached is
    a constant. A BatchNorm that alone follows a weighted layer is folded into that layer's weights.
    Biases take none, so that the attributions of a sample sum to its error e(x, x̂).

    **The root.** The paper holds x constant and expands the error in x̂ around x̂ = x. Expand it in
    both instead, around x = x̂ = r with `r = x̂ + t (x − x̂)`. With d = x − x̂ the steps from the
    root are (1 − t) d for x and −t d for x̂. *L2*: value and gradient are zero at the root, and the
    Hessian of d²/m is (2/m) [[1, −1], [−1, 1]]. The second-order terms are ((1 − t)² + t² + 2 t (1
    − t)) d²/m = d²/m; halving the cross term between its two variables gives x `(1 − t)² + t (1 −
    t) = 1 − t` and x̂ `t` of d²/m. *L1*: the one-sided gradient of |d|/m along the step is ±
    sign(d)/m, which gives x `(1 − t)` and x̂ `t` of |d|/m. So in both the share t enters through x̂
    and is propagated, and 1 − t goes to x directly: t = 1 is the paper, t = 0 the residual, and t =
    ½ the nearest root in (x, x̂), which minimises (1 − t)² + t².

    Parameters
    ----------
    detector
        Its model maps one tensor to one tensor; see `handlers` for what it may be made of. It is
        read anew after weights have changed in place (`load_state_dict`, an optimiser's step) or
        modules, weights or hooks were replaced; a change through `.data`, or of an attribute that
        is neither, is not seen.
    loss
        The detector's own where it is left out.
    first
        The rule of the layers that read the input, as it is, rearranged, or scaled and shifted (x −
        mean, a first BatchNorm): `w2`, `z-box`, `z-plus`, … Left out, it is z-box where the
        Features (or `low` and `high`) bound the input, and w2 where they do not.
    rule
        The rule of all other weighted layers.
    preset
        `paper-tabular` (w2 first, then z-plus), `paper-image` (z-box first, then z-plus), or
        `attn-lrp`: ε everywhere, and attention's weights share with its values (Achtibat et al.
        2024). It does not conserve, and by much where an error meets outputs near 0.
    layers
        Rules of single layers as `pattern=rule`, such as `decoder.*=gamma`: the first pattern that
        matches the layer's name wins over `first` and `rule`.
    root
        `input` (the paper, t = 1), `joint` (t = ½), or t itself.
    relevance
        `error`, or `uniform`: the error is spread evenly over the outputs, which shows what the map
        owes to the network alone.
    contrast
        With R = T r the map of the error map r, and U = T u (Σ R / Σ T u) that of the uniform one,
        u = 1/m, scaled to the same total: `minus` is R − U, `over` is R / U − 1 by feature. What
        the rules say of any error is removed; it costs one more backward pass. R is what conserves,
        and what `ledger` and the gap speak of: R − U sums to 0, R / U − 1 to nothing known. Where
        the error is even (the loss-ablated form) both are 0.
    low, high
        The box of z-box; the Features' bounds where left out. A sample outside widens its own box.
    epsilon, gamma, alpha
        Of the ε rule, the γ rule, and the αβ rule (β = α − 1). ε counts in units of a layer's
        outputs, as it was published: where weights put data into other units, the last layer's are
        others too.

    Raises
    ------
    SkipError
        If the model has an operation without a rule; at the first samples of a shape also if what
        was captured is not the model, an adjoint is not autograd's, or relevance does not stay with
        its sample and sum to its error.
    RequestError
        If parameters contradict each other, or the input has no bounds for z-box.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 3.4 and Eq. (13), (14);
    rules: Montavon et al., "Explaining nonlinear classification decisions with deep Taylor
    decomposition", 2017; Bach et al., 2015.

    Examples
    --------
    >>> import torch, aexbench
    >>> from aexbench import explainers
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 4), nn.Sigmoid())
    >>> detector = aexbench.Detector(model)
    >>> x = torch.rand(3, 4)
    >>> relevance = explainers.create("lrp", detector, preset="paper-tabular").explain(x)
    >>> bool(torch.allclose(relevance.sum(1), detector.error(x)))
    True
    """

    def __init__(
        self,
        detector: Detector,
        *,
        loss: Literal["l1", "l2"] | None = None,
        first: RuleName | None = None,
        rule: RuleName | None = None,
        preset: Literal["paper-tabular", "paper-image", "attn-lrp"] | None = None,
        layers: Sequence[str] = (),
        root: Annotated[float, Ge(0), Le(1)] | Literal["input", "joint"] = "input",
        relevance: Literal["error", "uniform"] = "error",
        contrast: Annotated[Contrast, Later("none")] = "none",
        low: float | None = None,
        high: float | None = None,
        epsilon: Annotated[float, Ge(0)] = 1e-6,
        gamma: Annotated[float, Ge(0)] = 0.25,
        alpha: Annotated[float, Ge(1)] = 2.0,
    ) -> None:
        if preset is not None and (first is not None or rule is not None):
            raise RequestError("lrp: give either a preset, or first and rule")
        if detector.dtype == torch.float16:
            raise SkipError(
                "lrp needs a wider range than float16 has: use bfloat16, float32 or float64"
            )
        self.detector = detector.with_loss(loss)
        self.share: float = {"input": 1.0, "joint": 0.5}[root] if isinstance(root, str) else root
        if contrast != "none" and relevance == "uniform":
            raise RequestError("lrp: contrast compares with the uniform error: leave relevance out")
        self.relevance = relevance
        self.contrast: Contrast = contrast
        self.low = detector.features.low if low is None else low
        self.high = detector.features.high if high is None else high
        Features(low=self.low, high=self.high)  # refuses a box that is none
        self.settings = {
            "epsilon": {"epsilon": epsilon},
            "gamma": {"gamma": gamma},
            "alpha-beta": {"alpha": alpha},
        }
        first, rule = (
            PRESETS[preset] if preset else (first or self._default_first(), rule or "z-plus")
        )
        self.first, self.rule = first, rule
        self._wanted = first, rule, list(layers)
        self._attends = preset == "attn-lrp"
        self._shape: tuple[int, ...] | None = None
        self.operations: list[Operation] = []
        self._prepare()

    def _prepare(self, samples: torch.Tensor | None = None) -> None:
        """Read the model, and make all that depends on its weights alone.

        A forward pass that asks for shapes can only be read with samples at hand, and anew for
        those of another shape.
        """
        self._modules = list(self.detector.model.modules())
        self._stored = [
            kind
            for module in self._modules
            for kind in (module._parameters, module._buffers)
            if kind
        ]
        self._parts = [module._modules for module in self._modules if module._modules]
        self._hooks = [
            hooks for m in self._modules for hooks in (m._forward_hooks, m._forward_pre_hooks)
        ]
        versions, self._read, self._shape = self._versions(), [], None
        self.detector.require_inside()
        if not self._captured_by_any(samples):
            return  # the first samples are there soon
        with torch.no_grad():
            if self._attends:
                shared(self.operations)
            self.operations = tuned(self.operations)
            self.names = _chosen(self.operations, *self._wanted)
            _floor(self.operations, self.names)
            self.rules = {
                o: self._rule(o, name) for o, name in self.names.items() if name != "z-box"
            }
        self.propagation = Propagation(
            self.operations, self.rules, self.settings["epsilon"]["epsilon"]
        )
        self._checked: set[tuple[int, ...]] = set()  # shapes of samples
        self._rows: dict[tuple[int, ...], int] = {}  # that are explained at once, by their shape
        self._boxes = [
            operation for operation, name in self.names.items() if name == "z-box"
        ]  # ruled in _bound
        self._bounded_for: tuple[int, ...] | None = None
        self._channels_last = channels_last(self.operations)
        self._read = versions

    def _captured_by_any(self, samples: torch.Tensor | None) -> bool:
        """Read the model by torch.fx, and where that does not, by torch.export, which takes
        seconds; return whether samples were at hand where they were needed.
        """
        model = plain(self.detector.model)
        try:
            self.operations = capture(model, attention=self._attends)
            return True
        except (NotFollowedError, NoRuleError) as error:
            refused: SkipError = error
        if samples is None:
            return False
        self._shape = tuple(samples.shape[1:])
        by_fx = isinstance(refused, NotFollowedError)
        again = [partial(capture, model, samples[:3], self._attends)] if by_fx else []
        for read in (*again, partial(exported.capture, model, samples, self._attends)):
            try:
                self.operations = read()
                return True
            except (NotFollowedError, NoRuleError) as error:
                refused = _told(refused, error)
        raise refused

    def _versions(self) -> list[Any]:
        """Return what differs once a weight has changed in place, or a weight, a module or a hook
        has come or gone.
        """
        tensors = [
            tensor for kind in self._stored for tensor in kind.values() if tensor is not None
        ]
        try:
            weights = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        except RuntimeError:  # made in inference mode, and without a version
            weights = [(tensor.data_ptr(), 0) for tensor in tensors]
        return [
            weights,
            [id(module) for kind in self._parts for module in kind.values()],
            [*map(len, self._hooks)],
        ]

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the relevance (N, …) of each column; sums to e(x, x̂) per sample, but for a
        contrast.
        """
        return self._chunked(self._explain if self.contrast == "none" else self._contrasted, x)

    def _chunked(
        self, explain: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
    ) -> torch.Tensor:
        if torch.is_inference_mode_enabled():  # what it makes cannot meet autograd
            with torch.inference_mode(False):
                return self._chunked(explain, x)
        with torch.no_grad(), evaluation_mode(self._modules):
            x = self._taken(x)
            if len(x) == 1:
                return explain(x)
            return in_chunks(explain, x, self._chunk_rows(x))

    def _chunk_rows(self, x: torch.Tensor) -> int:
        """Return how many samples are explained at once: activations and relevance fit in cache,
        and there are a few at least where they fit in memory.
        """
        shape = tuple(x.shape[1:])
        if shape not in self._rows:
            room = MOST_BYTES // self.detector.activation_bytes(x[:1])
            cached = self.detector.chunk_rows(x) // 2
            unrolled = any(operation.kind == "recurrent" for operation in self.operations)
            least = min(LEAST_UNROLLED, room // GATES) if unrolled else min(LEAST_ROWS, room)
            self._rows[shape] = max(cached, least, 1)
        return self._rows[shape]

    def measures(self, x: torch.Tensor, attributions: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the gap to conservation |Σ R − e| / e (N,), of a contrast that of the map R."""
        if self.contrast != "none":
            attributions = self._chunked(self._explain, x)
        error = self.detector.error_map(x)
        return {"gap to conservation": gap(attributions, error.to(attributions))}

    def ledger(self, x: torch.Tensor) -> Ledger:
        """Return where the relevance of samples x (N, …) goes: in all, per layer, and how much
        depends on the error.

        All samples' activations are kept at once.

        Examples
        --------
        >>> import torch, aexbench
        >>> from aexbench import explainers
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 4))
        >>> ledger = explainers.create("lrp", aexbench.Detector(model)).ledger(torch.rand(3, 4))
        >>> bool(ledger.gap.max() < 1e-4)
        True
        """
        with torch.inference_mode(False), torch.no_grad(), evaluation_mode(self._modules):
            x = self._taken(torch.as_tensor(x))
            values = self._forward(x)
            error = self.detector.error_share(x, values[self.propagation.output])
            starts = {"error": error, "uniform": _spread(error)}
            difference = Book(len(x), self.names)
            self.propagation.backward(values, self.share * (error - starts["uniform"]), difference)
            books = {name: Book(len(x), self.names) for name in starts}
            maps = {
                name: self._propagate(values, x, start, books[name])
                for name, start in starts.items()
            }
            features = self.detector.features
            diagonal = over_chance(lambda start: self._propagate(values, x, start), error, features)
            own = {o: name for o, name in self.names.items() if o in self.operations}
            tied = tied_diagonal(own, features) if len(own) == len(self.names) else math.nan
        layers = books[self.relevance].layers
        for layer, changed in zip(
            layers, difference.layers, strict=False
        ):  # none where nothing is propagated
            layer.contraction, layer.random = changed.contraction, changed.random
        total = per_sample(maps[self.relevance], len(x))
        alike = torch.zeros(len(x))  # of a contrast: that of an even error has no order
        if self.contrast == "none":
            both = (one.flatten(1).double().cpu().numpy() for one in maps.values())
            alike = torch.as_tensor(likeness(*both))
        return Ledger(per_sample(error, len(x)), total, alike, layers, diagonal, tied)

    def _taken(self, x: torch.Tensor) -> torch.Tensor:
        """Return samples as the model takes them, once it is sure that what is prepared is this
        model's.
        """
        x = (
            x.clone() if x.is_inference() else x
        )  # what inference mode has made cannot meet autograd
        x, shape = x.to(self.detector.device, self.detector.dtype), x.shape[1:]
        if self._versions() != self._read or self._shape not in (None, shape):
            self._prepare(x)
        if shape not in self._checked and len(x):
            with torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
                self._check(x)
            self._checked.add(shape)
        return x

    def _check(self, x: torch.Tensor) -> None:
        """Compare what was captured with the model itself, on a few samples together and alone."""
        samples = torch.cat([x[:4], x[:4].flip(-1)])
        own = self.detector.reconstruct(samples)
        values = self._captured(samples)
        if not same_weights(
            self.operations, values
        ):  # hooks that compute weights before a call have done so by now
            self._prepare(samples)
            values = self._captured(samples)
        alone = torch.cat([self.detector.reconstruct(sample) for sample in samples.split(1)])
        compare(self.operations, values, own, alone)
        compare_adjoints(self.operations, values)
        self._check_sums(samples)

    def _check_sums(self, samples: torch.Tensor) -> None:
        """Compare the relevance of samples together with that of two of them alone, and with their
        errors.
        """
        try:
            relevance = self._explain(samples)
            alone = torch.cat([self._explain(one) for one in samples[:2].split(1)])
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).split("\n")[0]
            raise SkipError(f"lrp cannot hand relevance back ({reason}); {WAYS_OUT}") from error
        compare_sums(
            relevance,
            alone,
            self.detector.error_map(samples),
            conserves=not self._attends and "epsilon" not in self.names.values(),
        )

    def _captured(self, samples: torch.Tensor) -> Values:
        try:
            return self._forward(samples, keep=True)
        except RequestError:
            raise
        except (
            Exception
        ) as error:  # whatever the model's operations say to what its own forward pass is not given
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise SkipError(
                f"lrp cannot follow this model's forward pass ({reason}); {WAYS_OUT}"
            ) from error

    def _forward(self, x: torch.Tensor, keep: bool = False) -> Values:
        self._bound(x)
        if self._channels_last and x.dim() == 4 and x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        return self.propagation.forward(x, keep)

    def _explain(self, x: torch.Tensor) -> torch.Tensor:
        values = self._forward(x)
        start = self.detector.error_share(x, values[self.propagation.output])
        return self._propagate(values, x, start if self.relevance == "error" else _spread(start))

    def _contrasted(self, x: torch.Tensor) -> torch.Tensor:
        values = self._forward(x)
        start = self.detector.error_share(x, values[self.propagation.output])
        even = _spread(start)
        found, prior = (self._propagate(values, x, one) for one in (settled(start, even), even))
        return contrasted(self.contrast, found, prior, self.detector.features)

    def _propagate(
        self, values: Values, x: torch.Tensor, start: torch.Tensor, watch: Watch | None = None
    ) -> torch.Tensor:
        """Return the input's relevance: the share t through x̂, the rest directly."""
        if self.share == 0:
            return start
        through = self.propagation.backward(
            values, start if self.share == 1 else self.share * start, watch
        )
        through = through if self.share == 1 else through + (1 - self.share) * start
        return through.contiguous()

    def _default_first(self) -> RuleName:
        bounded = all(
            torch.isfinite(torch.as_tensor(bound)).all() for bound in (self.low, self.high)
        )
        return "z-box" if bounded else "w2"

    def _rule(self, operation: Operation, name: str) -> Rule:
        layer = operation.layer
        assert layer is not None
        if name == "z-plus":
            source = operation.inputs[0]
            return ZPlus(layer, signed=not source.not_negative, floored=source.floored)
        return RULES[name](layer, **self.settings.get(name, {}))

    def _bound(self, x: torch.Tensor) -> None:
        """Tell the z-box rules the bounds of their inputs, which depend on the samples' shape
        alone.
        """
        if not self._boxes or self._bounded_for in (tuple(x.shape), tuple(x.shape[1:])):
            return
        shape = tuple(x.shape[1:])
        features = Features(low=self.low, high=self.high)
        features.check(shape)
        bounds = [torch.as_tensor(bound.copy()).to(x)[None] for bound in features.bounds(shape)]
        if not all(bool(torch.isfinite(bound).all()) for bound in bounds):
            raise RequestError(
                "lrp: z-box needs finite bounds: give low and high, or choose first=w2"
            )
        self._bounded_for = shape
        for operation in self._boxes:
            routed = [run_routes(operation, bound, self.operations[0]) for bound in bounds]
            if (
                len(routed[0]) != 1
            ):  # the samples of a batch do not lie along the first axis any more
                routed = [
                    run_routes(operation, bound.expand_as(x), self.operations[0])
                    for bound in bounds
                ]
                self._bounded_for = tuple(x.shape)
            low, high = (
                torch.minimum(*routed),
                torch.maximum(*routed),
            )  # a negative factor swaps them
            assert operation.layer is not None
            self.rules[operation] = ZBox(operation.layer, low, high)


def _told(one: SkipError, other: SkipError) -> SkipError:
    """Return what to say of two refusals: the later reader's, if it has followed the model."""
    if isinstance(one, NotFollowedError) or not isinstance(other, NotFollowedError):
        return other
    return SkipError(f"{one} (torch.export, which may have one: {other.reason})")


def _floor(operations: list[Operation], names: dict[Operation, str]) -> None:
    """Floor the ReLUs that z⁺ alone reads: it can share by their results as they are."""
    for operation in operations:
        if operation.may_floor:
            readers = [
                other for other in operations if operation in flat([other.args, other.kwargs])
            ]
            if all(names.get(reader) == "z-plus" for reader in readers):
                operation.compute, operation.floored = floored_relu, True


def _chosen(
    operations: list[Operation], first: str, rule: str, layers: list[str]
) -> dict[Operation, str]:
    """Return the name of each weighted operation's rule."""
    maps = [part for operation in operations for part in (operation, *operation.parts)]
    weighted = [operation for operation in maps if operation.kind == "weighted"]
    if not weighted:
        raise SkipError("lrp has nothing to propagate through: the model has no weighted layer")
    names = {operation: operation.name.split(" ")[0] for operation in weighted}
    chosen = {
        operation: first if operation.inputs[0].from_input else rule for operation in weighted
    }
    for entry in reversed(layers):
        pattern, _, wanted = entry.rpartition("=")
        if wanted not in get_args(RuleName):
            raise unknown(f"rule in layers entry {entry!r}:", wanted, get_args(RuleName))
        matching = [operation for operation in weighted if fnmatchcase(names[operation], pattern)]
        if not matching:
            raise unknown("layer of this model", pattern, names.values())
        chosen |= dict.fromkeys(matching, wanted)
    for operation, name in chosen.items():
        if name == "z-box" and not operation.inputs[0].from_input:
            raise RequestError(
                f"lrp: z-box needs bounds of what {operation.name} reads, and it reads activations"
            )
    return chosen


def _spread(error: torch.Tensor) -> torch.Tensor:
    """Return each sample's error, the same for every output."""
    whole = error.flatten(1).sum(1) / error.shape[1:].numel()
    return whole.reshape(-1, *(1,) * (error.dim() - 1)).expand_as(error).contiguous()
