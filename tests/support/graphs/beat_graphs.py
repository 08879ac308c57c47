"""A small graph that plays to a beat."""

from pathlib import Path

import soundstage


def toy_on_beat() -> str:
    """The preset `toy` as TOML, with the controls of a pipeline that plays to a beat."""
    text = (Path(soundstage.presets.__file__).parent / "toy.toml").read_text()
    said = "asked_tempo = [-1.0, -1.0, -1.0]\nasked_sound = [-1.0, -1.0, -1.0]"
    controls = "bpm = 0.0\ndensity = -1.0\nbrightness = -1.0\ndrums = -1.0"
    names = ("asked_tempo", "asked_sound", "bpm", "density", "brightness", "drums")
    edges = [f'{name} = "in.{name}"' for name in names]
    edges += ['beats = { from = "pack.beats", delay = 1, init = -1.0 }']
    edges += ['tempo = { from = "pack.tempo", delay = 1, init = 0.0 }']
    text = text.replace("\n[outputs]", f"{said}\n{controls}\n\n[outputs]")
    text = text.replace("stages.context:Pack", "stages.beat:PackOnBeat")
    return text.replace(
        '{ style = "quantize.tokens",', f'{{ {", ".join(edges)}, style = "quantize.tokens",'
    )
