"""Locks: one holder, freed at the end and by a kill."""

import signal
import subprocess
import sys

import pytest

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.locks import lock, only_writer

HOLDER = """
import sys, time
from pathlib import Path
from r1aqa_helpers.utils.locks import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_holds_it_and_frees_it_also_after_a_fault(tmp_path):
    path = tmp_path / "work" / "run.lock"
    with lock(path) as held:
        assert held
        with lock(path) as again:
            assert not again
        with lock(path) as again:
            assert not again, "who did not get it leaves it alone"
    with pytest.raises(KeyError), lock(path) as held:
        assert held
        raise KeyError
    with lock(path) as held:
        assert held


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_second_writer_is_one_line_until_the_first_is_killed(tmp_path, number):
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLDER, out], stdout=subprocess.PIPE) as first:
        try:
            assert first.stdout.readline() == b"held\n"
            with pytest.raises(UserError, match=r"out: another process is writing"):
                with only_writer(out):
                    pass
        finally:
            first.send_signal(number)
        first.wait()
        with only_writer(out):
            pass


def test_a_lock_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), only_writer(tmp_path / "file" / "x"):
        pass
