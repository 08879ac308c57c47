"""The digest of source code changes with every file that a module imports, and with no other."""

import pytest

from soundstage import source_code

FILES = {
    "kernels/products.py": "import numpy\nfrom soundstage.kernels.team import Team\n",
    "kernels/team.py": "",
    "stages/words.py": "",
    "stages/model/__init__.py": "",
    "stages/model/layers.py": "",
    "stages/model/stage.py": (
        "from soundstage.graph.port import Port\n"
        "from soundstage.stages.model.layers import Layer\n"
        "def late():\n    from soundstage.kernels.products import multiply\n"
    ),
    "stages/other.py": "from soundstage.stages.model import Stage\n",
}
READ = {
    "soundstage.stages.model.stage": {
        "stages/model/stage.py",
        "stages/model/layers.py",
        "kernels/products.py",
        "kernels/team.py",
    },
    "soundstage.stages.other": set(FILES) - {"stages/words.py"},
    "soundstage.kernels.team": {"kernels/team.py"},
    "soundstage.graph.port": set(),
}


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    forget()
    monkeypatch.setattr(
        source_code, "_folders", lambda package: [tmp_path / package.removeprefix("soundstage.")]
    )
    yield tmp_path
    forget()


def forget():
    for function in (source_code.source_digest, source_code._read, source_code._files):
        function.cache_clear()


@pytest.mark.parametrize("module", READ)
def test_digest_is_of_a_module_and_of_all_that_it_imports(rooms, module):
    before = source_code.source_digest(module)
    changing = set()
    for name, text in FILES.items():
        (rooms / name).write_text(f"{text}# changed\n")
        forget()
        if source_code.source_digest(module) != before:
            changing.add(name)
        (rooms / name).write_text(text)
    assert changing == READ[module]


def test_installed_modules_are_found():
    digests = {
        source_code.source_digest(module)
        for module in ("soundstage.stages.depthformer.sampler", "soundstage.kernels.products", "os")
    }
    assert len(digests) == 3
    assert source_code.source_digest("os") == source_code.source_digest()
