"""The hostile corpus: every file made by code, none of them kept."""

from __future__ import annotations

from tests.uploads import films, jpegs, moving, pngs, pretenders, tiffs, videos
from tests.uploads.case import Case

CORPUS: tuple[Case, ...] = (
    *pngs.cases(), *jpegs.cases(), *tiffs.cases(), *films.cases(), *pretenders.cases(),
)
CLIPS: tuple[Case, ...] = (*moving.cases(), *videos.cases())
