"""The one loader of networks: Keras files old and new, SavedModels, and functions of the user's own.

What is loaded is called in one way whatever it is: images in, all outputs by name. A network travels to workers as the
bytes of its file (a folder is packed), since a worker on another machine cannot read its path.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tarfile
import tempfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pipelines.preprocessing import Preprocessing

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
SAVED_MODEL = "saved_model.pb"
FOREIGN = {
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".ckpt": "a checkpoint of PyTorch or TensorFlow",
    ".safetensors": "weights alone, without their network",
    ".onnx": "an ONNX file",
    ".tflite": "a TensorFlow Lite file",
    ".pb": "a frozen TensorFlow graph",
    ".pkl": "a pickle",
    ".joblib": "a pickle",
    ".json": "a description without weights",
    ".npz": "arrays alone, without their network",
    ".msgpack": "a checkpoint of JAX",
}
"""What other files of networks are, by their endings."""
WRAP = "give --model my.py:predict, a function that loads and calls it with its own code (docs/networks.md)"
PLANES = (1, 3)
LOGITS, PROBABILITIES, SIGMOIDS = "logits", "probabilities", "sigmoids"
"""What scores may be: a sigmoid is a probability of its own, whose log-odds are a logit."""


class Network(Protocol):
    """A loaded network.

    Attributes:
        shape: (H, W, C) of the images that it takes, None for any size.
        channels_first: it takes (N, C, H, W).
        batch: images in a batch, where it takes so many and no other number.
        weights: its arrays, where it has any that can be seen.
    """

    shape: tuple[int | None, int | None, int]
    channels_first: bool
    batch: int | None

    @property
    def weights(self) -> list[NDArray[Any]]:
        """See above."""

    def outputs(self, images: NDArray[np.uint8], reading: Preprocessing) -> dict[str, NDArray[Any]]:
        """All outputs by name, (N, ...) each, of uint8 images (N, H, W, 3)."""

    def activation(self, output: str) -> str:
        """What makes an output, as "softmax", "sigmoid" or "linear"; empty if that cannot be seen."""


class KerasNetwork:
    """A Keras model of one input."""

    def __init__(self, model: Any, label: str = "the model") -> None:
        import keras
        import tensorflow as tf

        inputs, outputs = _ends(model, label)
        shape = tuple(inputs[0].shape)
        if len(shape) != 4:
            raise InputError(
                f"{label}: its input is {shape}; a model of one batch of images (N, H, W, C) is needed, or {WRAP}"
            )
        self.model, self.batch = model, shape[0]
        self.shape, self.channels_first = _image_shape(shape[1:], label)
        self.names = _names(model, len(outputs))
        self._tensors = dict(zip(self.names, outputs, strict=True))

        @tf.function(jit_compile=False, reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
        def run(images: Any) -> Any:
            return keras.tree.flatten(model(_packed(model, images), training=False))

        self._run = run

    @property
    def classes(self) -> set[int | None]:
        """How many scores its outputs have."""
        return {tensor.shape[-1] for tensor in self._tensors.values()}

    @property
    def weights(self) -> list[NDArray[Any]]:
        """Of all layers."""
        found: list[NDArray[Any]] = self.model.get_weights()
        return found

    def outputs(self, images: NDArray[np.uint8], reading: Preprocessing) -> dict[str, NDArray[Any]]:
        """As those of `Network`."""
        found = self._run(reading(images))
        return {name: output.numpy() for name, output in zip(self.names, found, strict=True)}

    def activation(self, output: str) -> str:
        """As that of `Network`."""
        return _activation(self._tensors[output])

    def single(self, output: str) -> Any:
        """The model with this output alone, for methods that look into it."""
        import keras

        if not keras.tree.is_nested(_structure(self.model)):
            return self.model

        return keras.Model(self.model.inputs[0], self._tensors[output], name=self.model.name)


class SavedModelNetwork:
    """What TensorFlow's SavedModel serves: the graph of its signature, whose layers cannot be seen."""

    SIGNATURES = ("serving_default", "serve")

    def __init__(self, folder: Path, label: str) -> None:
        import tensorflow as tf

        try:
            self._loaded = tf.saved_model.load(str(folder))
        except Exception as error:  # TensorFlow raises what it will
            raise InputError(f"{label}: TensorFlow cannot load this SavedModel ({_reason(error)}); {WRAP}") from None
        signatures = self._loaded.signatures
        name = next((name for name in (*self.SIGNATURES, *signatures) if name in signatures), None)
        if name is None:
            raise InputError(f"{label}: a SavedModel without a signature, so it serves nothing; {WRAP}")
        self._serve = signatures[name]
        inputs = self._serve.structured_input_signature[1]
        if len(inputs) != 1:
            raise InputError(f"{label}: it takes {len(inputs)} inputs ({', '.join(inputs)}), not one of images; {WRAP}")
        (self._input,) = inputs.values()
        self._argument = next(iter(inputs))
        if self._input.shape.rank != 4:
            raise InputError(f"{label}: its input is {self._input.shape}, not images (N, H, W, C); {WRAP}")
        shape = tuple(self._input.shape)
        self.batch = shape[0]
        self.shape, self.channels_first = _image_shape(shape[1:], label)

    @property
    def weights(self) -> list[NDArray[Any]]:
        """All variables."""
        return [variable.numpy() for variable in getattr(self._loaded, "variables", ())]

    def outputs(self, images: NDArray[np.uint8], reading: Preprocessing) -> dict[str, NDArray[Any]]:
        """As those of `Network`."""
        import tensorflow as tf

        found = self._serve(**{self._argument: tf.cast(reading(images), self._input.dtype)})
        return {name: output.numpy() for name, output in found.items()}

    def activation(self, output: str) -> str:  # noqa: ARG002  (of the protocol)
        """Cannot be seen."""
        return ""


