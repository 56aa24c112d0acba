"""Training a detector: the losses fall, a resumed run has the same bits, what is recorded."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import models, train
from chainrule.base.errors import ArgumentError, DataError
from chainrule.data.detection import (
    DetectionBatches,
    DigitScenes,
    buckets,
    detection_loader,
)
from chainrule.models.detection import fasterrcnn_small
from chainrule.models.detection.recipes import detection_recipe
from chainrule.train.detection import (
    LOSSES,
    DetectionLosses,
    DetectionRecorder,
    Evaluation,
    Finder,
    LossPart,
    total_loss,
)
from chainrule.train.detection_views import mirror_boxes

RECIPE = detection_recipe("faster-rcnn")


def detector():
    cr.manual_seed(0)
    return fasterrcnn_small(
        num_classes=11, in_channels=1, widths=(8, 16), out_channels=8, fixed_size=(64, 64),
        rpn_pre_nms_top_n_train=16, rpn_pre_nms_top_n_test=16, rpn_post_nms_top_n_train=16,
        rpn_post_nms_top_n_test=16, box_batch_size_per_image=16, rpn_fg_iou_thresh=0.5,
    )  # fmt: skip


def trainer_of(model, folder=None, batch_norm="running"):
    return train.Trainer(
        DetectionLosses(model, batch_norm), total_loss, RECIPE.optimizer(model),
        [LossPart(name) for name in LOSSES], RECIPE.scheduler, scheduler_every="step",
        clip_grad_norm=5.0, seed=0, run_dir=folder, compile=False,
    )  # fmt: skip


def loader(scenes=6):
    batches = DetectionBatches(DigitScenes("train", scenes, size=64), buckets(64))
    return detection_loader(batches, 2, seed=3)


class Interrupt(train.Callback):
    """Ctrl-C after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, run):
        if run.step == self.step:
            run.interrupt()


def test_a_resumed_run_has_the_bits_of_one_that_was_not_cut(tmp_path):
    whole = detector()
    held_out = DigitScenes("test", 2, size=64)

    def recorder(model):
        return DetectionRecorder(Finder(model, 64, compile=False), held_out)

    history = trainer_of(whole).fit(loader(), epochs=2, callbacks=[recorder(whole)], verbose=0)
    cut = detector()
    first = trainer_of(cut, tmp_path)
    stopped = first.fit(loader(), epochs=2, callbacks=[recorder(cut), Interrupt(4)], verbose=0)
    assert stopped.interrupted and len(stopped.step_loss) == 4
    again = detector()
    resumed = trainer_of(again).fit(
        loader(), epochs=2, callbacks=[recorder(again), Interrupt(-1)], verbose=0,
        resume=tmp_path / "checkpoint",
    )  # fmt: skip
    assert list(resumed.step_loss) == list(history.step_loss)
    for name, value in whole.state_dict().items():
        assert np.array_equal(value.numpy(), again.state_dict()[name].numpy()), name
    row = history.epochs[-1]
    assert row["loss"] == pytest.approx(sum(row[name] for name in LOSSES), rel=1e-5)
    assert row["anchors_matched"] > 1 and 0 <= row["proposals_recall"] <= 1
    assert 0 <= row["map"] <= row["map_50"] <= 1


def test_the_losses_fall():
    model = detector()
    trainer = trainer_of(model)
    history = trainer.fit(loader(8), epochs=6, verbose=0)
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["lr"][-1] < history.step_lr[4]


def test_frozen_batch_norm_stays_as_it_is():
    model = detector()
    losses = DetectionLosses(model, "frozen").train()
    before = {k: v.numpy().copy() for k, v in model.state_dict().items() if "running" in k}
    batch = next(iter(loader()))
    losses(*batch[:4])
    assert before and model.training
    for name, value in before.items():
        assert np.array_equal(value, model.state_dict()[name].numpy())


def test_compiled_losses_are_those_of_glass():
    model = detector()
    losses = DetectionLosses(model)
    losses.eval()  # so that the samples are all that is random
    batch = next(iter(loader()))
    cr.manual_seed(1)
    glass = losses(*batch[:4])
    cr.manual_seed(1)
    compiled = cr.compile(losses)(*batch[:4])
    np.testing.assert_allclose(compiled.detach().numpy(), glass.detach().numpy(), rtol=1e-4)


def test_finding_in_images_of_any_size():
    finder = Finder(detector(), 64, compile=False)
    for shape in ((1, 64, 64), (1, 20, 50), (1, 130, 70)):
        image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        found, proposals = finder.with_proposals(image)
        limit = np.array([shape[2], shape[1]] * 2)
        for boxes in (found["boxes"], proposals):
            assert (boxes >= -1e-3).all() and (boxes <= limit * 1.05).all()
        assert len(found["scores"]) == len(found["labels"]) == len(found["boxes"])


