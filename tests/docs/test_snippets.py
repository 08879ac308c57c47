"""Every snippet of a document runs, in the order of the document, in a folder of its own.

`.ci/run` itself runs the two commands of README.md that install soundstage. A package that a
document makes, `pip install ./NAME`, is installed into that folder. README.md has new processes for
its commands, as a reader's shell; the other documents have forked ones, see `forking`.
"""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from forking import can_fork, forked_commands

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
SCRIPTS = Path(sys.executable).parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")


def snippets(document):
    """(language, code) of every block that can run; what installs soundstage is left to CI.

    Mermaid blocks are pictures.
    """
    for language, code in BLOCK.findall(document.read_text("utf-8")):
        installs = "pip install" in code.replace("pip install ./", "")
        if not installs and language != "mermaid":
            yield language, code


def environment(folder, commands):
    """The environment of a snippet; pip installs into a folder of its own.

    `commands` is a folder that comes first in PATH.
    """
    prefix = folder / "installed"
    site = sysconfig.get_path("purelib", vars={"base": prefix, "platbase": prefix})
    return os.environ | {
        "PATH": os.pathsep.join([str(commands), str(SCRIPTS), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])),
        "PIP_PREFIX": str(prefix),
        "PIP_NO_DEPS": "1",
    }


def command(language, code):
    return (
        ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else ["python", "-c", code]
    )


@pytest.fixture(scope="module")
def forks():
    """A folder with commands that run in forked processes, or in new ones if that cannot be."""
    if not can_fork():
        yield SCRIPTS
        return
    with forked_commands() as folder:
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_snippet_runs(document, tmp_path, forks):
    commands = SCRIPTS if document.name == "README.md" else forks
    for name in ("pipeline.toml", "presets"):
        (tmp_path / name).symlink_to(ROOT / name)
    for language, code in snippets(document):
        assert language in ("bash", "python"), (
            f"{document.name}: a snippet in {language or 'nothing'}"
        )
        done = subprocess.run(
            command(language, code),
            cwd=tmp_path,
            env=environment(tmp_path, commands),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{document.name}:\n{code}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_within_the_repository_has_a_target(document):
    text = BLOCK.sub("", document.read_text("utf-8"))
    broken = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    assert broken == []


def test_readme_installs_only_in_its_first_two_snippets():
    installs = ["pip install" in code for _, code in BLOCK.findall(DOCUMENTS[0].read_text("utf-8"))]
    assert installs[:2] == [True, True]
    assert not any(installs[2:])


def test_drawing_in_the_documents_is_the_default_graph():
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "soundstage",
            "graph",
            "pipeline.toml",
            "--format",
            "svg",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == (ROOT / "docs" / "pipeline.svg").read_text("utf-8").strip()
