"""Layered layout: layers run from left to right, links cross little, no items overlap."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 12


@dataclass(frozen=True)
class Item:
    """A rectangle to place.

    Attributes:
        key: a unique name.
        layer: the column, from 0.
        width: pixels.
        height: pixels.
    """

    key: str
    layer: int
    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """A line from an item's right side to the left side of an item in a later layer.

    Attributes:
        source: the key of the item where the line starts.
        target: the key of the item where the line ends.
        leave: pixels between the source's top and the line.
        reach: pixels between the target's top and the line.
    """

    source: str
    target: str
    leave: float
    reach: float


@dataclass(frozen=True)
class Placement:
    """The vertical positions that `place` returns.

    Attributes:
        tops: each item's top, in pixels; the topmost is 0.
        bends: for each link the heights, in pixels, at which it passes the layers between its ends.
        height: pixels from the top of the topmost item to the bottom of the lowest.
    """

    tops: Mapping[str, float]
    bends: Sequence[Sequence[float]]
    height: float


def layers(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Returns the layer of every node: one more than the highest layer of a node that it reads.

    Args:
        needs: for each node the nodes that it reads, all of which are earlier keys.
    """
    layer: dict[str, int] = {}
    for name, before in needs.items():
        layer[name] = 1 + max((layer[other] for other in before), default=-1)
    return layer


def place(items: Sequence[Item], links: Sequence[Link], gap: float) -> Placement:
    """Orders each layer so that links cross little, then moves linked items to the same height.

    A link that skips layers passes them through gaps kept free for it.

    Args:
        items: the items, in reading order, which breaks ties.
        links: the lines between them.
        gap: least pixels between two items of a layer.
    """
    parts, chains = _with_passages(items, links)
    hops = [hop for chain in chains for hop in chain]
    columns: dict[int, list[Item]] = defaultdict(list)
    for item in parts:
        columns[item.layer].append(item)
    tops = {item.key: top for column in columns.values() for item, top in _stacked(column, gap)}
    for sweep in range(SWEEPS):
        wish = _wishes(hops, tops, leftwards=bool(sweep % 2))
        for layer in sorted(columns, reverse=bool(sweep % 2)):
            columns[layer].sort(key=lambda item: wish(item) + item.height / 2)
            tops.update((item.key, top) for item, top in _stacked(columns[layer], gap))
    for sweep in range(SWEEPS):
        wish = _wishes(hops, tops, leftwards=bool(sweep % 2))
        for layer in sorted(columns, reverse=bool(sweep % 2)):
            tops |= _settled(columns[layer], wish, gap)
    highest = min(tops.values(), default=0.0)
    tops = {key: top - highest for key, top in tops.items()}
    bends = [[tops[hop.target] + hop.reach for hop in chain[:-1]] for chain in chains]
    bottom = max((tops[item.key] + item.height for item in parts), default=0.0)
    return Placement({item.key: tops[item.key] for item in items}, bends, bottom)


def _with_passages(
    items: Sequence[Item], links: Sequence[Link]
) -> tuple[list[Item], list[list[Link]]]:
    """Cuts every link at the layers that it skips, and adds an empty item in each of them."""
    layer = {item.key: item.layer for item in items}
    parts, chains = list(items), []
    for number, link in enumerate(links):
        stops = [(link.source, link.leave)]
        for between in range(layer[link.source] + 1, layer[link.target]):
            passage = Item(f"{number}:{between}", between, 0, 0)
            parts.append(passage)
            stops.append((passage.key, 0.0))
        stops.append((link.target, link.reach))
        chains.append([Link(a, b, leave, reach) for (a, leave), (b, reach) in pairwise(stops)])
    return parts, chains


def _stacked(column: Sequence[Item], gap: float) -> list[tuple[Item, float]]:
    """Stacks items from top to bottom, centred on 0."""
    top = -(sum(item.height for item in column) + gap * (len(column) - 1)) / 2
    placed = []
    for item in column:
        placed.append((item, top))
        top += item.height + gap
    return placed


def _wishes(
    hops: Sequence[Link], tops: Mapping[str, float], leftwards: bool
) -> Callable[[Item], float]:
    """Returns a function from an item to the top at which its links on one side are level."""
    by_item: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for hop in hops:
        near, far = (hop.source, hop.target) if leftwards else (hop.target, hop.source)
        offset = hop.reach - hop.leave if leftwards else hop.leave - hop.reach
        by_item[near].append((far, offset))

    def wish(item: Item) -> float:
        linked = by_item[item.key]
        if not linked:
            return tops[item.key]
        return sum(tops[far] + offset for far, offset in linked) / len(linked)

    return wish


def _settled(column: Sequence[Item], wish: Callable[[Item], float], gap: float) -> dict[str, float]:
    """Returns the tops nearest to the wishes that keep order and gaps (pooled least squares)."""
    pools: list[tuple[float, list[tuple[Item, float]]]] = []
    depth = 0.0
    for item in column:
        mean, pool = wish(item) - depth, [(item, depth)]
        while pools and pools[-1][0] > mean:
            above, others = pools.pop()
            mean = (above * len(others) + mean * len(pool)) / (len(others) + len(pool))
            pool = others + pool
        pools.append((mean, pool))
        depth += item.height + gap
    return {item.key: mean + below for mean, pool in pools for item, below in pool}
