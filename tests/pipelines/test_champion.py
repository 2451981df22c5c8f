import mlflow
import pytest

from pipelines.champion import DIGEST, IMAGES, SCORE, Candidate, crown, decide

SAME, OTHER = "a" * 64, "b" * 64
KNOWN = "on validation of the same data"
LEARNED = (
    "has learned the validation tracks, so that validation compares nothing; --champion true makes it the champion"
)


@pytest.mark.parametrize(
    ("score", "digest", "before", "asked", "moves", "why"),
    [
        (0.088, SAME, None, None, True, "there was none"),
        (0.088, SAME, {DIGEST: SAME, SCORE: "0.229"}, None, False,
         f"its macro-F1 {KNOWN}, 0.0880, is not above 0.2290; --champion true makes it the champion"),
        (0.229, SAME, {DIGEST: SAME, SCORE: "0.088"}, None, True, f"its macro-F1 {KNOWN}, 0.2290, is above 0.0880"),
        (0.229, SAME, {DIGEST: SAME, SCORE: "0.229"}, None, False, f"its macro-F1 {KNOWN}, 0.2290, is not above 0.2290"
         "; --champion true makes it the champion"),
        (None, SAME, {DIGEST: SAME, SCORE: "0.229"}, None, False, f"it {LEARNED}"),
        (0.99, SAME, {DIGEST: SAME}, None, False, f"that one {LEARNED}"),
        (None, SAME, {DIGEST: SAME}, None, False, f"it {LEARNED}"),
        (0.088, OTHER, {DIGEST: SAME, SCORE: "0.99", "data": "gtsrb"}, None, True,
         "it learned other data, colours (bbbbbbbb) and not gtsrb (aaaaaaaa)"),
        (None, OTHER, {DIGEST: SAME, "data": "gtsrb"}, None, True,
         "it learned other data, colours (bbbbbbbb) and not gtsrb (aaaaaaaa)"),
        (0.99, SAME, {DIGEST: SAME, SCORE: "0.1", IMAGES: "60"}, None, False,
         "it was validated on 30 images and that one on 60; --champion true makes it the champion"),
        (0.99, SAME, {DIGEST: SAME, SCORE: "0.1", IMAGES: "30"}, None, True,
         f"its macro-F1 {KNOWN}, 0.9900, is above 0.1000"),
        (0.99, SAME, {}, None, False, "what data that one learned is not known; --champion true makes it the champion"),
        (None, SAME, {DIGEST: SAME, SCORE: "0.99"}, True, True, "--champion true says so"),
        (0.99, SAME, {DIGEST: SAME, SCORE: "0.1"}, False, False, "--champion false says so"),
        (0.99, SAME, None, False, False, "--champion false says so"),
    ],
)  # fmt: skip
def test_who_becomes_the_champion_and_why(score, digest, before, asked, moves, why):
    assert decide(Candidate("colours", digest, score, 30), before, asked) == (moves, why)


def test_the_alias_stays_moves_and_says_so(tracked):
    client = mlflow.MlflowClient()
    client.create_registered_model("signs")
    said = []
    for score, asked in ((0.229, None), (0.088, None), (0.5, None), (None, None), (None, True), (0.9, None)):
        version = client.create_model_version("signs", f"{tracked}/model").version
        line = crown(version, Candidate("colours", SAME, score, 30), asked)
        said.append((client.get_model_version_by_alias("signs", "champion").version, line))
    assert [str(version) for version, _ in said] == ["1", "1", "3", "3", "5", "5"]
    assert said[0][1] == "champion      version 1 of signs, before it none: there was none"
    assert said[1][1].startswith(
        "champion      stays version 1 of signs, this is version 2: its macro-F1 on validation"
    )
    assert said[2][1].endswith("version 3 of signs, before it version 1: its macro-F1 on validation of the same data, "
                               "0.5000, is above 0.2290")  # fmt: skip
    assert said[4][1] == "champion      version 5 of signs, before it version 3: --champion true says so"
    assert said[5][1].startswith("champion      stays version 5 of signs, this is version 6: that one has learned")
