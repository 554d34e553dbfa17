"""
When `asv continuous` calls a benchmark worse, written from its documentation and source (asv 0.6.6).

The median must be larger by more than the factor, 1.1 by default ("if a benchmark gets 10% slower or faster, it will
be displayed", `asv continuous --help`), and a two-sided Mann-Whitney U test must say that the samples differ, with
p < 0.002 (`is_different` in asv/_stats.py, from `_is_result_better` in asv/commands/compare.py).
"""

import math
import statistics
from collections.abc import Sequence

FACTOR = 1.1
P_THRESHOLD = 0.002
EXACT_SAMPLES = 20
"""Of the larger side; beyond it asv takes the normal approximation."""


def is_worse(base: Sequence[float], head: Sequence[float], factor: float = FACTOR) -> bool:
    """
    Return whether asv would report *head* as slower than *base*.

    Raises:
        ValueError: If there are so few samples that no U can be below the threshold. asv then asks whether 99 %
            intervals of the medians are apart; that is not done here, as sixteen workers a side are enough.
    """
    if 1 / math.comb(len(base) + len(head), len(base)) >= P_THRESHOLD:
        raise ValueError(f"asv's test needs more samples than {len(base)} and {len(head)}")
    return statistics.median(head) > factor * statistics.median(base) and p_value(base, head) < P_THRESHOLD


def p_value(base: Sequence[float], head: Sequence[float]) -> float:
    """Return the two-sided p-value of the Mann-Whitney U test; samples of a clock have no ties to speak of."""
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 (takes 1.5 s)

    is_exact = max(len(base), len(head)) <= EXACT_SAMPLES
    # asv's approximation has no continuity correction.
    result = mannwhitneyu(base, head, method="exact" if is_exact else "asymptotic", use_continuity=False)
    return float(result.pvalue)
