"""LRP for autoencoders: the paper's method, for any autoencoder that torch.fx can follow.

`rules.py` holds the equations, `maps.py` what they act on, `capture.py` reads a model, `propagation.py` carries
relevance through it, `ledger.py` shows where it goes; this file puts them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

import torch
from annotated_types import Ge, Le

from aexbench import Detector, Features, RequestError, SkipError
from aexbench.detector import evaluation_mode
from aexbench.errors import unknown
from aexbench.explainers import register
from aexbench.explainers.lrp.capture import capture
from aexbench.explainers.lrp.ledger import Layer, Ledger, rank_correlation
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.operations import Operation
from aexbench.explainers.lrp.propagation import Propagation, Values, run_routes
from aexbench.explainers.lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, SquaredWeights, ZBox, ZPlus

RuleName = Literal["z-plus", "w2", "z-box", "epsilon", "gamma", "alpha-beta", "flat"]
RULES: dict[str, type[Rule]] = {
    "w2": SquaredWeights,
    "epsilon": Epsilon,
    "gamma": Gamma,
    "alpha-beta": AlphaBeta,
    "flat": Flat,
}
PRESETS: dict[str, tuple[RuleName, RuleName]] = {"paper-tabular": ("w2", "z-plus"), "paper-image": ("z-box", "z-plus")}


@register("lrp")
class LRP:
    """Layer-wise relevance propagation of the reconstruction error, from x̂ back to the input.

    The output's relevance is the error map, |x − x̂|/m or (x − x̂)²/m (Eq. 13, 14). Each weighted layer hands it on by
    its rule; activations, and normalisations with their statistics held constant, pass it through; a BatchNorm that
    alone follows a weighted layer is folded into that layer's weights. Biases take none, so that the attributions of a
    sample sum to its error e(x, x̂).

    **The root.** The paper holds x constant and expands the error in x̂ around x̂ = x. Expand it in both instead, around
    x = x̂ = r with `r = x̂ + t (x − x̂)`. With d = x − x̂ the steps from the root are (1 − t) d for x and −t d for x̂.
    *L2*: value and gradient are zero at the root, and the Hessian of d²/m is (2/m) [[1, −1], [−1, 1]]. The second-order
    terms are ((1 − t)² + t² + 2 t (1 − t)) d²/m = d²/m; halving the cross term between its two variables gives
    x `(1 − t)² + t (1 − t) = 1 − t` and x̂ `t` of d²/m. *L1*: the one-sided gradient of |d|/m along the step is
    ± sign(d)/m, which gives x `(1 − t)` and x̂ `t` of |d|/m. So in both the share t enters through x̂ and is propagated,
    and 1 − t goes to x directly: t = 1 is the paper, t = 0 the residual, and t = ½ the nearest root in (x, x̂), which
    minimises (1 − t)² + t².

    Parameters
    ----------
    detector
        Its model maps one tensor to one tensor; see `handlers.py` for what it may be made of. Weights that change in
        place (`load_state_dict`, an optimiser's step) are read anew; a change through `.data` is not seen.
    loss
        The detector's own where it is left out.
    first
        The rule of the layers that read the input: `w2`, `z-box`, `z-plus`, … Left out, it is z-box where the
        Features (or `low` and `high`) bound the input, and w2 where they do not.
    rule
        The rule of all other weighted layers.
    preset
        `paper-tabular` (w2 first, then z-plus) or `paper-image` (z-box first, then z-plus).
    layers
        Rules of single layers as `pattern=rule`, such as `decoder.*=gamma`: the first pattern that matches the layer's
        name wins over `first` and `rule`.
    root
        `input` (the paper, t = 1), `joint` (t = ½), or t itself.
    relevance
        `error`, or `uniform`: the error is spread evenly over the outputs, which shows what the map owes to the
        network alone.
    low, high
        The box of z-box; the Features' bounds where left out. A sample outside widens its own box.
    epsilon, gamma, alpha
        Of the ε rule, the γ rule, and the αβ rule (β = α − 1).

    Raises
    ------
    SkipError
        If the model has an operation without a rule.
    RequestError
        If parameters contradict each other, or the input has no bounds for z-box.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 3.4 and Eq. (13), (14); rules: Montavon et al.,
    "Explaining nonlinear classification decisions with deep Taylor decomposition", 2017; Bach et al., 2015.

    Examples
    --------
    >>> import torch, aexbench
    >>> from aexbench import explainers
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 4), torch.nn.Sigmoid())
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
        preset: Literal["paper-tabular", "paper-image"] | None = None,
        layers: Sequence[str] = (),
        root: Annotated[float, Ge(0), Le(1)] | Literal["input", "joint"] = "input",
        relevance: Literal["error", "uniform"] = "error",
        low: float | None = None,
        high: float | None = None,
        epsilon: Annotated[float, Ge(0)] = 1e-6,
        gamma: Annotated[float, Ge(0)] = 0.25,
        alpha: Annotated[float, Ge(1)] = 2.0,
    ) -> None:
        if preset is not None and (first is not None or rule is not None):
            raise RequestError("lrp: give either a preset, or first and rule")
        if detector.dtype == torch.float16:
            raise SkipError("lrp needs a wider range than float16 has: use bfloat16, float32 or float64")
        self.detector = detector.with_loss(loss)
        self.share: float = {"input": 1.0, "joint": 0.5}[root] if isinstance(root, str) else root
        self.relevance = relevance
        self.low = detector.features.low if low is None else low
        self.high = detector.features.high if high is None else high
        Features(low=self.low, high=self.high)  # refuses a box that is none
        self.settings = {"epsilon": {"epsilon": epsilon}, "gamma": {"gamma": gamma}, "alpha-beta": {"alpha": alpha}}
        self._wanted = (
            *(PRESETS[preset] if preset else (first or self._default_first(), rule or "z-plus")),
            list(layers),
        )
        self._modules = list(detector.model.modules())
        self._stored = [kind for module in self._modules for kind in (module._parameters, module._buffers) if kind]
        self._prepare()

    def _prepare(self) -> None:
        """Read the model, and make all that depends on its weights alone."""
        self._read = self._versions()
        self.operations = capture(self.detector.model)
        with torch.no_grad():
            self.names = _chosen(self.operations, *self._wanted)
            self.rules = {operation: self._rule(operation, name) for operation, name in self.names.items()}
        self.propagation = Propagation(self.operations, self.rules)
        self._checked = False
        self._boxes = {operation: rule for operation, rule in self.rules.items() if isinstance(rule, ZBox)}
        self._bounded_for: tuple[int, ...] | None = None
        # Convolutions on a CPU run up to 1.5 times faster with channels last; `view` cannot take that layout.
        self._channels_last = not any(operation.function == "view" for operation in self.operations)

    def _versions(self) -> list[tuple[int, int]]:
        """Return what differs once a weight has been changed in place or replaced."""
        tensors = (tensor for kind in self._stored for tensor in kind.values() if tensor is not None)
        return [(tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors]

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the relevance (N, …) of each column; sums to e(x, x̂) per sample."""
        device = x.device
        with torch.inference_mode(False), torch.no_grad(), evaluation_mode(self._modules):
            x = self._taken(x)
            rows = self.detector.chunk_rows(x) if len(x) > 1 else 1
            if len(x) <= rows:
                return self._explain(x).to(device)
            return torch.cat([self._explain(part) for part in x.split(rows)]).to(device)

    def measures(self, x: torch.Tensor, attributions: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the gap to conservation |Σ R − e| / e (N,)."""
        error = self.detector.error(x)
        gap = (attributions.flatten(1).sum(1).to(error) - error).abs() / error.clamp_min(torch.finfo(error.dtype).tiny)
        return {"gap to conservation": gap}

    def ledger(self, x: torch.Tensor) -> Ledger:
        """Return where the relevance of samples x (N, …) goes: in all, per layer, and how much depends on the error.

        Examples
        --------
        >>> import torch, aexbench
        >>> from aexbench import explainers
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 4))
        >>> ledger = explainers.create("lrp", aexbench.Detector(model)).ledger(torch.rand(3, 4))
        >>> bool(ledger.gap.max() < 1e-4)
        True
        """
        layers: list[Layer] = []
        with torch.inference_mode(False), torch.no_grad(), evaluation_mode(self._modules):
            x = self._taken(torch.as_tensor(x))
            values = self._forward(x)
            error = self.detector.error_share(x, values[self.propagation.output])
            uniform = _spread(error)
            maps = [self._propagate(values, x, start) for start in (error, uniform)]

            def book(operation: Operation, received: torch.Tensor, handed_on: torch.Tensor) -> None:
                sums = (received.flatten(1).sum(1), handed_on.sum(1))
                layers.append(Layer(operation.name, self.names.get(operation, operation.kind), *sums, torch.zeros(0)))

            def contraction(operation: Operation, received: torch.Tensor, handed_on: torch.Tensor) -> None:
                variation = received.flatten(1).abs().sum(1)
                ratios.append(handed_on.abs().sum(1) / variation.clamp_min(torch.finfo(x.dtype).tiny))

            ratios: list[torch.Tensor] = []
            self.propagation.backward(values, self.share * error, book)
            self.propagation.backward(values, self.share * (error - uniform), contraction)
        for layer, ratio in zip(layers, ratios, strict=True):
            layer.contraction = ratio
        total = maps[0 if self.relevance == "error" else 1].flatten(1).sum(1)
        return Ledger(error.flatten(1).sum(1), total, rank_correlation(*maps), layers)

    def _taken(self, x: torch.Tensor) -> torch.Tensor:
        """Return samples as the model takes them, once it is sure that what is prepared is this model's."""
        x = x.clone() if x.is_inference() else x  # what inference mode has made cannot meet autograd
        x = x.to(self.detector.device, self.detector.dtype)
        if self._versions() != self._read:
            self._prepare()
        if not self._checked and len(x):
            self._check(x)
        return x

    def _check(self, x: torch.Tensor) -> None:
        """Compare what was captured with the model itself, on a few samples together and alone."""
        samples = torch.cat([x[:4], x[:4].flip(-1)])
        values = self._forward(samples, keep=True)
        captured, own = values[self.propagation.output], self.detector.reconstruct(samples)
        for operation in self.operations:
            if operation.folded and isinstance(operation.layer, Dense) and values[operation].dim() > 2:
                raise SkipError(f"lrp: a BatchNorm over positions follows {operation.name}: permute, or move it")
        alone = torch.cat([self.detector.reconstruct(sample) for sample in samples.split(1)])
        tolerance = min(100 * torch.finfo(x.dtype).eps, 0.05)
        for result, reason in (
            (captured, "the captured forward pass is not the model's (random, with side effects, changed by a hook?)"),
            (alone, "the model mixes the samples of a batch"),
        ):
            if not torch.allclose(result, own, rtol=tolerance, atol=tolerance, equal_nan=True):
                raise SkipError(f"lrp: {reason}")
        self._checked = True

    def _forward(self, x: torch.Tensor, keep: bool = False) -> Values:
        self._bound(x)
        if self._channels_last and x.dim() == 4 and x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        return self.propagation.forward(x, keep)

    def _explain(self, x: torch.Tensor) -> torch.Tensor:
        values = self._forward(x)
        start = self.detector.error_share(x, values[self.propagation.output])
        return self._propagate(values, x, start if self.relevance == "error" else _spread(start))

    def _propagate(self, values: Values, x: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return the input's relevance: the share t through x̂, the rest directly."""
        if self.share == 0:
            return start
        through = self.propagation.backward(values, start if self.share == 1 else self.share * start)
        through = through if self.share == 1 else through + (1 - self.share) * start
        return through.contiguous()

    def _default_first(self) -> RuleName:
        bounded = all(torch.isfinite(torch.as_tensor(bound)).all() for bound in (self.low, self.high))
        return "z-box" if bounded else "w2"

    def _rule(self, operation: Operation, name: str) -> Rule:
        layer = operation.layer
        assert layer is not None
        if name == "z-plus":
            source = operation.inputs[0]
            return ZPlus(layer, signed=not source.not_negative, floored=source.floored)
        if name == "z-box":
            if not operation.inputs[0].from_input:
                raise RequestError(f"lrp: z-box needs bounds of what {operation.name} reads, and it reads activations")
            return ZBox(layer, *(torch.empty(0) for _ in range(2)))  # see _bound
        return RULES[name](layer, **self.settings.get(name, {}))

    def _bound(self, x: torch.Tensor) -> None:
        """Tell the z-box rules the bounds of their inputs, which depend on the samples' shape alone."""
        shape = tuple(x.shape[1:])
        if shape == self._bounded_for or not self._boxes:
            return
        features = Features(low=self.low, high=self.high)
        features.check(shape)
        bounds = [torch.as_tensor(bound.copy()).to(x)[None] for bound in features.bounds(shape)]
        if not all(bool(torch.isfinite(bound).all()) for bound in bounds):
            raise RequestError("lrp: z-box needs finite bounds: give low and high, or choose first=w2")
        for operation, rule in self._boxes.items():
            rule.low, rule.high = (run_routes(operation, bound, self.operations) for bound in bounds)
        self._bounded_for = shape


def _chosen(operations: list[Operation], first: str, rule: str, layers: list[str]) -> dict[Operation, str]:
    """Return the name of each weighted operation's rule."""
    weighted = [operation for operation in operations if operation.kind == "weighted"]
    if not weighted:
        raise SkipError("lrp has nothing to propagate through: the model has no weighted layer")
    names = {operation: operation.name.split(" ")[0] for operation in weighted}
    chosen = {operation: first if operation.inputs[0].from_input else rule for operation in weighted}
    for entry in reversed(layers):
        pattern, _, wanted = entry.rpartition("=")
        if wanted not in get_args(RuleName):
            raise unknown(f"rule in layers entry {entry!r}:", wanted, get_args(RuleName))
        matching = [operation for operation in weighted if fnmatchcase(names[operation], pattern)]
        if not matching:
            raise unknown("layer of this model", pattern, names.values())
        chosen |= dict.fromkeys(matching, wanted)
    return chosen


def _spread(error: torch.Tensor) -> torch.Tensor:
    """Return each sample's error, the same for every output."""
    whole = error.flatten(1).sum(1) / error.shape[1:].numel()
    return whole.reshape(-1, *(1,) * (error.dim() - 1)).expand_as(error).contiguous()
