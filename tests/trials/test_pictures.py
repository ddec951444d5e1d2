"""Runtimes are compared on full and empty pictures in turn."""

import numpy as np

from tfzoo.images.reading import read_image
from tfzoo.trials.pictures import scenes, trial_pictures
from tfzoo.zoo.manifest import packaged_scenes


def test_scenes_are_the_first_of_the_packaged_pictures() -> None:
    paths = sorted(packaged_scenes().glob("*.jpg"))
    assert len(paths) > 8
    found = scenes()
    assert len(found) == 8
    assert np.array_equal(found[-1], read_image(paths[7]))


def test_full_and_empty_ones_take_turns_and_narrow_ones_are_among_them() -> None:
    pictures = trial_pictures()
    assert len(pictures) == 16
    for full, wanted in zip(pictures[::2], scenes(), strict=True):
        assert np.array_equal(full, wanted)
    plain = [len(np.unique(picture.reshape(-1, 3), axis=0)) == 1 for picture in pictures[1::2]]
    assert plain == [True, False, True, True, False, True, False, False]
    assert {(7, 2000, 3), (2000, 7, 3)} <= {picture.shape for picture in pictures}
    assert all(np.array_equal(a, b) for a, b in zip(pictures, trial_pictures(), strict=True))


def test_a_slow_model_is_shown_fewer_but_some_of_each() -> None:
    assert len(trial_pictures(0.01)) == 16
    assert len(trial_pictures(2.0)) == 10
    assert len(trial_pictures(60.0)) == 4
