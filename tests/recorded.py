"""Videos for tests, made on the spot: as phones, browsers and cameras write them."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import av
import numpy as np
from PIL import Image

UNSPECIFIED = 2  # of colours
PROTECTED = {  # muxing of what is encrypted
    "encryption_scheme": "cenc-aes-ctr", "encryption_kid": "0" * 32,
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
}
# FFmpeg's encoders, and what makes them quick and quiet.
QUICK = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "13", "svtav1-params": "lp=1"},
}
# A phone's matrix: what it holds upright is turned right by a quarter to be shown.
UPRIGHT = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
AS_IT_IS = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


def quarters(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red, green above; blue, white below."""
    small = Image.new("RGB", (2, 2))
    small.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)])
    return small.resize(size, Image.Resampling.NEAREST)


def greys(n: int, size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    """Frames of one grey each, darkest first."""
    return [Image.new("RGB", size, (round(20 + 215 * i / max(1, n - 1)),) * 3) for i in range(n)]


@contextmanager
def own_priority() -> Iterator[None]:
    """Give back the priority that SVT-AV1 takes from root's processes: a real-time one.

    Whatever the process starts later would inherit it, and starve the machine.
    """
    if not hasattr(os, "sched_getscheduler"):  # macOS
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def video(
    frames: Sequence[Image.Image], container: str = "mp4", codec: str = "libx264",
    times: Sequence[int] = (), rate: int = 30, pixels: str = "yuv420p",
    options: dict[str, str] | None = None, colours: str | None = None, **muxing: str,
) -> bytes:
    """The frames as a video.

    times: of the frames, in units of 1/rate s; one after another if empty. options: the
    encoder's. colours: FFmpeg's name of how brightness is weighted, which the file does
    not tell. muxing: the container's.
    """
    with (
        own_priority(),
        NamedTemporaryFile() as file,  # with a name: an index can be moved to the start
        av.open(file.name, "w", format=container, options=muxing) as out,
    ):
        stream = out.add_stream(codec, rate=rate, options=QUICK.get(codec, {}) | (options or {}))
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = pixels
        for n, one in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.asarray(one), format="rgb24")
            if colours:
                frame = frame.reformat(format=pixels, dst_colorspace=colours)
                frame.colorspace = UNSPECIFIED
            frame.pts = times[n] if times else n
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        out.close()
        return Path(file.name).read_bytes()


def sound(container: str = "mp4", cover: Image.Image | None = None) -> bytes:
    """A second of silence, with a picture of the record where there is one."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("aac", rate=8000)
        stream.layout = "mono"
        art = None
        if cover:
            art = out.add_stream("mjpeg")
            art.width, art.height = cover.size
            art.pix_fmt = "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        if art and cover:
            out.mux(art.encode(av.VideoFrame.from_image(cover)))
            out.mux(art.encode())
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file.getvalue()


def held_upright(data: bytes) -> bytes:
    """A QuickTime file as a phone writes it that is held upright."""
    at = data.index(b"tkhd") + 44
    assert data[at : at + 36] == AS_IT_IS
    return data[:at] + UPRIGHT + data[at + 36 :]
