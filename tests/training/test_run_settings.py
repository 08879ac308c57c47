"""The settings of a run, kept in its folder."""

import json

import pytest

from soundstage.training.depthformer.request import FILE, TrainingRequest, read_request
from soundstage.training.run_settings import SettingsError


def test_kept_request_is_read_back(tmp_path):
    request = TrainingRequest(size="tiny", rate=1e-5, patience=3)
    request.keep(tmp_path / "run")
    request.keep(tmp_path / "run")
    assert read_request(tmp_path / "run") == request


def test_older_request_gets_defaults_for_new_settings(tmp_path):
    (tmp_path / FILE).write_text('{"size": "tiny", "seed": 4}')
    assert read_request(tmp_path) == TrainingRequest(size="tiny", seed=4)


def test_another_request_is_refused_with_both_values(tmp_path):
    TrainingRequest(steps=10).keep(tmp_path)
    with pytest.raises(SettingsError, match="was started with steps 10, seed 0, not steps 20"):
        TrainingRequest(steps=20, seed=1).keep(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"size": "huge"}', json.dumps({"size": "tiny", "tempo": 120})]
)
def test_damaged_or_unknown_settings_are_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(SettingsError, match=FILE):
        read_request(tmp_path)


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=FILE):
        read_request(tmp_path)