class FunctionNetwork:
    """A function of uint8 images (N, H, W, 3) that returns scores (N, classes), in a Python file of the user's own."""

    shape: tuple[int | None, int | None, int] = (None, None, 3)
    channels_first = False
    batch: int | None = None

    def __init__(self, source: bytes, path: Path, function: str, label: str) -> None:
        self._label = label
        module = ModuleType(path.stem)
        module.__file__ = str(path)
        sys.modules.setdefault(path.stem, module)
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))  # what lies beside it can be imported
        try:
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  (the user's own code)
        except (Exception, SystemExit) as error:
            raise InputError(f"{label}: {_where(error, path)}; mend the file") from None
        self._call: Callable[[NDArray[np.uint8]], Any] | None = getattr(module, function, None)
        if not callable(self._call):
            raise InputError(f"{label}: {path.name} has no function {function}; name one of its own")

    @property
    def weights(self) -> list[NDArray[Any]]:
        """Cannot be seen."""
        return []

    def outputs(self, images: NDArray[np.uint8], reading: Preprocessing) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """As those of `Network`; the function reads images in its own way."""
        assert self._call is not None
        try:
            found = np.asarray(self._call(images.copy()))
        except (Exception, SystemExit) as error:
            raise InputError(f"{self._label}: {_where(error)}; mend the function") from None
        if found.ndim != 2 or len(found) != len(images) or not np.issubdtype(found.dtype, np.number):
            raise InputError(
                f"{self._label}: returned {found.dtype} {found.shape} for images {images.shape}; "
                f"return scores ({len(images)}, classes), a number for each image and class"
            )
        return {"": found}

    def activation(self, output: str) -> str:  # noqa: ARG002  (of the protocol)
        """Cannot be seen."""
        return ""


def split_function(name: str) -> tuple[str, str]:
    """The file and the function of `my.py:predict`; no function of any other name."""
    path, colon, function = name.rpartition(":")
    return (path, function) if colon and path.endswith(".py") and function.isidentifier() else (name, "")


def find_network(name: str, label: str) -> Path:
    """The file of a network, or the folder of a SavedModel.

    Args:
        name: an MLflow URI, a file, a folder that holds one network, or `my.py:predict`.
        label: the option with its value, for errors.

    Raises:
        InputError: there is none, there are several, or it is of a kind that only its own code can load.
    """
    path, function = split_function(name)
    found = _downloaded(name, label) if name.startswith(("models:/", "runs:/", "mlflow-artifacts:/")) else Path(path)
    if not found.exists():
        raise InputError(f"{label}: no such file; give a .keras or .h5 file, a SavedModel or an MLflow model URI")
    if found.suffix == ".py" and not function:
        raise InputError(f"{label}: name the function in it, as in {found.name}:predict")
    if found.is_dir():
        return _inside(found, label)
    if found.name == SAVED_MODEL:
        return found.parent
    if found.name.endswith(".weights.h5"):
        raise InputError(f"{label}: holds weights alone, without their network; save the whole model, or {WRAP}")
    if found.suffix in FOREIGN:
        raise InputError(f"{label}: is {FOREIGN[found.suffix]}, not a Keras model; {WRAP}")
    return found


def _downloaded(name: str, label: str) -> Path:
    import mlflow

    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=name))
    except (mlflow.exceptions.MlflowException, OSError) as error:
        raise InputError(f"{label}: MLflow has no such model ({_reason(error)}); train one first") from None


