"""One SVI step as a module: its parameters, its buffers, its objective and its schedule.

The plain loop runs it, the compiler captures it, and a checkpoint stores its state.
"""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from zoo.handlers.discovery import outermost, reaching
from zoo.handlers.handlers import Handlers
from zoo.handlers.minibatch import Minibatch
from zoo.handlers.parameters import (
    StoreParameters,
    in_eval_mode,
    reachable_modules,
    unnamed_modules,
)
from zoo.latents import Family
from zoo.objectives import Objective
from zoo.optim.natural import NormalParameters, Places
from zoo.optim.schedules import Schedule
from zoo.optim.turns import ALWAYS, Turn
from zoo.pairing.validation import Observed
from zoo.traces import Pair, as_guide


class Program(nn.Module):
    """A model, a guide and an objective as one module whose forward is the loss of one step.

    Make it with :func:`zoo.program.build`, which sets all fields so that they agree.
    """

    def __init__(
        self,
        pair: Pair,
        objective: Objective,
        *,
        kl_weight: Schedule | None,
        kwargs: dict[str, object],
        store: StoreParameters,
        found: tuple[list[nn.Module], list[nn.Module]] = ([], []),
    ) -> None:
        """Takes the parts as they are.

        Args:
            pair: the model, the guide and the latents.
            objective: what to minimise.
            kl_weight: weight of the KL term at each step.
            kwargs: keyword arguments of the model.
            store: the ``pyro.param`` statements of model and guide.
            found: modules that a run of the model registered with Pyro, and those of the guide.
        """
        super().__init__()
        self.model, self.guide, self.latents = pair.model, pair.guide, pair.latents
        self.guided, self.marked = pair.guided, pair.marked
        self.objective, self.kl_weight, self.kwargs = objective, kl_weight, kwargs
        self.state = objective.state(pair.latents)
        self.store = store
        self.observed: tuple[Observed, ...] = ()
        self.model_statements: frozenset[str] = frozenset()
        self.found = tuple(outermost(parts, (pair.model, pair.guide)) for parts in found)
        reached = reachable_modules(pair.model) + reachable_modules(pair.guide)
        reached = reached + self.found[0] + self.found[1]
        self.reached = nn.ModuleList(outermost(reached, (pair.model, pair.guide)))

    @property
    def pair(self) -> Pair:
        """The guide, and the model as the guide trains against it."""
        model = self.guide.view(self.model) if isinstance(self.guide, Family) else self.model
        of_model, of_guide = self.found
        guide = reaching(as_guide(self.guide), of_guide)
        return Pair(reaching(model, of_model), guide, self.latents, self.guided, self.marked)

    def of_model(self) -> set[int]:
        """The ids of the model's own parameters: those of its modules and of its statements.

        Model and guide may be methods of one module. What only the guide registers is then not
        the model's.
        """
        by_model, by_guide = (_ids(parts) for parts in self.found)
        own = _ids(reachable_modules(self.model)) | by_model
        if not isinstance(self.model, nn.Module):
            own -= by_guide - by_model
        named = zip(self.store.names, self.store.values, strict=True)
        return own | {id(value) for name, value in named if name in self.model_statements}

    def turns(self, parameters: Sequence[nn.Parameter]) -> tuple[Turn, ...]:
        """The turn of each parameter; () where all move at every step."""
        turns = self.objective.turns
        if not turns:
            return ()
        own, of_objective = self.of_model(), _ids([self.state])
        parts = [
            "objective" if id(p) in of_objective else "model" if id(p) in own else "guide"
            for p in parameters
        ]
        return tuple(turns.get(part, ALWAYS) for part in parts)

    def normals(self) -> list[NormalParameters]:
        """The parameters that the guide states to be means and scales of normals."""
        return self.guide.means_and_scales() if isinstance(self.guide, Family) else []

    def places_of_normals(self, parameters: Sequence[nn.Parameter]) -> tuple[Places, ...]:
        """Which of some parameters are means and scales of normals, where both are among them."""
        at = {id(parameter): i for i, parameter in enumerate(parameters)}
        found = [(at.get(id(n.loc)), at.get(id(n.scale)), n.correlated) for n in self.normals()]
        return tuple(Places(i, j, c) for i, j, c in found if i is not None and j is not None)

    @property
    def unnamed(self) -> list[nn.Parameter]:
        """Parameters that are not trained: a function uses their net, but never registers it."""
        loose = [unnamed_modules(fn) for fn in (self.model, self.guide)]
        parts = [self.store, self.state, *self.found[0], *self.found[1]]
        for fn, nets in zip((self.model, self.guide), loose, strict=True):
            parts += _without(reachable_modules(fn), nets)
        trained = _ids(parts)
        own = {id(p): p for nets in loose for net in nets for p in net.parameters()}
        return [p for key, p in own.items() if key not in trained]

    def match_statements(self, names: tuple[str, ...], tensors: dict[str, Tensor]) -> None:
        """Makes the ``pyro.param`` statements those of an earlier state, to load it next.

        Args:
            names: of the earlier state's statements.
            tensors: of the earlier state, by their names in the program.

        Raises:
            ValueError: if those made at the start are not the same.
        """
        early = self.store.names[: self.store.early]
        if names[: len(early)] != early:
            raise ValueError(
                f"The state to go back to has the parameters {names}; this model and guide make "
                f"{early}. Pass the model and guide that were fitted."
            )
        if names == self.store.names:
            return
        values = [tensors[f"store.values.{i}"] for i in range(len(names))]
        self.store.match(names, values)

    def forward(self, step: Tensor, rows: Tensor | None, *args: object) -> Tensor:
        """Loss of one step, nats for the full data, shape ().

        Args:
            step: number of the step, shape (); the schedules depend on it.
            rows: which data rows `args` hold, shape (batch,); None means all of them.
            *args: arguments of the model and the guide.
        """
        with self._handlers(step, rows):
            return self.objective.loss(self.pair, self.state, args, self.kwargs)

    def backward(self, step: Tensor, rows: Tensor | None, *args: object) -> Tensor:
        """Loss of one step, as by forward; adds its gradient to every parameter's ``grad``."""
        with self._handlers(step, rows):
            return self.objective.backward(self.pair, self.state, args, self.kwargs)

    def handlers(self, rows: Tensor | None, *, size: int | None = None) -> Handlers:
        """The effect handlers for runs outside of training: all modules are in eval mode.

        That is asked for here because a net that could not be copied keeps its owner's mode.

        Args:
            rows: which data rows the arguments hold, shape (batch,); None means all of them.
            size: full number of rows, where the arguments hold a minibatch.
        """
        return Handlers(self.store, Minibatch(rows, size), None, in_eval_mode([self]))

    def _handlers(self, step: Tensor, rows: Tensor | None) -> Handlers:
        """The effect handlers of a training step."""
        if isinstance(self.guide, Family):
            self.guide.advance(step)  # type: ignore[attr-defined]
        size = None
        if rows is not None and self.latents.row_plate is not None:
            size = self.latents.row_plate.size
        weight = None if self.kl_weight is None else self.kl_weight(step)
        return Handlers(self.store, Minibatch(rows, size), weight)


def _without(modules: list[nn.Module], others: list[nn.Module]) -> list[nn.Module]:
    """The modules that are none of the others."""
    return [module for module in modules if not any(module is other for other in others)]


def _ids(modules: Iterable[nn.Module]) -> set[int]:
    """The ids of all parameters of the modules."""
    return {id(parameter) for module in modules for parameter in module.parameters()}
