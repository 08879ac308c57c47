"""Pipelines of constant audio for tests of players: short chunks, and a stage that can be slow."""

from small_graphs import ALLOW

from soundstage.graph.check import build
from soundstage.graph.spec import parse

FORMAT = {
    "chunk_s": 0.4,
    "context_s": 0.8,
    "fade_s": 0.04,
    "sample_rate_hz": 8000,
    "frame_rate_hz": 25,
    "channels": 2,
}
RATE_HZ = FORMAT["sample_rate_hz"]
CHUNK_S = FORMAT["chunk_s"]
CHUNK_SAMPLES = round(CHUNK_S * RATE_HZ)


def humming(slow=("Identify", {}, {"chunk": "clock.chunk"}), **format):
    """Returns tables of index -> slow -> hum; `slow` = (class of a small stage, params, inputs)."""
    use, params, sources = slow
    return {
        "schema": 1,
        "name": "humming",
        "format": FORMAT | format,
        "outputs": {"audio": "hum.audio"},
        "stage": {
            "index": {"use": "small_stages:Identify", "inputs": {"chunk": "clock.chunk"}},
            "slow": {"use": f"small_stages:{use}", "params": params, "inputs": sources},
            "hum": {"use": "small_stages:Hum", "inputs": {"a": "slow.number"}},
        },
    }


def dragging(seconds, **format):
    """Returns tables of a pipeline in which every chunk takes `seconds`."""
    return humming(("Slow", {"seconds": seconds}, {"a": "index.number"}), **format)


def hitching(number, seconds, **format):
    """Returns tables of a pipeline in which chunk `number` takes `seconds`."""
    params = {"number": number, "seconds": seconds}
    return humming(("Hitch", params, {"a": "index.number"}), **format)


def graph(tables):
    return build(parse(tables), ALLOW)


def toml(tables):
    """Returns the tables as TOML."""
    lines = [f"schema = {tables['schema']}", f'name = "{tables["name"]}"']
    lines += ["[format]", *(f"{key} = {value}" for key, value in tables["format"].items())]
    lines += ["[outputs]", *(f'{key} = "{value}"' for key, value in tables["outputs"].items())]
    for name, stage in tables["stage"].items():
        lines += [f"[stage.{name}]", f'use = "{stage["use"]}"']
        for table in ("params", "inputs"):
            pairs = stage.get(table, {}).items()
            text = ", ".join(f"{k} = {v!r}".replace("'", '"') for k, v in pairs)
            lines.append(f"{table} = {{ {text} }}")
    return "\n".join(lines) + "\n"
