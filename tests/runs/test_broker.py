"""The embedded queue: whole messages, each to one taker, in order."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue


def connect(folder: Path) -> Connection:
    return Connection(
        "filesystem://", transport="kb.runs.broker:Transport",
        transport_options={"folder": str(folder)},
    )


def take(queue: SimpleQueue, timeout: float = 1) -> int:
    """The number in the next message, which is then done with."""
    message = queue.get(timeout=timeout)
    message.ack()
    return message.payload["n"]


def test_messages_come_back_in_order_and_once(tmp_path):
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("cpu")
        for n in range(3):
            queue.put({"n": n})
        assert queue.qsize() == 3
        assert [take(queue) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(Empty):
            queue.get(timeout=0.1)
    assert list(tmp_path.iterdir()) == []


def test_a_queue_sees_its_own_messages_alone(tmp_path):
    with connect(tmp_path) as connection:
        connection.SimpleQueue("gpu").put({"n": 1})
        assert connection.SimpleQueue("cpu").qsize() == 0


def test_a_message_that_is_being_written_is_not_taken(tmp_path):
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("cpu")
        (tmp_path / ".1-a.cpu").touch()
        assert queue.qsize() == 0


def test_a_damaged_message_does_not_stop_the_others(tmp_path):
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("cpu")
        for name, content in (("0-a.cpu", b""), ("0-b.cpu", b"\xff{")):
            (tmp_path / name).write_bytes(content)
        queue.put({"n": 1})
        assert take(queue) == 1


def test_two_takers_and_two_writers_lose_and_double_nothing(tmp_path):
    got: list[int] = []

    def write(numbers: range) -> None:
        with connect(tmp_path) as connection:
            queue = connection.SimpleQueue("cpu")
            for n in numbers:
                queue.put({"n": n})

    def read() -> None:
        with connect(tmp_path) as connection:
            queue = connection.SimpleQueue("cpu")
            while len(got) < 100:
                try:
                    got.append(take(queue, 0.2))
                except Empty:
                    continue

    threads = [threading.Thread(target=read) for _ in range(2)]
    threads += [
        threading.Thread(target=write, args=(numbers,))
        for numbers in (range(50), range(50, 100))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == list(range(100))
