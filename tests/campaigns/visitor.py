"""One visitor of a campaign: sends, looks, cuts streams, cancels, deletes, by chance."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.campaigns.ledger import Ledger, Wish
from tests.runs.stack import Stack, form

FORM_PAGE = "/papers/mae/run/pretraining/"


class Answer(NamedTuple):
    """What came back."""

    status: int
    json: dict
    headers: http.client.HTTPMessage


class Visitor(threading.Thread):
    """Acts one after the other until `enough()`; every choice comes from the seed."""

    def __init__(
        self, name: str, seed: int, site: Stack, ledger: Ledger,
        enough: Callable[[], bool],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.chance = random.Random(f"{seed} {name}")
        self.site, self.ledger, self.enough = site, ledger, enough
        self.cookie = ""
        self.unanswered: list[tuple[str, Wish]] = []
        self.sent: set[str] = set()

    def run(self) -> None:
        """Come with a cookie, act until enough, and leave nothing unanswered."""
        while not self.cookie:
            self.introduce()
        acts = {
            self.send: 30, self.send_same: 8, self.burst: 4, self.repeat: 6,
            self.refresh: 18, self.listen: 8, self.cancel: 12, self.meddle: 5,
            self.delete: 4,
        }
        while not self.enough():
            act = self.chance.choices(list(acts), weights=list(acts.values()))[0]
            (self.repeat if len(self.unanswered) > 1 else act)()
            time.sleep(self.chance.uniform(0, 0.1))
        while self.unanswered:
            self.post(*self.unanswered.pop())
            time.sleep(0.1)

    def introduce(self) -> None:
        """Fetch a form, as a browser does, for its cookie."""
        answer = self.ask("GET", FORM_PAGE)
        if answer is not None and answer.headers["Set-Cookie"]:
            cookies = answer.headers.get_all("Set-Cookie") or []
            self.cookie = next(c for c in cookies if c.startswith("visitor=")).split(";")[0]

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> Answer | None:
        """One request; None where the connection broke, so its outcome is open."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        link = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)
        try:
            link.request(method, path, body or None, {**sent, "Cookie": self.cookie})
            response = link.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException):
            self.ledger.count("broken requests")
            time.sleep(0.2)
            return None
        finally:
            link.close()
        is_json = "json" in response.headers.get("Content-Type", "")
        if response.status >= 500:
            self.ledger.fault(f"{response.status} from {method} {path}: {raw[:200]!r}")
        return Answer(response.status, json.loads(raw) if is_json else {}, response.headers)

    # -- sending

    def wish(self) -> Wish:
        """Short runs, some long ones, and some that will not be waited for."""
        steps = self.chance.choice([10, 20, 30, 40, 60, 60, 400])
        colour = tuple(self.chance.randrange(256) for _ in range(3))
        patience = 5 if self.chance.random() < 0.08 else None
        return Wish(steps, self.chance.randrange(10**6), colour, patience)

    def send(self) -> None:
        """A new run."""
        self.post(f"{self.chance.getrandbits(64):x}", self.wish())

    def send_same(self) -> None:
        """What somebody asked for a moment ago."""
        if recent := self.ledger.wishes():
            self.post(f"{self.chance.getrandbits(64):x}", self.chance.choice(recent))

    def burst(self) -> None:
        """The same picture four times at once, as an impatient hand does."""
        wish = self.wish()
        keys = [f"{self.chance.getrandbits(64):x}" for _ in range(4)]
        hands = [threading.Thread(target=self.post, args=(key, wish)) for key in keys]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()

    def repeat(self) -> None:
        """An unanswered post once more, or one that was answered already."""
        if self.unanswered:
            self.post(*self.unanswered.pop())
            return
        with self.ledger.lock:
            known = [
                (key, self.ledger.runs[run_id].wish)
                for (name, key), run_id in self.ledger.keys.items()
                if name == self.name
                and self.ledger.runs[run_id].holders[self.name] == "waits"
            ]
        if known:
            self.post(*self.chance.choice(known))

    def post(self, key: str, wish: Wish) -> None:
        """Submit under the key and note what was said."""
        options = json.dumps({"steps": wish.steps, "seed": wish.seed})
        more = {"deadline": str(wish.patience)} if wish.patience else {}
        body, kind = form(
            wish.colour, demo="pretraining", paper="mae", options=options, **more
        )
        asked = time.time()
        answer = self.ask(
            "POST", "/api/runs/", body, Content_Type=kind, Idempotency_Key=key
        )
        if answer is None:
            self.unanswered.append((key, wish))
        elif answer.status in (200, 201):
            self.ledger.count("acknowledged")
            again = key in self.sent
            self.ledger.acknowledged(self.name, key, wish, answer.json, asked, again)
        elif answer.status == 429:
            self.refused(answer)
            return
        else:
            self.ledger.fault(f"{answer.status} to a submission: {answer.json}")
        self.sent.add(key)

    def refused(self, answer: Answer) -> None:
        """429: with words, and with a time after which another try makes sense."""
        error = answer.json.get("error", {})
        self.ledger.count(f"refused: {error.get('code')}")
        if not answer.headers["Retry-After"] or " " not in error.get("message", ""):
            self.ledger.fault(f"429 without words or time: {answer.json}")
        time.sleep(0.3)

    # -- looking

    def some(self, runs: list[str]) -> str | None:
        """One of the newest of these."""
        return self.chance.choice(runs[-5:]) if runs else None

    def refresh(self) -> None:
        """The page, its live part, or the API."""
        if run_id := self.some(self.ledger.own(self.name)):
            places = (f"/runs/{run_id}/", f"/runs/{run_id}/status/", "/queue/")
            self.ask("GET", self.chance.choice(places))
            asked = time.time()
            answer = self.ask("GET", f"/api/runs/{run_id}/")
            if answer is not None and answer.status == 200:
                self.ledger.seen(answer.json, asked)

    def listen(self) -> None:
        """Open the stream and leave in the middle of it."""
        run_id = self.some(self.ledger.own(self.name))
        if run_id is None:
            return
        link = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=1)
        try:
            link.request("GET", f"/runs/{run_id}/events", headers={"Cookie": self.cookie})
            response = link.getresponse()
            for _ in range(self.chance.randrange(12)):
                response.readline()
        except (OSError, http.client.HTTPException):
            self.ledger.count("broken streams")
        finally:
            link.close()

    # -- ending

    def cancel(self) -> None:
        """One's own run, sometimes twice."""
        run_id = self.some(self.ledger.own(self.name))
        if run_id is None:
            return
        self.ledger.leaves(self.name, run_id)
        for _ in range(self.chance.choice([1, 1, 2])):
            answer = self.ask("POST", f"/api/runs/{run_id}/cancel/")
            if answer is None or answer.status == 404:
                continue
            self.ledger.count("cancelled by click")
            if answer.status != 200:
                self.ledger.fault(f"{answer.status} to a cancel: {answer.json}")
            elif answer.json["state"] in ("cancelling", "cancelled"):
                self.ledger.runs[run_id].stopped = True

    def meddle(self) -> None:
        """Somebody else's run, which is forbidden."""
        run_id = self.some(self.ledger.others(self.name))
        if run_id is None:
            return
        method, end = self.chance.choice([("POST", "cancel/"), ("DELETE", "")])
        answer = self.ask(method, f"/api/runs/{run_id}/{end}")
        if answer is not None and answer.status not in (403, 404):
            self.ledger.fault(f"a stranger's {method} got {answer.status}")

    def delete(self) -> None:
        """One's own run with all its files."""
        run_id = self.some(self.ledger.own(self.name))
        if run_id is None:
            return
        self.ledger.leaves(self.name, run_id)
        self.ledger.runs[run_id].deleted = True
        self.ask("DELETE", f"/api/runs/{run_id}/")
