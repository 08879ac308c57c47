"""The steps on a GPU keep their figures, whatever becomes of the others."""

import json
import re
import subprocess
import sys
from pathlib import Path

import on_gpu
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "on_gpu.sh"


def run_step(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["on_gpu.py", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        on_gpu.main()
    return end.value.code


def test_step_that_fails_is_noted_beside_the_others(tmp_path, monkeypatch, capsys):
    figures = tmp_path / "figures.json"
    assert run_step(monkeypatch, "machine", "--json", figures) == 0

    def broken(args):
        on_gpu.keep(args, {"1": {"chunk_s": 0.25}})
        raise RuntimeError("out of memory")

    monkeypatch.setitem(on_gpu.STEPS, "chunk", broken)
    assert run_step(monkeypatch, "chunk", "--json", figures) == 1
    found = json.loads(figures.read_text())
    assert found["machine"]["platform"] == "cpu"
    assert found["chunk base, 1"]["failed"] == "RuntimeError: out of memory"
    assert found["chunk base, 1"]["1"] == {"chunk_s": 0.25}


def test_tables_have_a_line_for_each_number_of_rows():
    figures = {"chunk base, 1 8": {"1": {"chunk_s": 0.25}, "8": {"chunk_s": 0.5, "peak_gb": 3.0}}}
    assert on_gpu.tables(figures).splitlines() == [
        "### chunk base, 1 8",
        "",
        "| | chunk_s | peak_gb |",
        "|---|---|---|",
        "| 1 | 0.25 |  |",
        "| 8 | 0.5 | 3 |",
    ]


def test_script_runs_every_step_and_explains_itself():
    text = SCRIPT.read_text("utf-8")
    assert set(re.findall(r"step \d+ (\w+)", text)) == set(on_gpu.STEPS) - {"first"}
    told = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "Fifteen minutes on a GPU" in told.stderr
