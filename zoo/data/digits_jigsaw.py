"""Digits cut into tiles that lie in an unknown order.

Pixels of more than half the largest grey level are ones, the others zeros. Each picture is cut
into rows by columns of tiles; where its side is no multiple, zeros are added at the right and
below. The tiles are put into an order drawn uniformly, which is hidden: `Cut.planted` returns it.
As an order drawn again on top is as uniform, train rows are shuffled anew in each step.

Shuffled pictures alone say which tiles go together, but not where in the picture: a model whose
tiles are all renamed gives them the same probability. 797 other pictures are therefore kept in
order; `complete` returns them.

x (rows, tiles, pixels of a tile): 600 rows in train, 100 in valid and 300 in test.
Source: the digits of scikit-learn; jigsaw puzzles of digits as in Mena et al. (2018), Learning
latent permutations with Gumbel-Sinkhorn networks, ICLR, section 5.2.

As `digits_jigsaw`: Digits in 2 by 2 tiles of 4 by 4 bits, shuffled.
As `digits_jigsaw_6`: Digits in 2 by 3 tiles of 4 by 3 bits, shuffled.
As `digits_jigsaw_9`: Digits in 3 by 3 tiles of 3 by 3 bits, shuffled.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from zoo.data.binarize import check_mode
from zoo.data.data import Batch, Data, make_data
from zoo.data.digits import read
from zoo.data.stream import stream

SIDE = 8
COMPLETE = 797
SIZES = (600, 100, 300)


class Planted(NamedTuple):
    """Shuffled pictures, and the orders that put them right.

    Attributes:
        x: tiles as they lie, shape (rows, tiles, pixels).
        orders: the place of each tile of the picture, int64, shape (rows, tiles).
    """

    x: Tensor
    orders: Tensor


@dataclass(frozen=True)
class Cut:
    """Loads cut and shuffled digits: called with a seed, it gives a data set.

    Attributes:
        name: Name of the data set.
        grid: Rows and columns of tiles.
    """

    name: str
    grid: tuple[int, int]

    def __call__(
        self, seed: int = 0, binarize: str = "threshold", *, download: bool = False
    ) -> Data:
        """Cut the pictures and shuffle their tiles.

        Args:
            seed: Seed of the split and of the orders.
            binarize: "threshold".
            download: Nothing to download: the rows come with scikit-learn.

        Returns:
            x of shape (rows, tiles, pixels), in zeros and ones.

        Raises:
            ValueError: If binarize is not "threshold".
        """
        check_mode(self.name, binarize, ("threshold",))
        train, valid, test = ((x,) for x in self.planted(seed).x.split(list(SIZES)))
        return make_data(
            self.name,
            (train, valid, test),
            ("x",),
            seed,
            observe=shuffled_anew,
            binarize=binarize,
            levels=17,
        )

    def planted(self, seed: int = 0) -> Planted:
        """All rows of the data set of that seed, train first, with their orders."""
        tiles = self._tiles(seed)[COMPLETE:]
        drawn = torch.rand(tiles.shape[:2], generator=stream(seed, self.name), dtype=torch.float64)
        orders = drawn.argsort(-1)
        return Planted(put(tiles, orders.argsort(-1)), orders)

    def complete(self, seed: int = 0) -> Tensor:
        """The pictures kept in order, shape (797, tiles, pixels)."""
        return self._tiles(seed)[:COMPLETE]

    def _tiles(self, seed: int) -> Tensor:
        """All pictures in the order of the seed, cut."""
        x, _ = read()
        return cut((x[torch.randperm(len(x), generator=stream(seed, "split"))] > 0.5).to(x), self)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a tile, in pixels."""
        rows, columns = self.grid
        return -(-SIDE // rows), -(-SIDE // columns)


def cut(x: Tensor, to: Cut) -> Tensor:
    """Pictures (rows, 64) as tiles, row by row from the upper left: (rows, tiles, pixels)."""
    (rows, columns), (height, width) = to.grid, to.tile
    below, right = rows * height - SIDE, columns * width - SIDE
    whole = pad(x.unflatten(-1, (SIDE, SIDE)), (0, right, 0, below))
    laid = whole.unflatten(-1, (columns, width)).unflatten(-3, (rows, height))
    return laid.transpose(-3, -2).flatten(-4, -3).flatten(-2)


def joined(tiles: Tensor, to: Cut) -> Tensor:
    """The pictures of tiles in order, the inverse of :func:`cut` without the added zeros.

    Args:
        tiles: shape (rows, tiles, pixels).
        to: how they were cut.

    Returns:
        Shape (rows, 8, 8).
    """
    laid = tiles.unflatten(-1, to.tile).unflatten(-3, to.grid).transpose(-3, -2)
    return laid.flatten(-4, -3).flatten(-2)[..., :SIDE, :SIDE]


def put(tiles: Tensor, places: Tensor) -> Tensor:
    """The tiles from these places, in order: (rows, tiles, pixels), (rows, tiles)."""
    return tiles.gather(-2, places.unsqueeze(-1).expand(tiles.shape))


def shuffled_anew(batch: Batch) -> Batch:
    """The tiles of each row in an order drawn anew, uniformly."""
    (x,) = batch
    return (put(x, torch.rand(x.shape[:-1], dtype=x.dtype, device=x.device).argsort(-1)),)


def complete(data: Data) -> Tensor:
    """The complete pictures that belong to a data set of this file, (797, tiles, pixels).

    Raises:
        ValueError: If the data set is another.
    """
    if data.name not in CUTS:
        raise ValueError(
            f"Expected data among {', '.join(CUTS)}, which keep complete pictures; got "
            f"'{data.name}'. For others build the model from pictures of your own, as tiles."
        )
    return CUTS[data.name].complete(data.seed).to(data.train[0])


digits_jigsaw = Cut("digits_jigsaw", (2, 2))
digits_jigsaw_6 = Cut("digits_jigsaw_6", (2, 3))
digits_jigsaw_9 = Cut("digits_jigsaw_9", (3, 3))
CUTS = {one.name: one for one in (digits_jigsaw, digits_jigsaw_6, digits_jigsaw_9)}
