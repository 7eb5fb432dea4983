"""Films in: a few frames of a video, decoded by FFmpeg.

For the sandbox's child alone: nobody else imports this. FFmpeg gets one open file, by
the reader that its first bytes ask for, and may open nothing else: no file that a
playlist names, no address. It decodes what cameras, phones and browsers write, and
nothing older or rarer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from PIL import Image

from demos.intake.images import ImageError, check_sides, reduced
from demos.intake.sampling import Coded, pick, stretches
from demos.specs import CLIP_SIDE, FILM_FRAMES, FILM_PIXELS

# Names of FFmpeg's decoders; dav1d's is for AV1.
DECODERS = ("h264", "hevc", "libdav1d", "vp9", "vp8", "mpeg4", "mjpeg")
OPTIONS = {
    "codec_whitelist": ",".join(DECODERS), "max_pixels": str(FILM_PIXELS),
    "protocol_whitelist": "none",  # neither files nor addresses
}
ANY_OLD = "Save it as MP4 with H.264, as most programs do by themselves, and send that."
BYTE = 100  # pixels are decoded in the time that a byte of the file takes
HD = 720  # rows; from here on colours that do not say what they are mean BT.709
UNSPECIFIED = 2  # FFmpeg's number of such colours
SCALING = (
    Interpolation.AREA | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)

av.logging.set_level(None)  # what is wrong with a stranger's file would fill the log


def decode(file: BinaryIO, reader: str) -> tuple[list[Image.Image], str]:
    """At most CLIP_FRAMES frames, upright RGB, and what they are of the video.

    reader: FFmpeg's name of the container. No side is above CLIP_SIDE, but for a video
    of a single frame, which is a picture. Raises ImageError.
    """
    try:
        with av.open(file, "r", format=reader, options=OPTIONS) as container:
            stream = chosen(container)
            packets = coded(container, stream)
            return decoded(stream, packets)
    except ImageError:
        raise
    except MemoryError as error:
        raise too_much() from error
    except Exception as error:  # broken files make FFmpeg raise nearly anything
        raise damaged() from error


def chosen(container: InputContainer) -> VideoStream:
    """The first stream that can be decoded, ready for it. Raises ImageError."""
    films = [
        one for one in container.streams.video
        if not one.disposition & Disposition.attached_pic  # the cover of a song
    ]
    if not films:
        raise ImageError(
            "unsupported", "There are no pictures in this file, only sound or text. "
            "Send a video or a picture.",
        )
    known = (f for f in films if f.codec_context and f.codec_context.name in DECODERS)
    stream = next(known, None)
    if stream is None:
        raise ImageError(
            "unsupported",
            f"This video is coded in a way that cannot be read here. {ANY_OLD}",
        )
    check_size(stream.width, stream.height)
    context = stream.codec_context
    context.options = OPTIONS
    context.thread_count = 1  # threads have no room in the memory that a child may take
    context.thread_type = "NONE"  # type: ignore[assignment]  # as its own text says
    context.copy_opaque = True
    return stream


def check_size(w: int, h: int) -> None:
    """Raise ImageError for frames that are too large, or no picture for a model.

    FFmpeg leaves the sides 0 where it meets what is larger than OPTIONS allow.
    """
    if not 0 < w * h <= FILM_PIXELS:
        size = f"{w} × {h} pixels" if w * h else "more pixels than can be read"
        raise ImageError(
            "too_large",
            f"The video has frames of {size}; the most is "
            f"{FILM_PIXELS / 1e6:.1f} million, which is 4K. Scale it down first.",
        )
    check_sides(w, h, "video")


def coded(container: InputContainer, stream: VideoStream) -> list[av.Packet]:
    """All frames of the stream as they are in the file, which is small enough."""
    packets: list[av.Packet] = []
    for packet in container.demux(stream):
        if not packet.size:
            continue
        packets.append(packet)
        if packet.has_sidedata("encryption_info"):
            raise ImageError(
                "unsupported",
                "This video is protected against copies. Send one that is not.",
            )
        if len(packets) > FILM_FRAMES:
            raise ImageError(
                "too_large",
                f"The video has more than {FILM_FRAMES:,} frames. Cut it shorter.",
            )
    if not packets:
        raise ImageError("empty", "There is no frame in this video. Choose another.")
    cut_off = container.format.name.startswith("mov")
    cut_off &= len(packets) < len(stream.index_entries)
    if cut_off or packets[-1].is_corrupt:
        raise damaged()
    return packets


def decoded(
    stream: VideoStream, packets: Sequence[av.Packet]
) -> tuple[list[Image.Image], str]:
    """The frames that are picked, in the order in which they are shown."""
    area = stream.width * stream.height
    film = [
        Coded(
            time_of(packet, n), packet.is_keyframe, area + BYTE * packet.size,
            shown=not packet.is_discard,
        )
        for n, packet in enumerate(packets)
    ]
    picked = pick(film)
    size = fitted(stream, len(picked.frames) > 1)
    found = {
        frame.opaque: picture(frame, size)
        for frame in produced(stream, packets, film, picked.frames)
    }
    frames = [found[n] for n in picked.frames if n in found]
    if not frames:
        raise damaged()
    return frames, picked.note


def time_of(packet: av.Packet, number: int) -> float:
    """Seconds; where a file does not say, its frames are as many apart."""
    stamp = packet.dts if packet.pts is None else packet.pts
    return float(number if stamp is None else stamp * packet.time_base)


def produced(
    stream: VideoStream, packets: Sequence[av.Packet], film: Sequence[Coded],
    wanted: Sequence[int],
) -> Iterator[VideoFrame]:
    """The wanted frames, each with its number, as they come out of the decoder."""
    context = stream.codec_context
    for stretch in stretches(film, wanted):
        for n in [*stretch, None]:
            packet = None if n is None else packets[n]
            if packet is not None:
                packet.opaque = n
                # On those that nobody needs no time is lost.
                context.skip_frame = "DEFAULT" if n in wanted else "NONREF"
            with suppress(av.InvalidDataError):  # the next ones may be good
                frames = context.decode(packet)
                yield from (one for one in frames if one.opaque in wanted)
        context.flush_buffers()


def fitted(stream: VideoStream, moves: bool) -> tuple[int, int]:
    """Width and height that a frame is scaled to, its pixels made square."""
    w, h = stream.width, stream.height
    shape = stream.sample_aspect_ratio or 1
    w = round(w * min(4, max(0.25, float(shape))))
    if not moves:
        return reduced(w, h)
    scale = min(1.0, CLIP_SIDE / max(w, h))
    return max(1, round(w * scale)), max(1, round(h * scale))


def picture(frame: VideoFrame, size: tuple[int, int]) -> Image.Image:
    """A frame as it is meant to be seen: small, upright, RGB."""
    unsaid = frame.colorspace == UNSPECIFIED and frame.height >= HD
    small = frame.reformat(
        *size, format="rgb24", interpolation=SCALING, threads=1,
        src_colorspace=Colorspace.ITU709 if unsaid else None,
    )
    upright = Image.fromarray(small.to_ndarray())
    return upright.rotate(90 * round(frame.rotation / 90), expand=True)


def damaged() -> ImageError:
    """The error for what cannot be read to its end."""
    return ImageError(
        "truncated",
        "The video is damaged or cut off. Send it again; if that does not help, open "
        "it in a video program, and save it as MP4.",
    )


def too_much() -> ImageError:
    """The error for what needs more memory than one may have."""
    return ImageError(
        "too_large",
        "The video takes more memory to decode than one may have: scale it down.",
    )
