import numpy as np

from pipelines.reports.warning import warning_figure


def test_a_line_a_noise_in_the_colour_of_its_family(study, families):
    confidence = study.failures.confidence
    auroc, mean = warning_figure(confidence, families).axes
    names = list(confidence["noise"].unique())
    assert len(auroc.lines) == len(names)
    colours = {name: line.get_color() for name, line in zip(names, auroc.lines, strict=True)}
    assert colours["gaussian"] == colours["speckle"]
    assert len(set(colours.values())) == 3
    for name, line in zip(names, mean.lines[: len(names)], strict=True):
        rows = confidence[confidence["noise"] == name]
        np.testing.assert_array_equal(line.get_xdata(), rows["accuracy"])
        np.testing.assert_array_equal(line.get_ydata(), rows["confidence"])


def test_confidence_that_misleads_stays_in_the_picture(study, families):
    confidence = study.failures.confidence.assign(auroc=0.2)
    auroc, _ = warning_figure(confidence, families).axes
    assert auroc.get_ylim()[0] < 0.2
