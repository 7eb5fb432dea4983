"""What noise in training was worth, over all functions that were held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demos.drawing.plots import Axis, plot
from demos.pieces.prose import Prose, named
from demos.results import Recorder

CODE, SENTENCE = "from_code", "from_prose"
MEASURES = {  # by the name of a curve: what goes in, and what is counted
    "fits": (CODE, "nearer"), "fits, of sentences": (SENTENCE, "nearer"),
    "known word pairs": (CODE, "familiar"), "read before": (CODE, "verbatim"),
}


def draw(recorder: Recorder, prose: Prose) -> None:
    """Over all held-out functions: how captions of code read, and whether they fit."""
    figures = prose.card["figures"]
    rows = figures["by_level"]
    series = {
        name: [(row["level"], 100 * row[goes_in][key]) for row in rows]
        for name, (goes_in, key) in MEASURES.items()
    }
    said = ", ".join(
        f"{name} from {points[0][1]:.0f} to {points[-1][1]:.0f}"
        for name, points in series.items()
    )
    exact, chance = (
        100 * figures[name]["nearer"] for name in ("nearest_sentence", "any_sentence")
    )
    recorder.picture(
        "levels",
        plot(series, Axis("noise in training, times epsilon"), Axis("percent")),
        f"All {figures['pairs']['number']} held-out functions. Fits: how often a "
        "caption is nearer to the sentence about its code than to one about other code "
        f"(the nearest sentence read: {exact:.0f}%, any: {chance:.0f}%); of sentences: "
        "the same when that sentence goes in. Known word pairs: neighbouring words "
        "that stand so in a sentence read. Read before: word for word such a sentence. "
        f"{verdict(prose)}",
        f"Curves over the noise in training, in percent: {said}.",
    )


def verdict(prose: Prose) -> str:
    """What noise did to language and to meaning, as the figures have it."""
    rows = prose.card["figures"]["by_level"]
    before, after = (row[CODE]["familiar"] for row in (rows[0], rows[-1]))
    kept = " and ".join(
        f"{row['own_is_nearest']:.0%} after {named(row['level'])}" for row in rows[-2:]
    )
    return (
        f"Noise makes the language smoother: known word pairs go from {before:.0%} to "
        f"{after:.0%}. {meaning(rows)} CLIP's captions differ in few directions, and "
        "noise spreads over all. Here they are means of word vectors and differ in "
        f"many, in none by more than {prose.card['widest_deviation']:.2f} (a "
        f"deviation), less than epsilon; still nearest to themselves are {kept}. That "
        "is not all of it, and so small decoders do not settle it."
    )


def meaning(rows: Sequence[Mapping[str, Any]]) -> str:
    """What fits gain by noise at the best level, and whether that is more than luck."""
    level, best = max(
        ((row["level"], row["from_code"]) for row in rows[1:]),
        key=lambda one: one[1]["gain"],
    )
    gain, error = 100 * best["gain"], 100 * best["gain_error"]
    points = f"{gain:+.1f} points, standard error {error:.1f}, at {level:g} epsilon"
    if gain > 2 * error:
        return f"They become truer too: fits change by {points}."
    return f"It makes captions no truer: fits change at best by {points}."
