"""What a ranking is worth, and how long answers took, in single numbers."""

from __future__ import annotations

from math import ceil, log2


def ndcg(gains: list[float], judged: list[float], k: int = 10) -> float:
    """Normalised discounted gain of a ranking, the gain of its hits in order.

    judged: the gains of all documents that were judged for the query.
    """
    def discounted(row: list[float]) -> float:
        return sum(gain / log2(at + 2) for at, gain in enumerate(row[:k]))

    best = discounted(sorted(judged, reverse=True))
    return discounted(gains) / best if best else 0.0


def recall(found: list[str], relevant: set[str], k: int = 100) -> float:
    """The share of the relevant documents among the first k."""
    return len(relevant & set(found[:k])) / len(relevant)


def reciprocal_rank(found: list[str], wanted: str, k: int = 10) -> float:
    """1 / rank of the wanted document, 0 if it is not among the first k."""
    return 1 / (found.index(wanted) + 1) if wanted in found[:k] else 0.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def percentile(values: list[float], share: float) -> float:
    """The least value that a share of the values does not exceed."""
    return sorted(values)[ceil(share * len(values)) - 1]


def times(ms: list[float]) -> dict[str, float]:
    return {"p50_ms": round(percentile(ms, 0.5), 1),
            "p95_ms": round(percentile(ms, 0.95), 1)}