def _inside(folder: Path, label: str) -> Path:
    """The one network that a folder holds."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in KERAS_SUFFIXES]
    files = [path for path in files if not path.name.endswith(".weights.h5")]
    files += [path.parent for path in sorted(folder.rglob(SAVED_MODEL))]
    if not files and (other := next((path for path in sorted(folder.rglob("*")) if path.suffix in FOREIGN), None)):
        raise InputError(f"{label}: holds 0 .keras files, but {other.name}, {FOREIGN[other.suffix]}; {WRAP}")
    if len(files) != 1:
        raise InputError(f"{label}: holds {len(files)} .keras files, .h5 files or SavedModels; point to one")
    return files[0]


def content_of(path: Path) -> bytes:
    """What travels to workers: the bytes of a file, or a folder packed, the same for the same files."""
    if path.is_file():
        return path.read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in sorted(part for part in path.rglob("*") if part.is_file()):
            entry = tarfile.TarInfo(file.relative_to(path).as_posix())
            content = file.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def load_network(content: bytes, path: Path, function: str, label: str) -> Network:
    """Load a network in whichever process.

    Args:
        content: of `content_of`.
        path: where it was found, which need not be there.
        function: its name, if the file is Python.
        label: the option with its value, for errors.

    Raises:
        InputError: it cannot be loaded, or it does not take images; the line says what it is and what to do.
    """
    if function:
        return FunctionNetwork(content, path.absolute(), function, label)
    with tempfile.TemporaryDirectory() as folder:
        if content.startswith((HDF5, ZIP)):
            file = Path(folder) / ("model.h5" if content.startswith(HDF5) else "model.keras")
            file.write_bytes(content)
            return KerasNetwork(_load_keras(file, label), label)
        if path.suffix in KERAS_SUFFIXES:
            raise InputError(
                f"{label}: Keras cannot load it (damaged, or of another kind than its ending says); save it anew as a "
                ".keras file"
            )
        if not tarfile.is_tarfile(io.BytesIO(content)):
            raise InputError(f"{label}: no network that is known; give a .keras or .h5 file or a SavedModel, or {WRAP}")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(folder, filter="data")
        return SavedModelNetwork(Path(folder), label)


def in_batches(
    network: Network, images: NDArray[np.uint8], reading: Preprocessing, size: int
) -> dict[str, NDArray[Any]]:
    """All outputs of a network by name, (N, ...) each, from batches of one size, the last one padded."""
    starts = range(0, max(len(images), 1), size)
    parts = [network.outputs(_padded(images[start : start + size], size), reading) for start in starts]
    return {name: np.concatenate([part[name] for part in parts])[: len(images)] for name in parts[0]}


def as_logits(raw: NDArray[Any], outputs: str) -> NDArray[np.float32]:
    """Scores whose softmax is the network's confidence."""
    scores = raw.astype(np.float32)
    if outputs == LOGITS:
        return scores
    kept = np.maximum(scores, 1e-30)
    if outputs == SIGMOIDS:
        return np.log(kept) - np.log(np.maximum(1 - scores, np.finfo(np.float32).eps))
    return np.log(kept)


def _padded(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if len(images) == size:
        return images
    return np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), images.dtype)])


