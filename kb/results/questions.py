"""Ready-made questions, offered where the table has rows for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.text import slugify

from kb.results.choice import Choice, Refused
from kb.results.comparing import Offer
from kb.results.table import Row


@dataclass(frozen=True)
class Question:
    """protocol: how the names of its protocols begin; empty for every protocol."""

    label: str
    dataset: str
    metric: str
    protocol: str = ""

    @property
    def name(self) -> str:
        """What its address calls it: the choice itself names many protocols."""
        return slugify(self.label)


IMAGENET = ("ImageNet-1k", "top-1")
QUESTIONS = (
    Question("ImageNet, linear probe", *IMAGENET, "linear probe"),
    Question("ImageNet, k-NN", *IMAGENET, "k-NN"),
    Question("ImageNet, fine-tuned", *IMAGENET, "fine-tun"),
    Question("ImageNet with 1 % of the labels", *IMAGENET, "1 % labels"),
    Question("ImageNet with 10 % of the labels", *IMAGENET, "10 % labels"),
    Question("Video: Kinetics-400", "Kinetics-400", "top-1"),
    Question("Video: UCF101", "UCF101", "top-1"),
    Question("Video: HMDB51", "HMDB51", "top-1"),
    Question("Captions on COCO", "COCO", "CIDEr"),
    Question("Detection on COCO", "COCO", "box AP"),
    Question("Segmentation on ADE20K", "ADE20K", "mIoU"),
)
VIEWS = {question.name: question for question in QUESTIONS}


def offers(rows: Iterable[Row]) -> list[Offer]:
    """The questions that at least two rows answer."""
    rows = list(rows)
    found = ((question, _answers(question, rows)) for question in QUESTIONS)
    return [
        Offer(question.label, len(answers), urlencode({"view": question.name}))
        for question, answers in found if len(answers) > 1
    ]


def named(view: str, rows: Iterable[Row]) -> Choice:
    """The choice that a ready-made view stands for. Raises Refused for another name."""
    if view not in VIEWS:
        message = f"There is no view “{view}”; choose {', '.join(VIEWS)}."
        raise Refused("view", view, message)
    question = VIEWS[view]
    return _choice(question, _answers(question, list(rows)))


def _answers(question: Question, rows: list[Row]) -> list[Row]:
    return [
        row for row in rows
        if row.dataset == question.dataset and row.metric == question.metric
        and row.protocol.lower().startswith(question.protocol.lower())
    ]


def _choice(question: Question, answers: list[Row]) -> Choice:
    choice = Choice().only("dataset", question.dataset).only("metric", question.metric)
    protocols = {row.protocol for row in answers} if question.protocol else ()
    return choice.only("protocol", *protocols)
