"""Temperature demo: a teacher's soft targets, and the paper's loss at each temperature.

The classes are nine gallery pictures and a score is how like one the submitted picture
is: by the trained network (the teacher) and by plain pixels (the student).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from demos.drawing import bars, plots
from demos.drawing.bars import Bar
from demos.drawing.plots import Axis
from demos.intake import images
from demos.listening import listening
from demos.pieces import embedding, pets
from demos.scene import Numbers, Scene

CLASSES, SHARPNESS = 9, 10.0                 # scores are cosines times the latter
TRIED = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0)


def show(scene: Scene) -> Numbers:
    """The answers at the chosen temperature, then loss and gradient at all."""
    seen = scene.stage("scores", lambda: scores(scene))
    scene.recorder.progress(1, 2, "Softening")
    teacher, student = (torch.from_numpy(seen[n])[None] for n in ("teacher", "student"))
    chosen = float(scene.options["temperature"])
    soft = [(one / chosen).softmax(1)[0].numpy() for one in (teacher, student)]
    courses = {T: judged(scene, teacher, student, T) for T in sorted({*TRIED, chosen})}
    draw_answers(scene, seen["classes"], soft, chosen)
    draw_softening(scene, teacher)
    draw_losses(scene, courses)
    draw_gradients(scene, courses)
    scene.recorder.arrays(
        "scores", "Scores before the softmax, the soft targets, and rows of "
        "(temperature, loss, length of its gradient).", teacher=seen["teacher"],
        student=seen["student"], soft_teacher=soft[0], soft_student=soft[1],
        courses=np.array([(T, *found) for T, found in courses.items()]),
    )
    scene.recorder.progress(2, 2, "Done")
    loss, gradient = courses[chosen]
    return {
        "classes": CLASSES,
        "teacher_is_sure_of_its_first": round(float(soft[0].max()), 4),
        "teacher_effective_classes": round(effective(soft[0]), 2),
        "kl": round(loss / chosen**2, 5),
        "loss_with_t_squared": round(loss, 5),
        "gradient_with_t_squared": round(gradient, 5),
        "gradient_without": round(gradient / chosen**2, 6),
    }


@torch.no_grad()
def scores(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: both parties' scores (CLASSES,) and what the classes are."""
    scene.recorder.progress(0, 2, "Asking teacher and student")
    drawn = np.random.default_rng(int(scene.options["seed"])).permuted(
        np.arange(len(pets.LABELS)).reshape(len(pets.BREEDS), -1), axis=1
    )
    classes = drawn[:, : CLASSES // len(pets.BREEDS)].ravel()
    mine = embedding.tensors([images.square(scene.picture, 2 * pets.SIDE).image])
    found = {"classes": classes}
    ways = {
        "teacher": embedding.encoder(scene.loaded, scene.device),
        "student": embedding.pixels,
    }
    with listening(scene.loaded.model, scene.recorder.alive):
        for name, encode in ways.items():
            known = embedding.gallery(scene, name, encode)       # (96, D)
            asked = embedding.embedded(mine, encode, scene)      # (1, D)
            one = embedding.directions(asked, known)[0]          # (D,)
            compared = embedding.directions(known[classes], known)  # (C, D)
            found[name] = (SHARPNESS * compared @ one).numpy()
    return found


@torch.enable_grad()
def judged(
    scene: Scene, teacher: Tensor, student: Tensor, T: float
) -> tuple[float, float]:
    """The paper's loss, and the length of its gradient for the student's scores."""
    asked = student.clone().requires_grad_()
    loss = scene.module.distillation_loss(asked, teacher, T)
    (gradient,) = torch.autograd.grad(loss, asked)
    return loss.item(), gradient.norm().item()


def effective(shares: np.ndarray) -> float:
    """Among how many classes the shares hesitate: 1 if sure, CLASSES if all alike."""
    return float(np.exp(-(shares * np.log(shares.clip(1e-12))).sum()))


# Pictures


def draw_answers(
    scene: Scene, classes: np.ndarray, soft: list[np.ndarray], T: float
) -> None:
    """Teacher's and student's shares for each class, the teacher's first on top."""
    teacher, student = soft
    lines = [
        Bar(
            pets.pictures()[classes[n]], pets.breed(int(classes[n])),
            (float(teacher[n]), float(student[n])),
        )
        for n in (-teacher).argsort(kind="stable")
    ]
    top = max(0.25, float(max(teacher.max(), student.max())))
    mine = images.square(scene.picture, 2 * pets.SIDE).image
    scene.recorder.picture(
        "answers",
        bars.headed([mine], bars.drawn(lines, ("teacher", "student"), top, 3)),
        f"“Which of these nine is your picture like?” at temperature {T:g}. Teacher: "
        f"{scene.loaded.card.name}; student: plain pixels, untaught. The teacher "
        f"hesitates among {effective(teacher):.1f} of {CLASSES}. Below its first "
        "choice lies what a label would not tell: which wrong answers are nearly "
        f"right. Likeness to nine pictures is no classifier. {pets.CREDIT}",
        "Bars, teacher and student: " + "; ".join(
            f"{bar.name} {bar.values[0]:.2f} and {bar.values[1]:.2f}" for bar in lines
        ) + ".",
    )


def draw_softening(scene: Scene, teacher: Tensor) -> None:
    """Among how many classes the teacher hesitates, by temperature."""
    points = [
        (T, effective((teacher / T).softmax(1)[0].numpy())) for T in TRIED
    ]
    scene.recorder.picture(
        "softening",
        plots.plot(
            {"teacher": points}, Axis("temperature"), Axis("classes it hesitates among")
        ),
        f"The same scores at every temperature: from {points[0][1]:.1f} to "
        f"{points[-1][1]:.1f} of {CLASSES} classes (the exponential of the entropy). "
        "The order of the classes never changes, only how much the lower ones count.",
        f"A curve that rises from {points[0][1]:.1f} to {points[-1][1]:.1f}.",
    )


def draw_losses(scene: Scene, courses: dict[float, tuple[float, float]]) -> None:
    """KL alone, and times the square."""
    alone = [(T, loss / T**2) for T, (loss, _) in courses.items()]
    squared = [(T, loss) for T, (loss, _) in courses.items()]
    scene.recorder.picture(
        "losses",
        plots.plot(
            {"KL": alone, "KL times T squared, the loss": squared}, Axis("temperature"),
            Axis("loss", log=True),
        ),
        "How far the student is from the teacher, by temperature. Softened answers are "
        "all alike, so their divergence shrinks with the square of the temperature; "
        "the factor T² takes that back.",
        f"Two curves: KL falls to {alone[-1][1]:.2g}, the loss ends at "
        f"{squared[-1][1]:.2g}.",
    )


def draw_gradients(scene: Scene, courses: dict[float, tuple[float, float]]) -> None:
    """How strongly the student is pulled, with the square and without."""
    squared = [(T, gradient) for T, (_, gradient) in courses.items()]
    alone = [(T, gradient / T**2) for T, gradient in squared]
    scene.recorder.picture(
        "gradients",
        plots.plot(
            {"KL": alone, "KL times T squared": squared}, Axis("temperature"),
            Axis("length of the gradient", log=True),
        ),
        "How strongly the student's scores are pulled. Without the factor a higher "
        "temperature would also be a lower learning rate; with it the pull stays of "
        "one size once the answers are soft, and can be added to that of the labels.",
        f"Two curves: without the square down to {alone[-1][1]:.2g}, with it "
        f"{squared[-1][1]:.2g} at the end.",
    )
