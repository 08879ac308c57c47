"""Pipelines that hum, for those who play them: short chunks, and a stage that can be slow."""

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
    """index -> slow -> hum, where `slow` is (class of `small_stages`, params, inputs)."""
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
    """Every chunk takes so long."""
    return humming(("Slow", {"seconds": seconds}, {"a": "index.number"}), **format)


def hitching(number, seconds, **format):
    """One chunk takes so long."""
    params = {"number": number, "seconds": seconds}
    return humming(("Hitch", params, {"a": "index.number"}), **format)


def graph(tables):
    return build(parse(tables), ALLOW)


def toml(tables):
    """The tables as a file has them."""
    lines = [f"schema = {tables['schema']}", f'name = "{tables["name"]}"']
    lines += ["[format]", *(f"{key} = {value}" for key, value in tables["format"].items())]
    lines += ["[outputs]", *(f'{key} = "{value}"' for key, value in tables["outputs"].items())]
    for name, stage in tables["stage"].items():
        lines += [f"[stage.{name}]", f'use = "{stage["use"]}"']
        for table in ("params", "inputs"):
            pairs = stage.get(table, {}).items()
            said = ", ".join(f"{k} = {v!r}".replace("'", '"') for k, v in pairs)
            lines.append(f"{table} = {{ {said} }}")
    return "\n".join(lines) + "\n"
