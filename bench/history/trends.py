"""A series with the changes of its level, and the commits between which each happened."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

from bench.history.change_points import MIN_POINTS, ChangePoint, change_points
from bench.history.store import Acceptance, Point, Series, Store
from bench.metrics import METRICS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """A new level."""

    start: Point
    """The first run of the new level."""
    last_before: Point
    """The last run of the old one."""
    before: float
    """The old level, in the unit of the metric."""
    after: float
    reason: str = ""
    """Why it is meant; empty: nobody has said so."""
    is_doubtful: bool = False
    """Whether most points of either level are flagged."""

    @property
    def amount(self) -> str:
        """How much: +5.1 %, or from 0 to 3, of which there is no share."""
        if self.before <= 0:
            return f"from {self.before:,.6g} to {self.after:,.6g}"
        return f"{100 * (self.after / self.before - 1):+.1f} %"

    @property
    def told(self) -> str:
        """In words: +5.1 % between a1b2c3d and e4f5a6b."""
        accepted = f" (accepted: {self.reason})" if self.reason else ""
        doubt = ", in doubt: most points of a level are flagged" if self.is_doubtful else ""
        return f"{self.amount} between {self.last_before.name} and {self.start.name}{accepted}{doubt}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trend:
    """One metric of a series."""

    series: Series
    metric: str
    points: Sequence[Point]
    """Those that know the metric, oldest first."""
    values: Sequence[float]
    changes: Sequence[Change]
    """Oldest first."""

    @property
    def metric_name(self) -> str:
        """What a person calls the metric, whose unit stands elsewhere."""
        return self.metric.removesuffix("_seconds").removesuffix("_bytes").replace("_", " ")

    def is_worse(self, change: Change) -> bool:
        """Whether *change* went the wrong way."""
        known = METRICS.get(self.metric)
        more_is_better = known is not None and known.better == "higher"
        return (change.after > change.before) != more_is_better


def trends_of(store: Store, chosen: Sequence[Series], metrics: Sequence[str]) -> list[Trend]:
    """Return the trend of each of *metrics* in each of *chosen*, in their order."""
    acceptances = store.all_acceptances()
    trends = []
    for series in chosen:
        points = store.points_of(series.id)
        for metric in metrics:
            own = [found for found in acceptances if (found.series_id, found.metric) == (series.id, metric)]
            trends.append(_trend(series, metric, points, own))
    return trends


def _trend(series: Series, metric: str, points: Sequence[Point], acceptances: Sequence[Acceptance]) -> Trend:
    known = [point for point in points if metric in point.figures]
    values = [point.figures[metric] for point in known]
    found = change_points(values)
    positions = {point.run_id: index for index, point in enumerate(known)}
    reasons = _reasons(found, {positions[one.run_id]: one.reason for one in acceptances if one.run_id in positions})
    borders = [0, *(one.index for one in found), len(known)]
    doubtful = [_is_mostly_doubtful(known[start:end]) for start, end in itertools.pairwise(borders)]
    changes = [
        Change(
            start=known[one.index],
            last_before=known[one.index - 1],
            before=one.before,
            after=one.after,
            reason=reasons.get(one.index, ""),
            is_doubtful=any(both),
        )
        for one, both in zip(found, itertools.pairwise(doubtful), strict=True)
    ]
    return Trend(series=series, metric=metric, points=known, values=values, changes=changes)


def _is_mostly_doubtful(level: Sequence[Point]) -> bool:
    return 2 * sum(point.is_doubtful for point in level) > len(level)


def _reasons(found: Sequence[ChangePoint], accepted: Mapping[int, str]) -> Mapping[int, str]:
    """Return the reason of each change by where it begins, which moves by some points as others arrive."""
    reasons = {}
    for position, reason in accepted.items():
        nearest = min((one.index for one in found), key=lambda index: abs(index - position), default=math.inf)
        if abs(nearest - position) < MIN_POINTS:
            reasons[int(nearest)] = reason
    return reasons
