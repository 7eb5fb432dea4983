"""What the site's processes take while something happens, and whether they live."""

from __future__ import annotations

import threading
from contextlib import suppress

import psutil

EVERY = 0.02  # seconds


class Watch:
    """Peaks of resident memory in megabytes: of the web process, and of one decoder."""

    def __init__(self, web: int):
        self.web = psutil.Process(web)
        self.web_peak = self.decoder_peak = self.peak = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        """Take samples until it is over."""
        while not self.over.wait(EVERY):
            with suppress(psutil.NoSuchProcess):
                self.web_peak = max(self.web_peak, self.web.memory_info().rss >> 20)
            for child in self.decoders():
                with suppress(psutil.NoSuchProcess):
                    self.peak = max(self.peak, child.memory_info().rss >> 20)

    def decoders(self) -> list[psutil.Process]:
        """The decoder process of the web process and its children."""
        with suppress(psutil.NoSuchProcess):
            return self.web.children(recursive=True)
        return []

    def taken(self) -> int:
        """The decoder's peak since the last question."""
        self.decoder_peak = max(self.decoder_peak, self.peak)
        found, self.peak = self.peak, 0
        return found

    def stop(self) -> None:
        """No more samples."""
        self.over.set()
        self.thread.join()
