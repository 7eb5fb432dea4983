"""Queue demo: keys come and go, the key encoder lags, and the picture asks the queue.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from PIL import Image, ImageDraw

from demos.drawing import bars, matrices, plots
from demos.drawing.bars import Bar
from demos.drawing.matrices import ABOVE, Matrix
from demos.drawing.pictures import GROUND, LINE, PADDING, QUIET, font
from demos.drawing.plots import Axis
from demos.intake import images
from demos.pieces import embedding, pets, rolling
from demos.pieces.rolling import BATCH, EMPTY, ROWS, Queue
from demos.scene import Numbers, Scene

LOOKS = 6      # partial pictures
NEAREST = 7    # old keys that are shown beside the own one
FIRST = 14     # steps in the table of ages
EDGE = 60      # pixels of a picture in the queue


def show(scene: Scene) -> Numbers:
    """Train, then draw the queue, the question to it, its rolling and its lag."""
    seen = scene.stage("training", lambda: trained(scene))
    steps = int(scene.options["steps"])
    draw_queue(scene, seen, steps)
    shares, loss = asked(scene, seen)
    draw_question(scene, seen, shares, loss)
    if steps:
        draw_rolling(scene, seen, steps)
        draw_staleness(scene, seen, steps)
    scene.recorder.arrays("queue", "All that is drawn, as numbers.", **seen)
    scene.recorder.progress(max(1, steps), max(1, steps), "Done")
    return {
        "steps": steps,
        "keys_in_the_queue": BATCH * ROWS,
        "random_keys_left": int((seen["holds"] == EMPTY).sum()),
        "oldest_key": age(steps - int(seen["born"].min())) if steps >= ROWS
        else "random",
        "lag": round(float(seen["lag"][-1]), 4) if steps else 0.0,
        "cosine_with_the_own_key": round(float(seen["cosines"][0]), 3),
        "old_keys_that_are_closer": int((seen["cosines"] > seen["cosines"][0]).sum()),
        "loss_of_the_question": round(loss, 4),
    }


def trained(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: read views, train on the gallery, ask for the picture."""
    steps, seed = int(scene.options["steps"]), int(scene.options["seed"])
    scene.recorder.progress(0, max(1, steps), "Reading views of the gallery")
    known = rolling.views_of_gallery(scene)                      # (2, 96, D)
    mine = embedding.tensors([images.square(scene.picture, pets.SIDE).image])
    views, probe = rolling.read_views(scene, mine, seed)         # (2, 1, D)
    centre, spread = known.mean((0, 1)), known.std((0, 1)) + 1e-3
    known, probe = (known - centre) / spread, (probe - centre) / spread
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        queue = rolling.start(scene, known.shape[-1])
        look = partial(tell, scene, queue, steps)
        course = rolling.train(scene, queue, known, steps, look)
    return {
        "views": views[:, 0].numpy(), "holds": queue.holds, "born": queue.born,
        "agreement": queue.agreement(known[1]), **course,
        **rolling.question(queue.model, probe),
    }


