"""Locks: one holder, freed at the end, taken over from the dead by one of many."""

import os
import subprocess
import sys

import pytest

from r1aqa_helpers.utils import locks
from r1aqa_helpers.utils.locks import holder, lock


def test_one_holds_it_and_frees_it_also_after_a_fault(tmp_path):
    path = tmp_path / "work" / "run.lock"
    with lock(path) as held:
        assert held and holder(path) == os.getpid()
        with lock(path) as again:
            assert not again
        assert path.exists(), "who did not get it leaves it alone"
    assert not path.exists() and holder(path) is None
    with pytest.raises(KeyError), lock(path):
        raise KeyError
    assert not path.exists()


def test_that_of_a_dead_process_is_taken_over_by_one(tmp_path):
    path = tmp_path / "run.lock"
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    for text in (f"{dead} 1", f"{dead} ", f"{os.getpid()} 1"):  # the last: a number used again
        path.write_text(text)
        assert holder(path) is None
        with lock(path) as held:
            assert held and holder(path) == os.getpid()
        assert list(tmp_path.iterdir()) == []
    # Another heir is at it; or has been, since this one looked.
    path.write_text(f"{dead} 1")
    heir = tmp_path / f"run.lock.after-{dead}-1"
    heir.write_text("")
    with lock(path) as held:
        assert not held
    assert path.read_text() == f"{dead} 1" and heir.exists()


def test_an_heir_that_comes_late_leaves_the_lock_alone(tmp_path, monkeypatch):
    path = tmp_path / "run.lock"
    path.write_text("1234567 1")
    made = locks._made

    def slow(place):
        if place != path:
            path.write_text(locks._identity(os.getppid()))  # meanwhile
        return made(place)

    monkeypatch.setattr(locks, "_made", slow)
    with lock(path) as held:
        assert not held
    assert holder(path) == os.getppid() and list(tmp_path.iterdir()) == [path]


def test_a_lock_that_is_being_written_is_held(tmp_path):
    path = tmp_path / "run.lock"
    path.write_text("")
    with lock(path) as held:
        assert not held
    os.utime(path, (0, 0))  # its maker was killed
    with lock(path) as held:
        assert held
