"""A series with the changes of its level, and the commits between which each happened."""

import dataclasses
from collections.abc import Sequence

from bench.history.change_points import change_points
from bench.history.store import Point, Series, Store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """A new level."""

    start: Point
    """The first run of the new level."""
    last_before: Point
    """The last run of the old one."""
    ratio: float
    """New level over old level."""
    reason: str = ""
    """Why it is meant; empty: nobody has said so."""

    @property
    def told(self) -> str:
        """In words: +5.1 % between a1b2c3d and e4f5a6b."""
        commits = f" between {self.last_before.commit or '?'} and {self.start.commit or '?'}"
        accepted = f" (accepted: {self.reason})" if self.reason else ""
        return f"{100 * (self.ratio - 1):+.1f} %{commits}{accepted}"


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


def trend_of(store: Store, series: Series, metric: str) -> Trend:
    """Return the trend of *metric*."""
    points = [point for point in store.points_of(series.id) if point.figures.get(metric, 0.0) > 0]
    values = [point.figures[metric] for point in points]
    reasons = {
        found.run_id: found.reason
        for found in store.all_acceptances()
        if (found.series_id, found.metric) == (series.id, metric)
    }
    changes = [
        Change(
            start=points[found.index],
            last_before=points[found.index - 1],
            ratio=found.ratio,
            reason=reasons.get(points[found.index].run_id, ""),
        )
        for found in change_points(values)
    ]
    return Trend(series=series, metric=metric, points=points, values=values, changes=changes)
