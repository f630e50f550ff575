"""One network per seed, trained together. The only place that knows the weights' seed axis.

The weights of all seeds are one matrix ``[seed, P]``: a row is one seed's network laid end to end. An algorithm
writes its loss for one seed; ``Replicas.step`` takes that loss's gradient, clips it and applies the optimiser, for
all seeds. There are two ways through that step, chosen by ``path`` and recorded with every run:

``loop``
    One seed after the other, each by exactly the same instructions: what a seed learns is the same to the bit
    alone and in company, by construction. Any module. Dropout in it draws anew for each seed and step count,
    whatever else was drawn: resuming needs nothing more than the count.
``vmap``
    All seeds in one batched computation: faster with several seeds. Sums may be taken in another order than on
    the loop, so weights agree within rounding; a lone seed is doubled, so that it is computed as in company.
    Modules without buffers or dropout.
"""

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from core import eager, trees
from core.clipping import By, clipped_row
from core.draws import mix
from core.errors import UserError
from core.gradients import Metrics, Params, by_transform
from core.layout import Layout
from core.networks.net import Array, Arrays, Net
from core.noise import States
from core.optimisers import Adam, Decayed, Moments, Optimiser
from core.regularisation import kernels

Loss: TypeAlias = Callable[..., tuple[Tensor, Metrics]]
Path: TypeAlias = Literal["loop", "vmap"]

FORMS = 256  # compiled updates in one process; torch counts them all as one function's, and runs the ninth eagerly
_State: TypeAlias = tuple[Tensor, Moments, Tensor, Tensor, Tensor, Tensor]
"""Weights, moments, gradient, step count, whether alive; corrections by the step count."""


