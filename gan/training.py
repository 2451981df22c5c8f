"""The training of a GAN: one compiled step for both networks, and the loop around it."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gan import losses
from gan.adam import Adam
from gan.augmentation import AdaptiveProbability, augment, instance_noise
from gan.checkpoint import load_checkpoint, save_checkpoint
from gan.health import Record
from gan.penalties import clip_weights, gradient_penalty, r1
from gan.recipes import GanRecipe
from gan.sampling import to_unit

R1_EVERY = 16
"""Steps of which one takes the penalty on real images, times as strong (lazy regularisation, Karras 2020)."""
RECORDED = 20
"""Steps over which a record is the mean."""
WARM_UP = 10
"""In step t the average's decay is at most (1 + t) / (10 + t): the first weights are soon forgotten."""

MEASURED = (*Record.__dataclass_fields__, "probability", "seconds")
"""Numbers of a report that are no scores."""

Score = Callable[[keras.Model], dict[str, float]]
OnReport = Callable[[dict[str, float], keras.Model | None], None]


class Batch(NamedTuple):
    """What a step needs for each update of the discriminator (U of them), all that is random drawn already.

    Attributes:
        images: Real ones, uint8 (U, N, size, size, 3).
        labels: Of these, and of the images to be generated, int32 (U, N).
        latents: What enters the generator, float32 (U, N, ...).
        seeds: int32 (U, 5, 2): of augmentation and noise of real and of generated images, and of the penalty.
    """

    images: Any
    labels: Any
    latents: Any
    seeds: Any


class Feed:
    """Batches that follow from seed and step alone: a training that is continued gets the same ones.

    Args:
        recipe: All choices.
        images: Real ones, uint8 (N, size, size, 3).
        labels: Their classes (N,).
        seed: Of what is drawn.
        given: What inputs that are images are made of, like `images`; None: of the real ones themselves.
    """

    def __init__(
        self,
        recipe: GanRecipe,
        images: NDArray[np.uint8],
        labels: NDArray[np.integer[Any]],
        seed: int,
        given: NDArray[np.uint8] | None = None,
    ) -> None:
        self.recipe, self.images, self.labels, self.seed = recipe, images, labels.astype(np.int32), seed
        self.given = images if given is None else given
        rarity = 1 / np.bincount(self.labels)[self.labels]
        self.chances = rarity / rarity.sum() if recipe.balance else None

    def batch(self, step: int) -> Batch:
        """The batch of this step."""
        random = np.random.default_rng((self.seed, step))
        shape = (self.recipe.discriminator_steps, self.recipe.batch_size)
        rows = random.choice(len(self.labels), np.prod(shape), p=self.chances)
        images, labels = self.images[rows], self.labels[rows]
        latents = self.recipe.source.sample(len(rows), images.shape[1], random, images=self.given[rows])
        seeds = random.integers(2**31, size=(shape[0], 5, 2), dtype=np.int32)
        return Batch._make([*(part.reshape(*shape, *part.shape[1:]) for part in (images, labels, latents)), seeds])

    def batches(self, steps: range) -> Iterator[Batch]:
        """The batches of these steps, each made by a thread while its predecessor is trained on."""
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(self.batch, steps.start)
            for step in steps:
                batch = coming.result()
                coming = thread.submit(self.batch, step + 1)
                yield batch


