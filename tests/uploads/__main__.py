"""`make uploads`: every hostile file through form, API and shell of a real site.

`python -m tests.uploads NAME…` sends only the files of these names.
"""

# ruff: noqa: T201  (a chore prints)
from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.runs.stack import Stack
from tests.services import find, wait_until
from tests.uploads.case import TAKEN, Case
from tests.uploads.corpus import CLIPS, CORPUS
from tests.uploads.doors import CLIP_PAGE, PAGE, Answer, Api, Page, Shell, upload
from tests.uploads.forms import CLIP, FORMS, Form
from tests.uploads.watch import Watch

SLOWEST = 5  # seconds that one request may take where nothing else is going on
# Megabytes. The web process itself takes about 150; a body in memory would show.
MOST_WEB, MOST_DECODER = 190, 1100
ROW = "{:<4}{:<44}{:>9} {:<14}{:<14}{:<12}{:>6}{:>7}{:>6}"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
IN_A_BROWSER = ("one_bit.png", "cmyk.jpg", "html.jpg", "runs_of_one_pixel.bmp", "empty.jpg")


class Campaign:
    """One site with a real worker, its doors, and what came of everything."""

    def __init__(self, folder: Path):
        self.folder = folder
        many = dict.fromkeys(
            ("KB_RUN_WAITING_PER_VISITOR", "KB_RUN_PER_ADDRESS", "KB_RUN_QUEUE_LIMIT"), "100000"
        )
        self.site = Stack(folder, PYTHONPATH="", **many)
        self.site.run("manage.py", "collectstatic", "-v0", "--noinput", "--ignore", "rest_framework")
        self.web = self.site.start_web()
        self.worker = self.site.start_worker()
        self.page, self.api = Page(self.site.port), Api(self.site.port)
        self.shell = Shell(folder)
        self.watch = Watch(self.web.pid)
        self.runs: set[str] = set()
        self.slowest = 0.0
        self.count: Counter[str] = Counter()

    def file(self, case: Case) -> None:
        """One file through the three doors."""
        data = case.make()
        form = upload(case.name, data)
        answers = [self.page.send(form), self.api.send(form)]
        shell = self.shell.send(case.name, data)
        page, api = answers
        agreed = (page.end == TAKEN) == (api.end == TAKEN) == (shell.end == TAKEN)
        agreed &= page.status in (302, api.status)
        agreed |= len(case.ends) > 1  # a matter of time, which is not always the same
        good = agreed and api.end in case.ends and shell.end in (TAKEN, "refused")
        self.note(case.name, len(data), answers, shell, good)

    def clip(self, case: Case) -> None:
        """One clip through the site's two doors."""
        data = case.make()
        form = upload(case.name, data)
        page, api = answers = [self.page.send(form, CLIP_PAGE), self.api.send(form, CLIP)]
        agreed = page.status in (302, api.status) or len(case.ends) > 1
        self.note(case.name, len(data), answers, None, agreed and api.end in case.ends)

    def form(self, form: Form) -> None:
        """One odd form through the site's two doors."""
        answers = [self.page.send(form), self.api.send(form)]
        good = not form.taken or {a.end for a in answers} == {TAKEN}
        self.note(form.name, len(form.body({})), answers, None, good)

    def note(self, name: str, size: int, answers: list[Answer], shell: Answer | None, good: bool) -> None:
        """Judge and print one row."""
        seconds = max(answer.seconds for answer in answers)
        self.slowest = max(self.slowest, seconds)
        self.runs |= {answer.run for answer in answers if answer.run}
        limit = SLOWEST * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
        good &= all(answer.status < 500 for answer in answers) and seconds < limit
        # Of a file that is taken the shell's seconds are the demo's own.
        good &= shell is None or shell.end == TAKEN or shell.seconds < limit
        good &= self.web.poll() is None and self.worker.poll() is None
        api = answers[1]
        self.count["taken" if api.end == TAKEN else "refused"] += 1
        self.count["wrong"] += not good
        ends = [f"{answer.status or 'closed'}" for answer in answers]
        print(ROW.format(
            "" if good else "BAD", name, size, f"form {ends[0]}", f"API {ends[1]}",
            "" if api.end == TAKEN else api.end[:11], f"{seconds:.2f}",
            f"{shell.seconds:.2f}" if shell else "", self.watch.taken(),
        ), api.said if not good else "", flush=True)

    def finished(self) -> Counter[str]:
        """Wait for the worker; how the runs ended."""
        def over() -> bool:
            return all(self.site.look(run)["state"] in ("done", "failed") for run in self.runs)

        wait_until(over, 600, "the worker")
        return Counter(self.site.look(run)["state"] for run in self.runs)

    def browse(self, cases: Iterable[Case]) -> None:
        """A handful as a visitor sends them, with Chromium."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find("chromium"), args=FLAGS)
            for case in cases:
                path = self.folder / case.name
                path.write_bytes(case.make())
                tab = browser.new_page(base_url=f"http://127.0.0.1:{self.site.port}")
                tab.goto(PAGE)
                tab.set_input_files("input[name=image]", path)
                tab.click("button.primary")
                tab.wait_for_selector("text=/Waiting|Running|Done/ >> visible=true" if TAKEN in case.ends and len(case.ends) == 1 else ".error:visible")
                said = tab.locator(".error:visible").all_inner_texts()
                print(f"Chromium: {case.name}: {' '.join(said) or tab.title()}", flush=True)
            browser.close()

    def stop(self) -> None:
        """End everything that was started."""
        self.shell.stop()
        self.watch.stop()
        self.site.stop()


def main(names: list[str]) -> int:
    """0 where everything ended as it should."""
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        try:
            print(ROW.format("", "file or form", "bytes", "", "", "", "s", "shell", "MB"))
            for case in CORPUS:
                if not names or case.name in names:
                    campaign.file(case)
            for case in CLIPS:
                if not names or case.name in names:
                    campaign.clip(case)
            for form in () if names else FORMS:
                campaign.form(form)
            campaign.browse(case for case in CORPUS if case.name in IN_A_BROWSER and not names)
            return summary(campaign)
        finally:
            campaign.stop()


def summary(campaign: Campaign) -> int:
    """Print the totals; 1 where something is wrong."""
    ended, count, watch = campaign.finished(), campaign.count, campaign.watch
    deaths = (campaign.folder / "worker.log").read_text().count("WorkerLostError")
    left = len(watch.decoders()) - 1
    bad = count["wrong"] + ended["failed"] + deaths + left
    bad += watch.web_peak > MOST_WEB or watch.decoder_peak > MOST_DECODER
    print(
        f"{len(CORPUS) + len(CLIPS)} files and {len(FORMS)} forms: {count['taken']} taken, {count['refused']} refused, "
        f"{count['wrong']} wrong; {ended['done']} runs done, {ended['failed']} failed; slowest {campaign.slowest:.1f} s; "
        f"at most {watch.web_peak} MB in the web process and {watch.decoder_peak} MB in a decoder; "
        f"{deaths} workers died, {left} decoders left over"
    )
    return int(bad > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing behind
    sys.exit(main(sys.argv[1:]))
