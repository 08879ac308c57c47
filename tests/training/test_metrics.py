"""The metrics file of a run."""

import pytest

from soundstage.training.metrics import MetricsError, MetricsFile, read_metrics


def test_rows_are_read_back_by_column(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.append(0, 0.5, {"loss": 2.0})
    file.append(10, 1.0, {"loss": 1.5})
    file.close()
    columns = read_metrics(tmp_path / "metrics.csv")
    assert columns == {"step": [0, 10], "seconds": [0.5, 1.0], "loss": [2.0, 1.5]}


def test_resumed_file_drops_rows_after_its_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    file = MetricsFile(path)
    file.append(0, 0.1, {"loss": 2.0})
    kept = file.flushed_bytes()
    file.append(1, 0.2, {"loss": 1.0})
    file.close()
    file = MetricsFile(path, kept)
    file.append(1, 0.3, {"loss": 1.25})
    file.close()
    assert read_metrics(path) == {"step": [0, 1], "seconds": [0.1, 0.3], "loss": [2.0, 1.25]}


def test_run_without_checkpoint_replaces_the_file(tmp_path):
    path = tmp_path / "metrics.csv"
    for value in (1.0, 2.0):
        file = MetricsFile(path, 0)
        file.append(0, 0.0, {"loss": value})
        file.close()
    assert read_metrics(path)["loss"] == [2.0]


def test_missing_or_renamed_metrics_are_refused(tmp_path):
    with pytest.raises(MetricsError, match="metrics of this run are gone"):
        MetricsFile(tmp_path / "absent.csv", 10)
    file = MetricsFile(tmp_path / "metrics.csv")
    file.append(0, 0.0, {"loss": 1.0})
    with pytest.raises(ValueError, match="has the columns"):
        file.append(1, 0.0, {"error": 1.0})
    file.close()
