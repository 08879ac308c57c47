"""What an actor's process sets before anything else."""

import os
import sys

import jax

from soundstage.runners.ray.process_settings import CPU_ONLY, ProcessSettings


def test_actor_looks_for_modules_where_the_driver_does_and_then_where_its_machine_does(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/machine", "/both", ""])
    ProcessSettings(("/stages", "/both"), {}).apply()
    assert sys.path == ["/stages", "/both", "/machine", ""]


def test_settings_have_the_folders_of_the_driver(monkeypatch):
    monkeypatch.setattr(sys, "path", ["", "/stages", "/site-packages"])
    assert ProcessSettings.of_driver({}).module_path == ("/stages", "/site-packages")


def test_platform_counts_although_jax_is_imported(monkeypatch):
    for name in CPU_ONLY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = jax.config.values["jax_platforms"]
    try:
        jax.config.update("jax_platforms", None)
        ProcessSettings.of_driver(CPU_ONLY).apply()
        assert jax.config.values["jax_platforms"] == "cpu"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    finally:
        jax.config.update("jax_platforms", before)
        for name in CPU_ONLY:
            os.environ.pop(name, None)
