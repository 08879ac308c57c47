"""What is installed is documented, and what public hosts run is `.ci/run`."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (ROOT / "docs" / "installation.md").read_text("utf-8")


def section(title):
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_columns(text):
    return [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")]


def package(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_every_package_of_the_plain_install_has_its_purpose():
    named = first_columns(section("What the plain install brings"))[1:]
    assert sorted(named) == sorted(package(each) for each in PROJECT["dependencies"])


def test_every_extra_is_explained_with_its_packages():
    rows = [line for line in section("Extras").splitlines() if line.startswith("| `")]
    explained = {
        extra: {name.strip() for name in row.split("|")[3].split(",")}
        for row in rows
        for extra in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    extras = PROJECT["optional-dependencies"]
    assert set(explained) == set(extras)
    for extra in set(extras) - {"test"}:
        assert explained[extra] == {package(each) for each in extras[extra]}, extra


def test_constraints_cover_every_requirement():
    pinned = {package(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PROJECT["optional-dependencies"]
    needed = {
        package(each)
        for each in [
            *PROJECT["dependencies"],
            *(each for extra in extras.values() for each in extra),
        ]
    }
    assert needed - pinned == {"soundstage"}


def commands(job):
    steps = [step.get("run") for step in job.get("steps", [])]
    return [each for each in [*steps, job.get("script")] if each]


def test_public_hosts_run_the_scripts_of_this_repository():
    github = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text("utf-8"))
    for jobs in (github, gitlab):
        assert commands(jobs["tests"]) == [".ci/run"]
        assert commands(jobs["accelerators"]) == [".ci/accelerators"]
        (script,) = commands(jobs["versions"])
        assert script.split()[0] == ".ci/versions/run"
        matrix = jobs["versions"].get("parallel") or jobs["versions"]["strategy"]
        rows = matrix["matrix"]
        rows = rows["include"] if isinstance(rows, dict) else rows
        names = {row.get("name") or row["NAME"] for row in rows}
        assert names == {"oldest", "newest-3.12", "newest-3.13"}
