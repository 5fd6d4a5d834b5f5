"""What `ken doctor` measures: rates, and nothing that a busy machine could make wrong."""
import json


def test_speed(run):
    speed = json.loads(run("doctor", "--json").out)["speed"]
    assert speed["threads"] >= 1
    images = speed["estimated_images_per_second"]
    assert images.pop("model") == "ViT-B/32" and list(images) == ["f32", "s16", "int8"]
    for rates in (speed["read_gb_per_second"], *images.values()):
        assert rates["one"] > 0 and rates["all"] > 0


def test_speed_in_words(run):
    said = run("doctor").out
    assert "memory bandwidth, reading: " in said and "estimated from a short measurement" in said
    for precision in ("f32", "s16", "int8"):
        assert f"\n  {precision} " in said
