"""PSNR, SSIM and NRMSE against definitions written out in NumPy, on random and adversarial volumes."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from voxelbench.errors import DataError
from voxelbench.evaluate.metrics.guards import naming
from voxelbench.evaluate.metrics.image_quality import GAUSSIAN, UNIFORM, psnr, quality, ssim
from voxelbench.evaluate.metrics.upstream_translation import upstream_quality

MASKS = ("full", "one voxel", "corner", "border", "two parts", "checkerboard", "random")


def _mask(kind, shape, rng):
    mask = np.zeros(shape, bool)
    if kind == "random":
        return rng.uniform(size=shape) < rng.uniform(0.05, 0.95)
    if kind == "checkerboard":
        return np.indices(shape).sum(0) % 2 == 0
    boxes = {
        "full": [np.s_[:, :, :]],
        "one voxel": [np.s_[5, 6, 7]],
        "corner": [np.s_[-1, -1, -1]],
        "border": [np.s_[:3, :, 2:6]],
        "two parts": [np.s_[1:3, 1:3, 1:3], np.s_[9:11, 9:11, 9:11]],
    }
    for box in boxes[kind]:
        mask[box] = True
    return mask


def _volumes(seed):
    """Draw a target, a prediction (noise, a scaled or shifted copy, a constant, or the target itself) and a mask."""
    rng = np.random.RandomState(seed)
    shape = tuple(rng.randint(11, 15, 3))
    target = rng.normal(size=shape).cumsum(0) * rng.uniform(0.1, 20)
    predictions = (rng.normal(size=shape), 0.9 * target, target + 1.5, np.full(shape, 2.0), target.copy())
    return predictions[seed % 5], target, _mask(MASKS[seed % 7], shape, rng), float(rng.uniform(0.5, 40))


VOLUMES = [_volumes(seed) for seed in range(200)]


def _weights(window):
    """Return the window's (w, w, w) weights, made from its description."""
    if window is UNIFORM:
        return np.full((7, 7, 7), 7.0**-3)
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = line[:, None, None] * line[:, None] * line
    return weights / weights.sum()


def _local_ssim(prediction, target, data_range, window, voxel):
    """Return the similarity at one voxel: means, variances and covariance of its window, mirrored beyond the volume."""
    weights, margin = _weights(window), window.width // 2
    box = tuple(slice(place, place + window.width) for place in voxel)
    p, t = (np.pad(volume, margin, mode="symmetric")[box] for volume in (prediction, target))
    bessel = 343 / 342 if window is UNIFORM else 1.0
    mean_p, mean_t = (weights * p).sum(), (weights * t).sum()
    var_p, var_t = (bessel * (weights * (x - x_mean) ** 2).sum() for x, x_mean in ((p, mean_p), (t, mean_t)))
    covariance = bessel * (weights * (p - mean_p) * (t - mean_t)).sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    likeness = (2 * mean_p * mean_t + c1) * (2 * covariance + c2)
    return likeness / ((mean_p**2 + mean_t**2 + c1) * (var_p + var_t + c2))


@pytest.mark.parametrize("window", [UNIFORM, GAUSSIAN], ids=["uniform", "gaussian"])
def test_ssim_of_one_voxel_is_the_formula_in_its_window(window):
    for seed, (prediction, target, mask, data_range) in enumerate(VOLUMES):
        places = np.argwhere(mask)
        voxel = tuple(places[seed % len(places)])
        alone = np.zeros_like(mask)
        alone[voxel] = True
        expected = _local_ssim(prediction, target, data_range, window, voxel)
        assert ssim(prediction, target, alone, data_range, window) == pytest.approx(expected, abs=1e-6), seed


@pytest.mark.parametrize("window", [UNIFORM, GAUSSIAN], ids=["uniform", "gaussian"])
def test_ssim_is_the_mean_over_the_mask_of_scikit_images_map_of_the_whole_volume(window):
    for seed, (prediction, target, mask, data_range) in enumerate(VOLUMES):
        _, whole = structural_similarity(target, prediction, data_range=data_range, full=True, **window.options)
        expected = whole[mask].mean()
        assert ssim(prediction, target, mask, data_range, window) == pytest.approx(expected, abs=1e-9), seed