def test_one_program_finds_what_the_parts_of_the_model_find():
    """Against `raw` and `detections`, which make lists step by step."""
    model = detector()
    for compiled in (False, True):
        finder = Finder(model, 64, compile=compiled)
        for shape in ((1, 64, 64), (1, 20, 50)):
            image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
            found, proposals = finder.with_proposals(image)
            model.eval()
            x, sizes, _ = finder.prepared(image)
            raw = model.raw(x, sizes)
            theirs = model.detections(raw, sizes, [cr.zeros(*shape)])[0]
            assert len(found["labels"]) > 3
            np.testing.assert_array_equal(found["labels"], theirs["labels"].numpy())
            for key in ("boxes", "scores"):
                np.testing.assert_allclose(found[key], theirs[key].numpy(), 1e-4, 1e-4)
            ours = raw[2][0].numpy()[raw[3][0].numpy()]
            down, across = (n / float(m) for n, m in zip(shape[1:], sizes[0], strict=True))
            ours = ours * np.array([across, down, across, down])
            np.testing.assert_allclose(proposals, ours, 1e-4, 1e-4)


def test_mirror_images_are_searched_as_well():
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 50)).astype(np.uint8)
    symmetric = np.concatenate([image, image[:, :, ::-1]], 2)
    found = Finder(detector(), 64, compile=False, views=("x",))(symmetric)
    turned = mirror_boxes(found["boxes"], "x", (64, 100))
    assert len(found["boxes"]) > 3 and (np.diff(found["scores"]) <= 0).all()
    # What is found to the left is found to the right.
    nearest = np.abs(turned[:, None] - found["boxes"][None]).max(2).min(1)
    assert np.median(nearest) < 1e-2


def test_a_finder_comes_back_from_what_it_says_of_itself():
    model = models.build("faster-rcnn", (1, 64, 64), 10)
    model.normalization = {"mean": [0.4], "std": [0.3]}
    model.info = {}
    old = Finder.of(model)
    assert (old.side, old.standardise, old.views, old.mean) == (64, False, (), 0.4)
    model.info = {"finding": Finder(model, 96, standardise=True, views=("y",)).settings()}
    finder = Finder.of(model)
    assert (finder.side, finder.standardise, finder.views) == (96, True, ("y",))
    assert Finder.of(model, 128, ()).side == 128 and Finder.of(model, 128, ()).views == ()
    with pytest.raises(ArgumentError, match="views"):
        Finder(model, 96, views=("z",))


def test_other_light_does_not_change_what_a_standardising_finder_sees():
    finder = Finder(detector(), 64, compile=False, standardise=True)
    image = np.random.default_rng(0).integers(20, 100, (1, 64, 64)).astype(np.uint8)
    here, there = (finder.prepared(each)[0].numpy() for each in (image, image * 2))
    np.testing.assert_allclose(here, there, atol=1e-3)


def test_the_average_is_measured_and_is_the_model_in_the_end(tmp_path):
    held_out = DigitScenes("test", 2, size=64)

    def run(model, folder=None, resume=None, stop=0):
        averaging = train.WeightAveraging(0.8, use_buffers=True)
        recorder = DetectionRecorder(Finder(model, 64, compile=False), held_out,
                                     averaging=averaging)  # fmt: skip
        history = trainer_of(model, folder).fit(
            loader(), epochs=2, callbacks=[averaging, recorder, Interrupt(stop)], verbose=0,
            resume=resume,
        )  # fmt: skip
        return history, averaging

    whole, again = detector(), detector()
    history, averaging = run(whole)
    for name, value in averaging.averaged.module.detector.state_dict().items():
        assert np.array_equal(value.numpy(), whole.state_dict()[name].numpy()), name
    scores = Evaluation(Finder(whole, 64, compile=False), held_out).scores()
    assert history.epochs[-1]["map"] == pytest.approx(scores.map)
    run(detector(), tmp_path, stop=4)
    run(again, resume=tmp_path / "checkpoint")
    for name, value in whole.state_dict().items():
        assert np.array_equal(value.numpy(), again.state_dict()[name].numpy()), name


class Broken(DigitScenes):
    def __getitem__(self, index):
        if index == 1:
            raise DataError("scene 1 is broken.")
        return super().__getitem__(index)


def test_an_image_that_cannot_be_read_is_named_and_not_counted():
    finder = Finder(detector(), 64, compile=False)
    evaluation = Evaluation(finder, Broken("test", 3, size=64))
    assert evaluation.numbers == [0, 2] and evaluation.problems == ["scene 1 is broken."]
    assert math.isfinite(evaluation.scores().map)
