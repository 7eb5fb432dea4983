"""What the views of each paper on video are called, and what they are for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What the views of a paper are called, in their order, and what they are for."""

    names: tuple[str, ...]
    idea: str


WORDS = {
    "arrow_of_time": Words(
        ("segment 1", "segment 2"),
        "The network sees motion alone, in two stretches one after the other, and says "
        "whether the clip runs forwards.",
    ),
    "brave": Words(
        ("narrow", "broad"),
        "From the narrow view, short and sharp, the network predicts what it makes of "
        "the broad one, longer and coarser, and the other way round. A random filter "
        "takes the texture of the broad one away.",
    ),
    "colorization": Words(
        ("3 given, 1 asked",),
        "The colours of the last frame are to be copied from the frames before it.",
    ),
    "cubic_puzzles": Words(
        ("piece 1", "piece 2", "piece 3", "piece 4"),
        "In which order do the four pieces stand?",
    ),
    "dpc": Words(
        ("block 1", "block 2", "block 3, asked", "block 4, asked"),
        "From the first blocks the network predicts the features of the last ones. "
        "Each frame is recoloured by itself, so that colour does not tell which belong "
        "together.",
    ),
    "elo": Words(
        ("8 seen, 8 to come",),
        "The first half is seen, the second is to be foretold; other tasks take the "
        "same clip.",
    ),
    "rho_video_ssl": Words(
        ("clip 1", "clip 2"),
        "Two clips of one video should have the same features, however far apart in "
        "time: what persists is learnt.",
    ),
    "svt": Words(
        ("global, 4 frames", "global, 8 frames", "local, 2 frames", "local, 4 frames"),
        "From a local view, short and small, the student predicts what the teacher "
        "makes of the global ones, which span the clip at two frame rates.",
    ),
    "video_prediction": Words(
        ("4 given, 1 asked",), "From four frames the network paints the fifth.",
    ),
    "vito": Words(
        ("frame 1", "frame 2"),
        "Two frames of one video are two views of the same thing, as nature changes it "
        "and not as an editor would.",
    ),
    "vthcl": Words(
        ("slow", "fast"),
        "The same stretch at two tempi should have the same features.",
    ),
}
UNKNOWN = Words((), "")