def test_psnr_and_nrmse_are_their_formulas_over_the_mask():
    for seed, (prediction, target, mask, data_range) in enumerate(VOLUMES):
        n, error = int(mask.sum()), float((((prediction - target) * mask) ** 2).sum())
        scores = quality(prediction, target, mask, data_range)
        expected = 10 * np.log10(data_range**2 * n / error) if error else np.inf
        assert scores["psnr"] == pytest.approx(expected, abs=1e-8), seed
        spread = target[mask].max() - target[mask].min()
        expected = np.sqrt(error / n) / spread if spread else np.nan
        assert scores["nrmse"] == pytest.approx(expected, abs=1e-10, nan_ok=True), seed


def test_only_the_mask_counts_for_psnr():
    prediction, target, mask, _ = VOLUMES[3]
    assert psnr(np.where(mask, prediction, 1e6), target, mask, 1.0) == psnr(prediction, target, mask, 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_is_refused_with_the_name_of_the_case(value):
    prediction, target, mask, _ = VOLUMES[0]
    spoiled = prediction.copy()
    spoiled[1, 2, 3] = value
    pattern = rf"case patient7: the prediction has 1 of {target.size} values .* at \(1, 2, 3\) \({value}\)"
    with pytest.raises(DataError, match=pattern), naming("patient7"):
        quality(spoiled, target, mask, 1.0)
    with pytest.raises(DataError, match="the prediction has 1 of"):
        upstream_quality(spoiled[None], target[None])


def test_a_score_that_has_no_meaning_is_refused():
    prediction, target, mask, _ = VOLUMES[0]
    with pytest.raises(DataError, match="its mask is empty"):
        quality(prediction, target, np.zeros_like(mask), 1.0)
    with pytest.raises(DataError, match=r"the data range is 0\.0, expected more than 0"):
        quality(prediction, target, mask, 0.0)
    with pytest.raises(DataError, match=r"a volume of \(11, 11, 6\) voxels is thinner than the window of SSIM \(7\)"):
        ssim(*(volume[:11, :11, :6] for volume in (prediction, target, mask)), 1.0)
    with pytest.raises(DataError, match="one constant"):
        upstream_quality(np.ones((1, 9, 9, 9)), np.zeros((1, 9, 9, 9)))


def _brute_upstream(predictions, targets):
    z = (predictions - predictions.mean()) / predictions.std()
    scores = []
    for image, target in zip(z.copy(), targets, strict=True):
        image[target < -0.35] = target[target < -0.35]
        data_range = max(image.max() - image.min(), target.max() - target.min())
        inner = (slice(3, -3),) * 3  # scikit-image leaves out half a window at each border
        places = np.argwhere(np.ones(image[inner].shape)) + 3
        similarity = np.mean([_local_ssim(image, target, data_range, UNIFORM, tuple(place)) for place in places])
        scores.append({"psnr": 10 * np.log10(data_range**2 / ((image - target) ** 2).mean()), "ssim": similarity})
    return scores


def test_the_upstream_score_is_its_description():
    for seed in range(4):
        rng = np.random.RandomState(seed)
        targets = rng.normal(size=(4, 9, 11, 10)).cumsum(1)
        targets = (targets - targets.mean((1, 2, 3), keepdims=True)) / targets.std((1, 2, 3), keepdims=True)
        predictions = targets * rng.uniform(0.5, 2) + rng.normal(size=targets.shape)
        for found, expected in zip(
            upstream_quality(predictions, targets), _brute_upstream(predictions, targets), strict=True
        ):
            assert found == pytest.approx(expected, abs=1e-6)


def test_the_upstream_score_flatters():
    """A volume that is mostly background: even noise scores well where the target is copied around the brain."""
    rng = np.random.RandomState(0)
    brain = np.zeros((30, 30, 30), bool)
    brain[12:18, 12:18, 12:18] = True
    target = np.where(brain, 3 + rng.normal(size=brain.shape), -0.4)
    noise = rng.normal(size=brain.shape)
    (upstream,) = upstream_quality(noise[None], target[None])
    ours = quality(noise, target, brain, float(np.ptp(target[brain])))
    assert upstream["ssim"] > ours["ssim"] + 0.3 and upstream["psnr"] > ours["psnr"] + 10
