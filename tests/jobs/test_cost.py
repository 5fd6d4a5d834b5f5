"""What `ken embed` says about its own cost must be so: where the time went, how much memory it takes."""
import json
import os
import re

import pytest

STAGES = ["read", "decode", "resize", "encode", "write", "other"]


def test_time_of_each_stage(embed, folder):
    report = json.loads(embed.ok("in", "-o", "out.parquet", "--json", "--part-rows", "3").stdout)
    assert list(report["stages"]) == STAGES and report["n_done"] == 8
    spent = {name: stage["cpu_seconds"] for name, stage in report["stages"].items()}
    assert all(seconds >= 0 for seconds in spent.values())
    assert spent["encode"] > 0 and spent["decode"] > 0 and spent["write"] > 0
    for name in STAGES[:-1]:  # nobody can use more CPU time than there was
        assert spent[name] <= report["stages"][name]["seconds"] * 1.1 + 0.05, name
    assert 0 < report["items_per_second"] and 0 < report["load_seconds"]
    # nothing is left to do: nothing is claimed to have been done
    again = json.loads(embed.ok("in", "-o", "out.parquet", "--json", "--part-rows", "3").stdout)
    assert again["was_complete"] and again["n_done"] == 0 and again["stages"]["encode"]["cpu_seconds"] == 0


def test_time_is_said_in_words(embed, folder):
    said = embed.ok("in", "-o", "out.parquet", "-v").err
    lines = re.findall(r"^ken embed:   (\w+) +([\d.]+) s +([\d.]+) %$", said, re.M)
    assert [name for name, _, _ in lines] == STAGES
    assert abs(sum(float(share) for _, _, share in lines) - 100) < 0.5
    assert "to list the inputs" in said and "to load the model" in said
    assert "CPU time" not in embed.ok("in", "-o", "other.parquet").err


def test_time_of_texts(embed):
    report = json.loads(embed.ok("--text", "a hat", "--text", "a dog", "-o", "t.parquet", "--json").stdout)
    assert report["kind"] == "text" and report["n_done"] == 2
    assert report["stages"]["encode"]["cpu_seconds"] > 0 and report["stages"]["decode"]["seconds"] == 0


def many(folder, n):
    """More names for the eight photos."""
    for i in range(n // 8):
        for c in "abcdefgh":
            os.link(folder / f"{c}.jpg", folder / f"{i:04}{c}.jpg")


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_memory_stays_below_what_is_said(embed, folder, threads):
    """With several parts, a group of rows that is full, and their joining: everything that takes memory."""
    many(folder, 160)
    args = ("in", "-o", "out.parquet", "--part-rows", "64", "--threads", str(threads), "--batch", "4")
    report = json.loads(embed.ok(*args, "--json").stdout)
    peak, expected = report["peak_memory_bytes"], report["expected_memory_bytes"]
    assert peak < expected
    assert expected < 4 * peak  # a bound that says something


def test_memory_is_said_in_words(embed, folder):
    said = embed.ok("in", "-o", "out.parquet", "-v").err
    terms = re.search(r"memory: program ([\d.]+) \+ model ([\d.]+) \+ names ([\d.]+) \+ (\d+) encoders x ([\d.]+) \+ "
                      r"(\d+) readers x ([\d.]+) \+ (\d+) items in flight x ([\d.]+) \+ writing ([\d.]+) = "
                      r"at most ([\d.]+) MiB", said)
    n = [float(term) for term in terms.groups()]
    assert abs(n[0] + n[1] + n[2] + n[3] * n[4] + n[5] * n[6] + n[7] * n[8] + n[9] - n[10]) < 4
    assert float(re.search(r"peak memory ([\d.]+) MiB", said)[1]) < n[10]