class Replicas:
    """The networks of all seeds and their optimiser, moved together.

    Args:
        build: makes one network; called once per seed under that seed's own random numbers.
        seeds: the run's seeds.
        name: parts the initial weights (and what dropout draws) of several networks of one seed.
        optimiser: the update rule, e.g. ``Adam(eps=1e-5)``.
        clip: the most that the gradient's global norm may be (or its norm by tensor, or each of its values, as
            ``clip_by`` says); None: not clipped.
        decay: decoupled weight decay, as a share of lr, of the weights that ``decays`` names.
        decays: which those are, by their names: kernels alone; biases, norms and embeddings are spared.
        device: where weights live.
        path: ``loop`` or ``vmap``, see above.
        compiled: gradient, clip and optimiser become one compiled function (worth it from ten thousand steps on).
    """

    _turn = eager.Turn()  # of every network: the loss of one may call another, and must meet the same seed's

    def __init__(
        self,
        build: Callable[[], nn.Module],
        seeds: Sequence[int],
        *,
        name: str = "net",
        optimiser: Optimiser | None = None,
        clip: float | None = None,
        clip_by: By = "global",
        decay: float = 0.0,
        decays: Callable[[nn.Module], Collection[str]] = kernels,
        device: str | torch.device = "cpu",
        path: Path = "loop",
        compiled: bool = False,
    ) -> None:
        self.seeds, self.name, self.path, self.clip, self.clip_by = tuple(seeds), name, path, clip, clip_by
        self.optimiser: Optimiser = optimiser or Adam()
        self.device = torch.device(device)
        self.modules = [_built(build, mix("weights", name, seed)).to(self.device) for seed in seeds]
        first = self.modules[0]
        buffers = any(True for _ in first.buffers())
        dropout = any(isinstance(part, nn.modules.dropout._DropoutNd) for part in first.modules())
        self._has_modes = buffers or dropout
        if path == "vmap" and self._has_modes:
            raise UserError("a network with batch norm or dropout trains seed by seed; use --path loop")
        self.compiled = compiled and not buffers
        self._turn.drops |= dropout
        self._move_in(first)
        if decay:
            self.optimiser = Decayed(self.optimiser, decay, self.layout.mask(decays(first)).to(self.device))
        self.moments: Moments = tuple(torch.zeros_like(self.matrix) for _ in range(self.optimiser.count))
        self.gradient = torch.zeros_like(self.matrix)
        self.t = torch.zeros(len(seeds), 1, device=self.device)
        self.alive = torch.ones(len(seeds), dtype=torch.bool, device=self.device)
        self._steps: dict[Loss, Callable[[_State, Tensor, Any], Metrics]] = {}

    def _move_in(self, first: nn.Module) -> None:
        """Move every module's weights into the matrix, and make the modules views of it."""
        self.layout = Layout(first)
        self._views, width = self.layout.views, self.layout.width
        self.matrix = torch.zeros(len(self.modules), width, device=self.device)
        for row, module in zip(self.matrix, self.modules, strict=True):
            views = self._views(row)
            for name, parameter in module.named_parameters():
                views[name].copy_(parameter.detach())
                parameter.data = views[name]
                parameter.requires_grad_(False)
        self._stacked: nn.Module | None = None
        self._arrays: dict[str, Arrays | None] = {}
        if self.path == "vmap" and getattr(first, "stacks", False):
            # One seed counts twice: a lone product would round otherwise.
            self._stacked = self._stack(self.matrix.expand(max(len(self.modules), 2), width))

    def _stack(self, rows: Tensor) -> nn.Module:
        """One module whose weights are all the rows', ``[S, …]``, sharing their memory."""
        stacked, views = copy.deepcopy(self.modules[0]), self._views(rows)
        for name, parameter in stacked.named_parameters():
            parameter.data = views[name]
        return stacked

    def __call__(self, *inputs: Any, method: str | None = None, training: bool = False) -> Any:
        """Every seed's output for its own inputs, without gradients: leaves ``[seed, …]`` to ``[seed, …]``.

        Args:
            method: the network's method to call instead of the network itself: a policy without its critic, say.
            training: as while learning: batch norm by this batch, moving its running statistics; dropout drops.
        """
        with torch.no_grad():
            if self._stacked is not None:
                run = self._stacked if method is None else getattr(self._stacked, method)
                if len(self.modules) > 1:
                    return run(*inputs)
                doubled = trees.map(lambda leaf: leaf.expand(2, *leaf.shape[1:]), inputs)
                return trees.map(lambda leaf: leaf[:1], run(*doubled))
            modules = [self._in_mode(module, training) for module in self.modules]
            runs = modules if method is None else [getattr(module, method) for module in modules]
            chances, outputs = self._chances(training), []
            for k, run in enumerate(runs):
                outputs.append(eager.drawn(chances[k], self.device, run, *trees.of_seed(inputs, k)))
            return trees.map(lambda *parts: torch.stack(parts), outputs[0], *outputs[1:])

    def act(self, inputs: Array, method: str) -> Array:
        """As a call of ``method``, from and to NumPy arrays ``[seed, …]``: what choosing actions wants.

        Where the network has a form in NumPy (``Net.in_numpy``) that is what runs: one matrix product after the
        other for every seed, so that it too is the same alone and in company, at a third of the cost.
        """
        if method not in self._arrays:
            first, quick = self.modules[0], None
            if self.device.type == "cpu" and getattr(first, "stacks", False) and isinstance(first, Net):
                stacked = self._stack(self.matrix)
                quick = stacked.in_numpy(method) if isinstance(stacked, Net) else None
            self._arrays[method] = quick
        if (forward := self._arrays[method]) is not None:
            return forward(inputs)
        output: Array = self(torch.from_numpy(inputs).to(self.device), method=method).cpu().numpy()
        return output

    def apply(self, params: Params, *inputs: Any) -> Any:
        """One seed's output under ``params``: what a loss calls."""
        return functional_call(self._in_mode(self.modules[self._turn.seed], training=True), params, inputs)

    def _in_mode(self, module: nn.Module, training: bool) -> nn.Module:
        """The module in training or evaluation mode; where modes change nothing, they are not switched."""
        return module.train(training) if self._has_modes else module

    def _chances(self, training: bool = True) -> list[int | None]:
        return self._turn.chances(self.name, self.seeds, self.t, training)

    def step(self, loss: Loss, *batch: Any, lr: float) -> Metrics:
        """One update of every seed.

        Args:
            loss: ``loss(params, *batch_of_one_seed)`` → (scalar, {name: scalar}). The same function object every
                time, or it is compiled anew.
            batch: trees with leaves ``[seed, …]``.
            lr: the learning rate.

        Returns:
            The loss's metrics and ``grad_norm`` (before clipping), each ``[seed]``. A seed whose gradient is not
            finite keeps its weights and is frozen from then on (``alive`` is false); the others go on.
        """
        if not self.compiled:
            return self._step_eagerly(loss, batch, lr)
        rate = torch.tensor(lr, dtype=torch.float32, device=self.device)
        if loss not in self._steps:
            self._steps[loss] = self._compile(loss)
        corrections = self.optimiser.corrections(self.t + 1)
        state = (self.matrix, self.moments, self.gradient, self.t, self.alive, corrections)
        if self.path == "vmap":
            return self._steps[loss](state, rate, batch)
        found = []
        for k, chance in enumerate(self._chances()):
            own = (trees.of_seed(state, k), rate, trees.of_seed(batch, k))
            found.append(eager.drawn(chance, self.device, self._steps[loss], *own))
        return {name: torch.stack([metrics[name] for metrics in found]) for name in found[0]}

    def _step_eagerly(self, loss: Loss, batch: Any, lr: float) -> Metrics:
        rows = (self.layout, self.matrix, self.gradient, batch)
        if self.path == "vmap":
            metrics = eager.together(loss, *rows)
        else:
            metrics = eager.in_turn(loss, *rows, self._turn, self._chances())
        state = (self.matrix, self.moments, self.gradient, self.t, self.alive)
        norms = eager.descend(self.optimiser, *state, lr, self.clip, self.clip_by, self.layout)
        return {**metrics, "grad_norm": norms}

    def _compile(self, loss: Loss) -> Callable[[_State, Tensor, Any], Metrics]:
        """The whole update of one seed (loop) or of all (vmap), written into the state, as one compiled function."""

        def update(state: _State, rate: Tensor, batch: Any) -> tuple[tuple[Any, ...], Metrics]:
            weights, moments, _, t, alive, corrections = state
            gradients, metrics = by_transform(lambda views: loss(views, *batch), self._views(weights))
            gradient, norm = clipped_row(gradients, self.layout, self.clip, self.clip_by)
            alive = alive & norm.isfinite()
            new, new_moments = self.optimiser(weights, gradient, moments, corrections, rate)
            kept = tuple(torch.where(alive, b, a) for a, b in zip(moments, new_moments, strict=True))
            later = (torch.where(alive, new, weights), kept, gradient, torch.where(alive, t + 1, t), alive)
            return later, {**metrics, "grad_norm": norm}

        def alone(state: _State, rate: Tensor, batch: Any) -> Metrics:
            new, metrics = update(state, rate, batch)
            _overwrite(state, new)
            return metrics

        def together(state: _State, rate: Tensor, batch: Any) -> Metrics:
            updated = vmap(lambda state, batch: update(state, rate, batch))
            new, metrics = eager.in_company(updated, len(self.seeds), (state, batch))
            _overwrite(state, new)
            return dict(metrics)

        function = together if self.path == "vmap" else alone
        options: dict[str, Any] = {"cpp_wrapper": True} if self.device.type == "cpu" else {}
        torch._dynamo.config.recompile_limit = FORMS
        compiled: Callable[..., Any] = torch.compile(function, dynamic=False, options=options)
        return compiled

    def snapshot(self) -> Params:
        """A copy of all weights, ``{name: [seed, …]}``: a target network. May be part of a batch for ``step``."""
        return self._views(self.matrix.clone())

    def weights(self) -> Params:
        """All weights, ``{name: [seed, …]}``, sharing memory with the networks."""
        return self._views(self.matrix)

    def gradients(self) -> Params:
        """The clipped gradients of the last step, ``{name: [seed, …]}``."""
        return self._views(self.gradient)

    def state_dict(self) -> States:
        """Per seed: weights by name, optimiser moments, last gradient, step count, buffers, whether it is alive."""
        return [
            {
                "weights": {name: view.clone() for name, view in self._views(self.matrix[k]).items()},
                "moments": [moment[k].clone() for moment in self.moments],
                "gradient": self.gradient[k].clone(),
                "t": float(self.t[k]),
                "alive": bool(self.alive[k]),
                "buffers": {name: buffer.clone() for name, buffer in module.named_buffers()},
            }
            for k, module in enumerate(self.modules)
        ]

    def load_state_dict(self, states: States) -> None:
        """Restore what ``state_dict`` gave.

        Raises:
            UserError: the states belong to a network of another shape.
        """
        for k, (module, state) in enumerate(zip(self.modules, states, strict=True)):
            views, saved = self._views(self.matrix[k]), state["weights"]
            found = {name: tuple(value.shape) for name, value in saved.items()}
            if found != {name: tuple(view.shape) for name, view in views.items()}:
                raise UserError("the checkpoint holds a network of another shape than these settings build")
            for name, view in views.items():
                view.copy_(saved[name])
            for mine, theirs in zip(self.moments, state["moments"], strict=True):
                mine[k] = theirs.to(self.device)
            self.t[k], self.alive[k], self.gradient[k] = state["t"], state["alive"], state["gradient"]
            for name, buffer in module.named_buffers():
                buffer.copy_(state["buffers"][name])


def _overwrite(state: _State, new: tuple[Any, ...]) -> None:
    """In place: compiled, the results are never written anywhere else."""
    for mine, later in zip(trees.leaves(state), trees.leaves(new), strict=False):  # corrections come last
        mine.copy_(later)


def _built(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network from its own random numbers, leaving everybody else's untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