def _load_keras(file: Path, label: str) -> Any:
    import h5py
    import keras

    import models.layers  # noqa: F401 - registers the layers of ours that a file may hold

    if file.suffix == ".h5":
        try:
            with h5py.File(file) as opened:
                whole = "model_config" in opened.attrs
        except OSError as error:
            raise InputError(f"{label}: a damaged .h5 file ({_reason(error)}); save it anew") from None
        if not whole:
            raise InputError(f"{label}: holds weights alone, without their network; save the whole model, or {WRAP}")
    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras, h5py and zipfile raise what they will
        raise InputError(f"{label}: {_why_not(error)}") from None


def _why_not(error: Exception) -> str:
    """What stands in the way of a Keras file, and what to do."""
    said = str(error)
    if "Lambda" in said or "lambda" in said:
        return f"holds a Lambda layer, which is Python code that Keras does not run from a file; {WRAP}"
    unknown = re.search(
        r"(?:Could not locate|Unknown) (?:class|function|object|layer|activation function|\w+):? ?'?([\w>.:]+)'?", said
    )
    if unknown:
        return f"holds {unknown[1]}, a custom layer or function whose code is not in the file; {WRAP}"
    return f"Keras cannot load it ({_reason(error)}); save it as a .keras file, or {WRAP}"


def _reason(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _where(error: BaseException, path: Path | None = None) -> str:
    """An error of the user's own code in a line, with the line of the file."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is None or frame.filename == str(path)]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
    said = "calls sys.exit" if isinstance(error, SystemExit) else f"{type(error).__name__}: {_reason(error)}"
    return f"{place}{said}"


def _ends(model: Any, label: str) -> tuple[list[Any], list[Any]]:
    """The input and the outputs of a model."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise InputError(f"{label}: a subclassed model that does not say what it takes; {WRAP}")
    if len(inputs) != 1:
        names = ", ".join(str(part.name) for part in inputs)
        raise InputError(f"{label}: it takes {len(inputs)} inputs ({names}), not one of images; {WRAP}")
    return inputs, list(model.outputs)


def _image_shape(shape: tuple[int | None, ...], label: str) -> tuple[tuple[int | None, int | None, int], bool]:
    """(H, W, C) of what a network takes, and whether channels come first."""
    first, last = shape[0], shape[2]
    if last in PLANES or last is None:
        return (shape[0], shape[1], last or 3), False
    if first in PLANES:
        return (shape[1], shape[2], first or 3), True
    raise InputError(f"{label}: it takes images of {by(shape)}, neither colour nor grey; {WRAP}")


def by(shape: tuple[int | None, ...]) -> str:
    """A shape in words."""
    return " x ".join("any" if size is None else str(size) for size in shape)


def _names(model: Any, count: int) -> list[str]:
    """Of the outputs, in the order in which Keras flattens them."""
    import keras

    names = [str(name) for name in getattr(model, "output_names", [])]
    if isinstance(structure := _structure(model), dict):
        names = ["/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(structure)]
    return names if len(set(names)) == count else [str(place) for place in range(count)]


def _structure(model: Any) -> Any:
    """Its outputs as it gives them: one, or a list or dict of them."""
    return (getattr(model, "_functional", None) or model).output


def _packed(model: Any, images: Any) -> Any:
    """The images as the model wants its one input: bare, or in a list or dict."""
    wanted = getattr(model, "_inputs_struct", None)
    if isinstance(wanted, dict):
        return dict.fromkeys(wanted, images)
    return [images] if isinstance(wanted, list | tuple) else images


def _activation(tensor: Any) -> str:
    """The activation that makes a tensor, through layers that change no value and into nested models."""
    import keras

    operation, _, place = tensor._keras_history
    if isinstance(operation, keras.Model):
        return _activation(operation.outputs[place])
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if isinstance(operation, keras.layers.Reshape | keras.layers.Flatten | keras.layers.Dropout):
        return _activation(operation.input)
    if isinstance(operation, keras.layers.Dense | keras.layers.Conv2D | keras.layers.Activation):
        return str(getattr(operation.activation, "__name__", ""))
    return ""


def digest_of(content: bytes, answers: NDArray[Any] | None = None) -> str:
    """The sha256 of a network; of a function's, what it answers is a part, as its weights lie elsewhere."""
    found = hashlib.sha256(content)
    if answers is not None:
        found.update(np.ascontiguousarray(answers).tobytes())
    return found.hexdigest()