class Gan:
    """Two networks, the average of the generator that makes the samples, and the step that trains them.

    Args:
        recipe: All choices.
        size: Side of the images in pixels.
        classes: Of the labels; used by conditional recipes alone.
        seed: Of initial weights and dropout; sets the global seeds of Keras.

    Raises:
        ValueError: Choices that do not fit each other.
    """

    def __init__(self, recipe: GanRecipe, *, size: int, classes: int, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.recipe = recipe
        self.loss = losses.adversarial_loss(recipe.loss, label_smoothing=recipe.label_smoothing)
        self.generator, self.discriminator = recipe.build(size, classes)
        self.average = keras.models.clone_model(self.generator) if recipe.ema else self.generator
        self.average.set_weights(self.generator.get_weights())
        betas = {"beta_1": recipe.beta_1, "beta_2": recipe.beta_2}
        self.generator_optimizer = Adam(self.generator.trainable_variables, recipe.generator_rate, **betas)
        self.discriminator_optimizer = Adam(self.discriminator.trainable_variables, recipe.discriminator_rate, **betas)
        self.control = AdaptiveProbability() if recipe.adaptive else None
        self.probability = tf.Variable(0.0 if recipe.adaptive else 1.0)
        self.done = tf.Variable(0, dtype=tf.int64)
        self._compiled = tf.function(self._step, jit_compile=False)  # XLA is slower than oneDNN on a CPU

    @property
    def variables(self) -> list[Any]:
        """All that training changes: weights, optimisers, counters, the states of dropout."""
        networks = (self.generator, self.discriminator, self.average)
        owners = (*networks, self.generator_optimizer, self.discriminator_optimizer)
        return [*(variable for owner in owners for variable in owner.variables), self.probability, self.done]

    def step(self, batch: Batch) -> Record:
        """Train both networks: the discriminator as often as the recipe says, the generator once."""
        step = int(self.done)
        values = self._compiled(batch, penalised=bool(self.recipe.r1) and step % R1_EVERY == 0)
        return Record(step=step + 1, **{name: float(value) for name, value in values.items()})

    def _step(self, batch: Batch, *, penalised: bool) -> dict[str, tf.Tensor]:
        """The generator's update comes from the same pass as the last one of the discriminator, as in DCGAN's code."""
        makes, judges = self.generator.trainable_variables, self.discriminator.trainable_variables
        for update in range(self.recipe.discriminator_steps):
            now = Batch(*(tf.convert_to_tensor(values[update]) for values in batch))
            with tf.GradientTape() as of_generator, tf.GradientTape() as of_discriminator:
                found = self._compare(now, penalised)
            gradients = of_discriminator.gradient(found["discriminator_loss"], judges)
            found["discriminator_gradient"] = tf.linalg.global_norm(gradients)
            if update + 1 < self.recipe.discriminator_steps:
                self._update_discriminator(gradients, found)
        made = of_generator.gradient(found["generator_loss"], makes)
        found["generator_gradient"] = tf.linalg.global_norm(made)
        self._update_discriminator(gradients, found)
        self.generator_optimizer.apply(made)
        self._update_average()
        return found

    def _update_discriminator(self, gradients: list[tf.Tensor], found: dict[str, tf.Tensor]) -> None:
        self.discriminator_optimizer.apply(gradients)
        if self.loss.clip:
            clip_weights(self.discriminator.trainable_variables, self.loss.clip)
        if self.control:
            accuracy, batch = found["real_accuracy"], self.recipe.batch_size
            self.probability.assign(self.control.updated(self.probability, accuracy, batch))

    def _update_average(self) -> None:
        self.done.assign_add(1)
        if not self.recipe.ema:
            return
        step = tf.cast(self.done, tf.float32)
        decay = tf.minimum(self.recipe.ema, (1 + step) / (WARM_UP + step))
        for mean, weight in zip(self.average.weights, self.generator.weights, strict=True):
            mean.assign_add((1 - decay) * (weight - mean))

    def _compare(self, batch: Batch, penalised: bool) -> dict[str, tf.Tensor]:
        """Both losses on one batch, and the share of images that the discriminator is right about."""
        real, seeds = to_unit(batch.images), tf.unstack(batch.seeds)
        fake = self.generator([batch.latents, batch.labels][: 1 + self.recipe.conditional], training=True)
        seen_real, seen_fake = self._seen(real, *seeds[:2]), self._seen(fake, *seeds[2:4])
        on_real, on_fake = self._judge(seen_real, batch), self._judge(seen_fake, batch)
        of_discriminator, of_generator = self._losses(on_real, on_fake, batch.labels)
        if penalised:
            raw = r1(lambda images: _realness(self._judge(self._seen(images, *seeds[:2]), batch)), real)
            of_discriminator += R1_EVERY * self.recipe.r1 * raw
        if self.loss.gradient_penalty:
            steepness = gradient_penalty(
                lambda seen: _realness(self._judge(seen, batch)), seen_real, seen_fake, seeds[4]
            )
            of_discriminator += self.loss.gradient_penalty * steepness
        if self.recipe.l1:
            of_generator += self.recipe.l1 * losses.l1(fake, real)
        real_accuracy, fake_accuracy = self.loss.accuracies(_realness(on_real), _realness(on_fake))
        return {
            "discriminator_loss": of_discriminator,
            "generator_loss": of_generator,
            "real_accuracy": real_accuracy,
            "fake_accuracy": fake_accuracy,
        }

    def _seen(self, images: tf.Tensor, augmentation: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """What the discriminator sees of images: augmented by these seeds, and noisy."""
        images = augment(images, self.recipe.augmentation, self.probability, augmentation)
        if not self.recipe.instance_noise:
            return images
        left = 1 - tf.cast(self.done, tf.float32) / self.recipe.steps
        return instance_noise(images, self.recipe.instance_noise * left, noise)

    def _judge(self, images: tf.Tensor, batch: Batch) -> dict[str, tf.Tensor]:
        """The discriminator's logits, given the class or the input that the images belong to where it takes them."""
        inputs = [images]
        if self.recipe.conditioning == "projection":
            inputs.append(batch.labels)
        if self.recipe.source.kind == "image":
            inputs.append(batch.latents)
        judged: dict[str, tf.Tensor] = self.discriminator(inputs, training=True)
        return judged

    def _losses(
        self, on_real: dict[str, tf.Tensor], on_fake: dict[str, tf.Tensor], labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Of discriminator and generator."""
        if self.recipe.conditioning == "k_plus_one":
            discriminator = losses.k_plus_one(on_real["classes"], labels, on_fake["classes"])
            return discriminator, losses.classification(on_fake["classes"], labels)
        discriminator = self.loss.discriminator(on_real["real"], on_fake["real"])
        generator = self.loss.generator(on_fake["real"])
        if self.recipe.conditioning == "auxiliary":
            weight, classes = self.recipe.class_weight, (on_real["classes"], labels, on_fake["classes"], labels)
            discriminator += weight * losses.auxiliary(*classes)
            generator += weight * losses.classification(on_fake["classes"], labels)
        return discriminator, generator


def _realness(judged: dict[str, tf.Tensor]) -> tf.Tensor:
    """Logits of being real."""
    return judged["real"] if "real" in judged else losses.realness(judged["classes"])


@dataclass
class TrainedGan:
    """Two networks, and how they came to be.

    Attributes:
        generator: The averaged one, with the weights of the best report.
        discriminator: As it was in the last step.
        reports: By name, at each report: step, means of the records since the last, seconds, scores.
        records: Means over each `RECORDED` steps.
        best: Place in `reports` of the one whose generator was kept.
    """

    generator: keras.Model
    discriminator: keras.Model
    reports: list[dict[str, float]]
    records: list[Record]
    best: int


class DivergenceError(FloatingPointError):
    """A loss or a gradient is no longer finite.

    Attributes:
        trained: The training until then: the generator of its best report, without one an untrained one; the last of
            its records is that of the step that is not finite.
    """

    def __init__(self, message: str, trained: TrainedGan) -> None:
        super().__init__(message)
        self.trained = trained


def train_gan(
    recipe: GanRecipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    *,
    classes: int,
    seed: int = 0,
    report_every: int = 500,
    score: Score | None = None,
    objective: str = "",
    checkpoint: Path | None = None,
    on_report: OnReport | None = None,
    given: NDArray[np.uint8] | None = None,
    alike: Mapping[str, Any] | None = None,
) -> TrainedGan:
    """Train a GAN and keep the generator of the best report.

    All that is random follows from seed and step, so a training that is continued ends with the same weights as one
    that never stopped.

    Args:
        recipe: All choices.
        images: Real images, uint8 (N, size, size, 3).
        labels: Their classes (N,), below `classes`.
        classes: Number of classes.
        seed: Of initial weights, batches, latents, augmentation and dropout.
        report_every: Steps from one report to the next; the last step has one, too.
        score: Scores of the averaged generator by name, taken at each report.
        objective: The score that is least in the best report, or several, by commas, of which each decides where those
            before it are equal; without any the last is kept.
        checkpoint: File that keeps the state at each report; training continues from it where it exists.
        on_report: Told of each report when its state is saved, with the averaged generator; on continuing first of
            all past ones, of which only the last, that may have been saved and not told, comes with its generator.
        given: What inputs that are images are made of, one for each of `images`, as rendered signs for pictograms;
            by default the real images themselves.
        alike: What else a checkpoint must have been made with, as JSON has it: what `score` depends on.

    Raises:
        ValueError: Choices that do not fit each other or the images; a checkpoint of other settings.
        DivergenceError: A loss or a gradient is no longer finite; the checkpoint stays as it was.
    """
    gan = Gan(recipe, size=images.shape[1], classes=classes, seed=seed)
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels, np.int64).data)
    if given is not None:
        digest.update(np.ascontiguousarray(given).data)
    about = {"images": digest.hexdigest()[:12], "classes": classes, "seed": seed}
    about |= {"report_every": report_every, "objective": objective, **(alike or {})}
    course = _Course(gan, asdict(recipe) | about, objective, checkpoint)
    course.restore(on_report)
    for batch in Feed(recipe, images, labels, seed, given).batches(range(int(gan.done), recipe.steps)):
        record = gan.step(batch)
        try:
            course.add(record)
        except FloatingPointError as error:
            raise DivergenceError(str(error), course.trained()) from None
        if record.step % report_every == 0 or record.step == recipe.steps:
            numbers = course.report(score(gan.average) if score else {})
            course.save()  # first, so that what on_report keeps of the checkpoint holds this report
            if on_report:
                on_report(numbers, gan.average)
    return course.trained()


class _Course:
    """How a training went so far, the best generator of it, and its checkpoint."""

    def __init__(self, gan: Gan, settings: dict[str, Any], objective: str, checkpoint: Path | None) -> None:
        self.gan, self.settings, self.objective, self.checkpoint = gan, settings, objective, checkpoint
        self.fresh: list[Record] = []
        self.records: list[Record] = []
        self.reports: list[dict[str, float]] = []
        self.best = 0
        self.best_weights = gan.average.get_weights()
        self.began = time.perf_counter()

    def add(self, record: Record) -> None:
        """One more step."""
        for name in ("discriminator_loss", "generator_loss", "discriminator_gradient", "generator_gradient"):
            if not np.isfinite(getattr(record, name)):
                network, number = name.split("_")
                self._condense()
                self.records.append(record)
                kept = f"; the state at step {self.reports[-1]['step']:.0f} is kept" if self.reports else ""
                raise FloatingPointError(
                    f"the {number} of the {network} is not finite at step {record.step}: "
                    f"try lower learning rates, or another loss{kept}"
                )
        self.fresh.append(record)
        if len(self.fresh) == RECORDED:
            self._condense()

    def _condense(self) -> None:
        if self.fresh:
            self.records.append(_mean(self.fresh))
            self.fresh = []

    def report(self, scores: dict[str, float]) -> dict[str, float]:
        """Sum up the steps since the last report, and see whether the generator is the best so far."""
        self._condense()
        last = self.reports[-1]["step"] if self.reports else 0
        numbers = asdict(_mean([record for record in self.records if record.step > last]))
        if self.gan.control:
            numbers["probability"] = float(self.gan.probability)
        numbers |= {"seconds": time.perf_counter() - self.began, **scores}
        self.began = time.perf_counter()
        self.reports.append(numbers)
        if self._order(numbers) <= self._order(self.reports[self.best]):
            self.best, self.best_weights = len(self.reports) - 1, self.gan.average.get_weights()
        return numbers

    def _order(self, report: dict[str, float]) -> list[float]:
        """The less, the better a report is; without an objective all are alike."""
        return [report[name] for name in self.objective.split(",") if name]

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        if not self.checkpoint:
            return
        state = {"reports": self.reports, "best": self.best}
        arrays = {
            "variables": [np.array(keras.ops.convert_to_numpy(variable)) for variable in self.gan.variables],
            "best": self.best_weights,
            "records": [np.array([astuple(record) for record in self.records])],
        }
        save_checkpoint(self.checkpoint, self.settings, state, arrays)

    def trained(self) -> TrainedGan:
        """What came of it, with the generator of the best report."""
        self.gan.average.set_weights(self.best_weights)
        return TrainedGan(self.gan.average, self.gan.discriminator, self.reports, self.records, self.best)

    def restore(self, on_report: OnReport | None) -> None:
        """Continue from the checkpoint where there is one."""
        if not self.checkpoint or not self.checkpoint.exists():
            return
        state, arrays = load_checkpoint(self.checkpoint, self.settings)
        for variable, value in zip(self.gan.variables, arrays["variables"], strict=True):
            variable.assign(value)
        self.reports, self.best, self.best_weights = state["reports"], state["best"], arrays["best"]
        self.records = [Record(int(step), *values) for step, *values in arrays["records"][0].tolist()]
        if on_report:
            *past, last = self.reports
            for numbers in past:
                on_report(numbers, None)
            on_report(last, self.gan.average)


def _mean(records: list[Record]) -> Record:
    means = np.mean([astuple(record)[1:] for record in records], axis=0)
    return Record(records[-1].step, *means.tolist())