def tell(scene: Scene, queue: Queue, steps: int, step: int, loss: float) -> None:
    """One step's figures, and now and then the queue as it is."""
    artifact = None
    if step % max(1, steps // LOOKS) == 0:
        drawn = places(queue.holds, queue.born, step + 1)
        caption = f"The queue after step {step + 1}: one row is one batch."
        artifact = scene.recorder.picture(
            f"step_{step:03}", drawn, caption, caption, partial=True
        )
    new = {"loss": [(step, loss)], "lag": [(step, queue.lag())]}
    message = f"Step {step + 1} of {steps}: loss {loss:.3f}"
    scene.recorder.progress(step + 1, steps, message, new, artifact)


def asked(scene: Scene, seen: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """Softmax shares (1 + K,), the own key first, and the paper's loss of them."""
    temperature = float(scene.options["temperature"])
    query, key, queue = (
        torch.from_numpy(seen[name]) for name in ("query", "key", "queue")
    )
    loss = scene.module.moco_info_nce(query, key, queue.T, temperature)
    shares = torch.from_numpy(seen["cosines"] / temperature).softmax(0)
    return shares.numpy(), loss.item()


# Pictures


def places(holds: np.ndarray, born: np.ndarray, now: int) -> Image.Image:
    """The queue, a batch in each row, with its age; the next to leave in orange."""
    size = (BATCH * EDGE + 170 + 2 * PADDING, ROWS * EDGE + 2 * PADDING)
    canvas = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(canvas)
    for n, picture in enumerate(holds):
        row, column = divmod(n, BATCH)
        x, y = PADDING + column * EDGE, PADDING + row * EDGE
        if picture == EMPTY:
            draw.rectangle((x, y, x + EDGE - 5, y + EDGE - 5), outline=LINE, width=2)
        else:
            canvas.paste(pets.pictures()[picture].resize((EDGE - 3, EDGE - 3)), (x, y))
    for row, since in enumerate(born[::BATCH]):
        said = "random" if since == EMPTY else age(now - int(since))
        ink = ABOVE if now >= ROWS and since == born.min() else QUIET
        place = (PADDING + BATCH * EDGE + 12, PADDING + (row + 0.5) * EDGE)
        draw.text(place, said, ink, font(26), anchor="lm")
    return canvas


def age(steps: int) -> str:
    """An age in words; the newest keys are one step old."""
    return f"{steps} step{'s' * (steps != 1)} old"


def draw_queue(scene: Scene, seen: dict[str, np.ndarray], steps: int) -> None:
    """What the queue holds at the end."""
    left = int((seen["holds"] == EMPTY).sum())
    filled = (
        f"{left} places still hold random numbers (empty squares)." if left else
        "It is full: the next batch takes the place of the row in orange."
    )
    scene.recorder.picture(
        "queue", places(seen["holds"], seen["born"], steps),
        f"The queue after {steps} steps: a row is a batch of {BATCH} keys, each the "
        "stored vector of a view of the picture shown, made by the key encoder of that "
        f"time. {filled} MoCo's real queue has 65,536 keys. {pets.CREDIT}",
        f"{ROWS} rows of {BATCH} pictures with their ages. {filled}",
    )


def draw_question(
    scene: Scene, seen: dict[str, np.ndarray], shares: np.ndarray, loss: float
) -> None:
    """The own key beside the old keys that are most like the query."""
    query, key = embedding.thumbnails(torch.from_numpy(seen["views"]))
    cosines, order = seen["cosines"], (-shares[1:]).argsort()[:NEAREST]
    lines = [Bar(key, f"own key, cosine {cosines[0]:.2f}", (float(shares[0]),), True)]
    for n in order:
        picture = seen["holds"][n]
        random = picture == EMPTY
        kept = Image.new("RGB", (8, 8), LINE) if random else pets.pictures()[picture]
        name = f"old key, cosine {cosines[1 + n]:.2f}"
        lines.append(Bar(kept, name, (float(shares[1 + n]),)))
    closer = int((cosines[1:] > cosines[0]).sum())
    scene.recorder.picture(
        "question", bars.headed([query], bars.drawn(lines, ("share",), 1.0)),
        f"Above, the query: one view of your picture. Below, the key of its other view "
        f"(green) and the {NEAREST} old keys most like the query, with their shares of "
        f"the softmax at temperature {scene.options['temperature']:g}. {closer} of "
        f"{BATCH * ROWS} old keys are closer than the own one; the loss is {loss:.2f}, "
        f"guessing would give {np.log(1 + BATCH * ROWS):.2f}. A grey square is a "
        "random key. Your picture took no part in the training.",
        f"Bars: the own key has a share of {shares[0]:.2f}; {closer} old ones are "
        "closer.",
    )


def draw_rolling(scene: Scene, seen: dict[str, np.ndarray], steps: int) -> None:
    """The age of each row of places, step by step."""
    history = seen["history"][-FIRST:]                           # (steps, ROWS)
    last = np.arange(steps)[-FIRST:, None]
    shown = Matrix(
        (last - history + 1).astype(float),
        [str(n + 1) for n in last[:, 0]], [str(n + 1) for n in range(ROWS)],
        high=float(ROWS), empty=history == EMPTY, across="places, by batches",
        down="after step",
    )
    scene.recorder.picture(
        "rolling", matrices.drawn(shown),
        "The ages of the keys in steps, step by step: each step writes one batch (age "
        "1) over the oldest and everything else grows older. The write position walks "
        "round, so nothing is ever moved. Struck out: random keys of the start.",
        f"Matrix of ages with a diagonal of ones; the oldest is {ROWS}.",
    )


def draw_staleness(scene: Scene, seen: dict[str, np.ndarray], steps: int) -> None:
    """The encoder's lag by step, and how far old keys are out of date."""
    points = [(n + 1, float(value)) for n, value in enumerate(seen["lag"])]
    scene.recorder.picture(
        "lag", plots.plot({"lag": points}, Axis("step"), Axis("distance / length")),
        f"How far the key encoder is behind the query encoder, at momentum "
        f"{scene.options['momentum']:g}, as a share of the latter's length.",
        f"Curve of the lag, at last {points[-1][1]:.3f}.",
    )
    filled = seen["holds"] != EMPTY
    ages = (steps - seen["born"])[filled]
    agreement = seen["agreement"][filled]
    means = {int(a): float(agreement[ages == a].mean()) for a in np.unique(ages)}
    scene.recorder.picture(
        "staleness",
        plots.plot(
            {"cosine with today's key": list(means.items())},
            Axis("age in steps"), Axis("cosine"),
        ),
        "What is the queue worth? Each old key against the key that the same view "
        "would get from today's key encoder, by age. At 1 the old keys are as good as "
        "new; a lower momentum lets them go out of date faster.",
        "Curve: " + ", ".join(f"age {a}: {v:.2f}" for a, v in means.items()) + ".",
    )
