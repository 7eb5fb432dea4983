"""Stages on the disk: computed once, bounded, whole whatever is killed beside them."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from demos.stages import ABANDONED, KEPT, Stages, usual_folder


@pytest.fixture
def stages(tmp_path):
    return Stages(tmp_path / "stages")


def arrays(value=1.0, size=1000):
    return {"maps": np.full((2, size // 2), value, np.float32), "kept": np.array([[True, False]])}


def never():
    raise AssertionError("computed again")


def test_what_was_computed_once_is_read_the_next_time(stages):
    first = stages.recall(["a", {"size": "64"}], arrays)
    again = stages.recall(["a", {"size": "64"}], never)
    for name in first:
        np.testing.assert_array_equal(again[name], first[name])
        assert again[name].dtype == first[name].dtype


def test_another_question_is_another_stage(stages):
    stages.recall(["a", {"size": "64"}], arrays)
    other = stages.recall(["a", {"size": "96"}], lambda: arrays(2.0))
    assert other["maps"][0, 0] == 2


def test_a_slice_of_a_larger_array_comes_back_as_it_was(stages):
    values = np.arange(12.0).reshape(3, 4).T[1:]
    stages.recall("q", lambda: {"values": values})
    np.testing.assert_array_equal(stages.recall("q", never)["values"], values)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff" * 40, None])
def test_a_damaged_file_is_computed_anew(stages, damage):
    stages.recall("q", arrays)
    [file] = stages.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-7] if damage is None else damage)
    assert stages.recall("q", lambda: arrays(3.0))["maps"][0, 0] == 3
    assert stages.recall("q", never)["maps"][0, 0] == 3


def test_the_least_recently_used_go_first_and_no_strangers(tmp_path):
    (tmp_path / "kept").mkdir()
    stages = Stages(tmp_path, limit=13_000)  # three of these
    hour_ago = time.time() - 3600
    for n, question in enumerate("abc"):
        stages.recall(question, arrays)
        newest = max(tmp_path.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
        os.utime(newest, (hour_ago + n, hour_ago + n))
    stages.recall("a", never)
    stages.recall("d", arrays)
    for question in "acd":
        stages.recall(question, never)
    with pytest.raises(AssertionError, match="computed again"):
        stages.recall("b", never)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.safetensors")) <= 13_000
    assert (tmp_path / "kept").is_dir()


def test_what_nobody_uses_any_more_goes_with_the_next_write(stages):
    stages.recall("old", arrays)
    [file] = stages.folder.iterdir()
    past = time.time() - KEPT - 1
    os.utime(file, (past, past))
    stages.recall("new", arrays)
    assert not file.exists()
    assert stages.recall("new", never)


def test_unfinished_files_of_the_dead_are_swept_and_of_the_living_left(stages):
    stages.recall("a", arrays)
    old, new = stages.folder / "dead.part", stages.folder / "living.part"
    for file in (old, new):
        file.write_bytes(b"half")
    past = time.time() - ABANDONED - 1
    os.utime(old, (past, past))
    stages.recall("b", arrays)
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "file").write_text("in the way")
    stages = Stages(tmp_path / "file" / "stages")
    assert stages.recall("q", arrays)["maps"].shape == (2, 500)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from demos.stages import Stages
stages = Stages(Path(sys.argv[1]), limit=6_000_000)
print("ready", flush=True)
for n in range(10**9):
    value = n % 7
    found = stages.recall(value, lambda: {"x": np.full(250_000, value, np.float32)})
    assert (found["x"] == value).all(), "a mixture"
"""


def test_several_writers_killed_at_any_moment_leave_whole_files(tmp_path):
    """Room for five of seven, so that all of them write and trim all the time."""
    def start():
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        return process

    for _ in range(2):
        writers = [start() for _ in range(2)]
        stages = Stages(tmp_path, limit=6_000_000)
        for n in range(40):
            found = stages.recall(n % 7, lambda n=n: {"x": np.full(250_000, n % 7, np.float32)})
            assert (found["x"] == n % 7).all()
        for writer in writers:
            assert writer.poll() is None, writer.stderr.read()
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    for value in range(7):
        assert (stages.recall(value, lambda v=value: {"x": np.full(250_000, v, np.float32)})["x"] == value).all()


def test_the_folder_is_the_operators_choice_or_beside_the_sites_own_files(monkeypatch, tmp_path):
    monkeypatch.setenv("KB_STAGE_DIR", str(tmp_path / "fast"))
    assert usual_folder() == tmp_path / "fast"
    monkeypatch.delenv("KB_STAGE_DIR")
    monkeypatch.setenv("KB_VAR_DIR", str(tmp_path))
    assert usual_folder() == tmp_path / "stages"
