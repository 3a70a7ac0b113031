"""The page about the model shows the model in use."""

from __future__ import annotations

from neet.identity import drawing, model
from neet.settings import PROJECT_ROOT


def test_the_drawing_and_the_table_are_the_models(trained):
    drawn = PROJECT_ROOT / "docs" / f"identity-weights-{model.CURRENT}.svg"
    assert drawn.read_text(encoding="utf-8") == drawing.svg(trained)
    page = (PROJECT_ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    assert drawing.table(trained) in page and drawn.name in page


def test_weights_point_the_right_way(trained):
    found = {(name, label): weight for name, label, _, _, weight in drawing.weights(trained)}
    for name in ("given name", "family name", "date of birth", "postcode"):
        assert found[name, "the same"] > 5
        assert found[name, "different"] < -2
    assert found["given name", "a short form or spelling of it"] > found["given name", "alike"]
    assert drawing.prior(trained) < -15
