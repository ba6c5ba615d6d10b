"""The arrays of each layer in a Keras file, by their groups, names or order."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import WeightFileError
from ._build import listing, refuse_integers
from ._keras_chain import Config

# The groups of layers in .keras files: of Keras 3, of some of its versions, and of Keras 2.12 and
# 2.13. Files written on Windows have a backslash after them.
_PLACE = re.compile(
    r"(?P<root>_?layers|_layer_checkpoint_dependencies)/(?P<group>[^/]+)/vars/(?P<number>\d+)"
)
# What training keeps beside the weights, and random layers.
_HARMLESS = re.compile(
    r"_?optimizer(_weights)?/.*|_?(compile_)?metrics/.*|_?(loss_)?tracker/.*|_?loss_tracker/.*"
    r"|.*/(_?random_generator|seed_generator)/.*|.*seed_generator_state(:0)?"
)


@dataclass(frozen=True)
class Weights:
    """The arrays of a file by path, and those that layers have taken."""

    path: Path
    arrays: Mapping[str, NDArray[Any]]
    names: Mapping[str, str]
    archive: bool
    taken: set[str] = field(default_factory=set)
    _groups: dict[str, dict[int, str]] = field(default_factory=dict)
    _ordered: list[str] = field(default_factory=list)

    def of(
        self, config: Config, names: Sequence[str], unread: Sequence[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """Return the weights of a layer by name. Those in `unread` are known, but not needed."""
        find = self._numbered if self.archive else self._named
        places = find(config, [*names, *unread])
        self.taken.update(places)
        return {
            name: refuse_integers(self.path, place, self.arrays[place])
            for name, place in zip(names, places, strict=False)
        }

    def _numbered(self, config: Config, names: Sequence[str]) -> list[str]:
        """Return the paths of the weights of a layer in a .keras file, where they have numbers."""
        group = self._groups.get(config.name)
        numbers = {} if group is None else group
        if sorted(numbers) != list(range(len(names))):
            there = ", ".join(f"{p} {self.arrays[p].shape}" for _, p in sorted(numbers.items()))
            raise WeightFileError(
                f"{self.path}, layer {config.name!r} ({config.kind}): needs its weights "
                f"({', '.join(names)}), but {f'has {there}' if there else 'has none'}; "
                f"the file holds {self._shown()}"
            )
        return [numbers[k] for k in range(len(names))]

    def _named(self, config: Config, names: Sequence[str]) -> list[str]:
        """Return the paths of the weights of a layer in an .h5 file, where they have names."""
        start, found = f"model_weights/{config.name}/", []
        # In order, so that a file of many layers is not searched through for each.
        first = bisect_left(self._ordered, start)
        there = list(takewhile(lambda p: p.startswith(start), islice(self._ordered, first, None)))
        for name in names:
            pattern = re.compile(f"(?:.*/)?{name}(?::0)?")
            match = [p for p in there if pattern.fullmatch(p[len(start) :])]
            if len(match) != 1:
                held = listing(there) if there else self._shown()
                raise WeightFileError(
                    f"{self.path}, layer {config.name!r}: has {len(match)} weights called {name}; "
                    f"{'it' if there else 'the file'} holds {held}"
                )
            found += match
        return found

    def assign(self, layers: Iterable[Config]) -> None:
        """Find the group of each layer of a .keras file that has weights, and sort the paths.

        Groups are called by the class of the layer and a number. Keras 3 adds the layer's name;
        where there is none, the groups of a class stand in the order of the layers.
        """
        self._ordered.extend(sorted(self.arrays))
        groups: dict[str, dict[int, str]] = {}
        labels: dict[str, str] = {}
        roots = set()
        for path in self.arrays:
            if found := _PLACE.fullmatch(path.replace("\\", "/")):
                roots.add(found["root"])
                if len(roots) > 1:
                    raise WeightFileError(
                        f"{self.path}: holds weights of layers in two places, {listing(roots)}"
                    )
                numbers = groups.setdefault(found["group"], {})
                if int(found["number"]) in numbers:
                    raise WeightFileError(f"{self.path}, {path}: is there twice")
                numbers[int(found["number"])] = path
                if label := self.names.get(path.rpartition("/")[0]):
                    labels[label] = found["group"]
        if labels:
            self._groups.update({name: groups[group] for name, group in labels.items()})
            return
        for kind, configs in _by_kind(layers).items():
            pattern = re.compile(f"{re.escape(kind)}(?:_([0-9]{{1,9}}))?")
            matches = [found for group in groups if (found := pattern.fullmatch(group))]
            matches.sort(key=lambda found: int(found[1] or 0))
            if len(matches) == len(configs):
                for config, found in zip(configs, matches, strict=True):
                    self._groups[config.name] = groups[found[0]]

    def check_all_used(self) -> list[str]:
        """Return notes on what training left in the file; WeightFileError for any other array."""
        left = [path for path in self.arrays if path not in self.taken]
        strange = [path for path in left if not _HARMLESS.fullmatch(path.replace("\\", "/"))]
        if strange:
            raise WeightFileError(
                f"{self.path}: holds arrays that no layer of its configuration uses: "
                f"{listing(strange)}; save the model again with model.save"
            )
        count = f"{len(left)} array{'s' if len(left) > 1 else ''}"
        return [f"not used: {count} of the optimizer or training ({listing(left)})"] if left else []

    def _shown(self) -> str:
        """Return the arrays of the file, with their shapes, for a message."""
        rest = {p: a for p, a in self.arrays.items() if not _HARMLESS.fullmatch(p)}
        return listing(f"{path} {array.shape}" for path, array in rest.items())


def _by_kind(layers: Iterable[Config]) -> dict[str, list[Config]]:
    """Return the layers that have weights, by the group name of their class."""
    found: dict[str, list[Config]] = {}
    for layer in layers:
        if layer.has_weights:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", layer.kind).lower()
            found.setdefault(words, []).append(layer)
    return found
