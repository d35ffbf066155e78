"""The machine in words."""

import os

import pytest
import torch

from r1aqa_helpers.utils import machine


@pytest.mark.parametrize(
    ("cores", "threads", "said"),
    [(8, 4, "8 cores, 4 threads"), (2, 1, "2 cores, 1 thread"), (1, 1, "1 core, 1 thread")],
)
def test_one_core_or_thread_is_no_plural(monkeypatch, cores, threads, said):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.hardware() == f"{machine.processor()}, {said}"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert machine.hardware().endswith(f"{said}, a GPU")
