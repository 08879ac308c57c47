"""Damaged files and files of another kind are refused, and the next download works."""

import tarfile

import pytest
from command_line import run
from model_commands import fetch, leftovers, refused
from model_files import BASE_TAR, ENCODER, MRT2, scraps

from soundstage.stages.weights.models_folder import models_folder


def with_member(content: bytes, name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Returns an archive with one more member in front, of a kind and a stated size."""
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, "/etc/passwd"
    return member.tobuf(tarfile.GNU_FORMAT) + content


def swapped(content: bytes) -> bytes:
    return scraps()[ENCODER]


BROKEN = {
    "nothing": (lambda c: b"", "not a complete tar archive"),
    "noise": (lambda c: bytes(range(256)) * 40, "not a complete tar archive"),
    "cut": (lambda c: c[: len(c) // 2], "cut off|not a complete tar|incomplete|no folder"),
    "another-file": (swapped, "not a complete tar archive"),
    "climbs-out": (lambda c: with_member(c, "../../escape"), "leaves the archive"),
    "absolute": (lambda c: with_member(c, "/tmp/escape"), "leaves the archive"),
    "link": (lambda c: with_member(c, "target.a/0", kind=tarfile.SYMTYPE), "not a plain file"),
    "huge": (lambda c: with_member(c, "target.a/0", size=1 << 45), "cut off"),
    "sparse": (lambda c: with_member(c, "target.a/0", kind=tarfile.GNUTYPE_SPARSE), "not a plain"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_archive_is_refused_and_can_be_fetched_again(hub, tmp_path, kind):
    damage, reasons = BROKEN[kind]
    hub.files[BASE_TAR] = damage(scraps()[BASE_TAR])
    line = refused(fetch(hub), 5)
    assert any(part in line for part in reasons.split("|")), line
    assert "nothing was kept" in line
    assert "incomplete" not in line.replace("is incomplete", "")
    assert not (models_folder() / "depthformer-base.tar").exists()
    assert leftovers(tmp_path) == []
    assert not list(tmp_path.rglob("escape"))
    hub.files[BASE_TAR] = scraps()[BASE_TAR]
    assert fetch(hub).code == 0


@pytest.mark.parametrize("name", [ENCODER, f"{MRT2}/resources/musiccoca/text_encoder.tflite"])
@pytest.mark.parametrize("content", [b"", b"<html>504</html>" * 9], ids=["empty", "a-page"])
def test_file_of_another_kind_than_its_name_is_refused(hub, name, content):
    hub.files[name] = content
    line = refused(fetch(hub, name.split("/")[-2]), 5)
    assert name.rpartition("/")[2] in line


def test_damaged_records_are_one_line(hub):
    fetch(hub)
    (models_folder() / "records.json").write_text("{")
    for command in ("download", "verify"):
        done = run("models", command, "depthformer-base")
        assert "records.json: damaged" in refused(done, 5)
