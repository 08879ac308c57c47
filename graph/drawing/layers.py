"""Where things stand in a drawing: layers from left to right, few crossings, nothing on top."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 12


@dataclass(frozen=True)
class Item:
    """Something to place.

    Attributes:
        key: its name; unique.
        layer: its column, from 0.
        width: pixels.
        height: pixels.
    """

    key: str
    layer: int
    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """A line from one item's right side to the left side of one in a later layer.

    Attributes:
        source: the key of the item it leaves.
        target: the key of the item it reaches.
        leave: pixels between the source's top and the line.
        reach: pixels between the target's top and the line.
    """

    source: str
    target: str
    leave: float
    reach: float


@dataclass(frozen=True)
class Placement:
    """The answer of `place`.

    Attributes:
        tops: each item's top, in pixels; the topmost is 0.
        bends: for each link the heights at which it passes the layers between its ends.
        height: pixels from the top of the topmost item to the bottom of the lowest.
    """

    tops: Mapping[str, float]
    bends: Sequence[Sequence[float]]
    height: float


def layers(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The layer of every node: one behind the last it needs.

    Args:
        needs: for each node those it reads, all of which stand before it.
    """
    found: dict[str, int] = {}
    for name, before in needs.items():
        found[name] = 1 + max((found[other] for other in before), default=-1)
    return found


def place(items: Sequence[Item], links: Sequence[Link], gap: float) -> Placement:
    """Orders each layer so that links cross little, then draws linked items level.

    A link that skips layers passes them through gaps kept free for it.

    Args:
        items: what to place, in reading order, which decides where nothing else does.
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
    """Cuts every link at the layers it skips, with an empty item in each."""
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
    """Items below each other, around 0."""
    top = -(sum(item.height for item in column) + gap * (len(column) - 1)) / 2
    placed = []
    for item in column:
        placed.append((item, top))
        top += item.height + gap
    return placed


def _wishes(
    hops: Sequence[Link], tops: Mapping[str, float], leftwards: bool
) -> Callable[[Item], float]:
    """The top at which an item's links would be level, by what stands on one side of it."""
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
    """Tops as near to the wishes as order and gaps allow: least squares by pooling neighbours."""
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
