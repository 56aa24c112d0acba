"""The words beside the numbers, in the language in use."""

from __future__ import annotations

from chainrule.base.text import t


def stage_title(key: str) -> str:
    """What a stage is called."""
    return {
        "anchor": t("Anchor"),
        "score": t("Proposal score"),
        "decode": t("First decoding"),
        "suppression": t("First suppression"),
        "region": t("RoI align"),
        "class": t("Class scores"),
        "refine": t("Second decoding"),
        "selection": t("Last suppression"),
        "final": t("Result"),
    }[key]


def stage_hint(key: str) -> str:
    """What happens there, in a sentence."""
    return {
        "anchor": t("A box of fixed size and shape at each place of each feature map."),
        "score": t("The proposal network says how surely this anchor covers an object, of "
                   "whatever class."),
        "decode": t("Four offsets move the anchor's centre and stretch its sides; the box is cut "
                    "off at the image."),
        "suppression": t("From the best score down, each box of this map strikes out those that "
                         "overlap it too much."),
        "region": t("The proposal is read from the map that suits its size: in each bin the mean "
                    "of points between the elements."),
        "class": t("From the bins the second stage gives a number to each class; softmax makes "
                   "probabilities of them."),
        "refine": t("The offsets of this class move the proposal once more, in finer units."),
        "selection": t("Boxes above the score threshold strike each other out, class by class."),
        "final": t("From the pixels of the batch to those of the image."),
    }[key]  # fmt: skip


def line_label(key: str, name: str = "") -> str:
    """What a line is about. name: of the class that it is about."""
    stage, _, rest = key.partition(".")
    if rest.startswith("struck."):
        return t("strikes out box {k}", k=rest.partition(".")[2])
    if rest.startswith("point."):
        i, j = rest.split(".")[1:]
        return t("point {i}, {j}: weight · value [row, column]", i=i, j=j)
    if stage == "class" and rest != "sum":
        return name
    decoding = {
        "offsets": t("offsets"), "from": t("centre and size of what is moved"),
        "x": t("centre, across"), "y": t("centre, down"), "width": t("width"),
        "height": t("height"), "corners": t("corners"), "box": t("cut off at the image"),
    }  # fmt: skip
    if stage in ("decode", "refine"):
        return decoding[rest]
    return {
        "anchor.width": t("half its width"), "anchor.height": t("half its height"),
        "anchor.x": t("column · stride"), "anchor.y": t("row · stride"),
        "anchor.box": t("the anchor"),
        "score.probability": t("sigmoid of the logit"),
        "score.rank": t("its rank in this map; so many go on"),
        "suppression.kept": t("kept: with no better box is the overlap larger"),
        "suppression.by": t("struck out by a better box"),
        "suppression.count": t("boxes that it strikes out"),
        "region.level": t("level by size"),
        "region.map": t("the map that is read, and its elements per pixel"),
        "region.box": t("the box in elements of the map"),
        "region.bin": t("size of a bin"),
        "region.mean": t("the bin: the mean of its points"),
        "class.sum": t("sum over all classes"),
        "selection.score": t("score against the threshold"),
        "selection.kept": t("kept: with no better box of its class is the overlap larger"),
        "selection.by": t("struck out by a better box of its class"),
        "selection.count": t("boxes of its class that it strikes out"),
        "final.box": t("in the image's pixels"),
        "final.score": t("score"),
    }[key]  # fmt: skip


def given_up(reason: str, **fields: object) -> str:
    """Why a proposal became no detection."""
    return {
        "score": t("its best class, {label}, has {score}: not above {threshold}"),
        "struck": t("{label} {score}: struck out by box {by}, IoU {iou}"),
        "surplus": t("{label} {score}: there are enough better boxes"),
    }[reason].format(**fields)


def miss(reason: str, **fields: object) -> str:
    """Why an object was missed."""
    return {
        "anchor": t("no anchor is near: the best IoU is {anchor}"),
        "proposal": t("no proposal is near: the best IoU is {proposal}"),
        "class": t("the proposal over it was taken for {seen}; {label} has {score}"),
        "score": t("{label} has {score}: not above {threshold}"),
        "struck": t("its box, {label} {score}, was struck out by box {by}"),
        "shifted": t("its box, {label} {score}, overlaps it by only {iou}"),
    }[reason].format(**fields)


def false_alarm(reason: str, **fields: object) -> str:
    """Why a detection is none."""
    return {
        "double": t("a better box has this object already (IoU {iou})"),
        "class": t("the object there is {seen} (IoU {iou})"),
        "place": t("it lies beside the object (IoU {iou})"),
        "nothing": t("no object is there"),
    }[reason].format(**fields)
