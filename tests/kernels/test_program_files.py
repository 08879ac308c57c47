"""The folder of programs keeps what was used last, and gives back what it was given or nothing."""

import hashlib

import pytest

from soundstage.kernels import program_files
from soundstage.kernels.program_files import keep, programs_folder, read


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of programs."""
    monkeypatch.setattr(program_files, "user_cache_folder", lambda: tmp_path)
    return programs_folder()


def test_file_is_read_back(folder):
    assert read("a") is None
    for content in (b"content", b"", b"repeated" * 1000):
        keep("a", content)
        assert read("a") == content
    assert folder.joinpath("a").stat().st_size < 200


@pytest.mark.parametrize("damage", [b"", b"x", b"another content" * 9])
def test_damaged_file_is_none(folder, damage):
    keep("a", b"content")
    folder.joinpath("a").write_bytes(damage)
    assert read("a") is None


def test_file_of_a_version_that_did_not_compress_is_none(folder):
    keep("a", b"content")
    folder.joinpath("a").write_bytes(hashlib.sha256(b"content").digest() + b"content")
    assert read("a") is None


def test_files_that_were_not_used_for_longest_are_deleted(folder, monkeypatch):
    keep("first", b"1234")
    keep("second", b"1234")
    assert read("first") == b"1234"
    size = folder.joinpath("first").stat().st_size
    monkeypatch.setattr(program_files, "KEPT_BYTES", 5 * size // 2)
    keep("third", b"1234")
    assert {file.name for file in folder.iterdir()} == {"first", "third"}
