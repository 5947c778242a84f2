"""Load a compiled model and run it: numpy and ctypes only, in one file.

The way of use::

    with load("mobilenet.so") as model:
        logits = model(image)

The compiler puts a copy of this file next to every library, as ``NAME.py`` beside ``NAME.so``: there ``load()`` needs
no path, and ``python NAME.py`` prints what the model is. A plain ``import NAME`` in that folder does not find the copy,
because Python prefers ``NAME.so`` and takes it for an extension module. By its file it is found::

    import importlib.util

    spec = importlib.util.spec_from_file_location("mobilenet_loader", "mobilenet-native/mobilenet.py")
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    with loader.load() as model:
        logits = model(image)
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import struct
import sys
import threading
import weakref
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

ABI_VERSION = 2

Array = NDArray[Any]


class ModelError(Exception):
    """A library cannot be loaded, or an array does not fit the model; the message says what to do."""


# Tuples, since a dataclass looks for its module in sys.modules, where a copy of this file need not be.


class TensorSpec(NamedTuple):
    """An input or output of a model: a dense, row-major array.

    Attributes:
        name: its name in the ONNX file.
        shape: its dimensions.
        dtype: its element type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


class KernelTime(NamedTuple):
    """One kernel of one run.

    Attributes:
        name: the operators of the model it computes.
        kernel: the compiled function.
        nanoseconds: wall-clock time.
        flops: floating-point operations; a multiply-add counts as two.
        bytes: bytes of inputs, weights and outputs, each counted once.
    """

    name: str
    kernel: str
    nanoseconds: int
    flops: int
    bytes: int


# The library as a file: what would crash or confuse the system's loader is found before that sees the file.

_MACHINES = {3: "x86", 40: "arm", 62: "x86-64", 183: "arm64", 243: "riscv64"}
_HOSTS = {"x86_64": "x86-64", "AMD64": "x86-64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm"}
_LITTLE_ENDIAN = 1
_ET_DYN, _SHT_NOBITS, _SHT_DYNSYM, _SHN_UNDEF = 3, 8, 11, 0


class _Layout:
    """Where the fields are in a file of 64 or of 32 bits; the names in the comments are ELF's."""

    def __init__(self, bits: int) -> None:
        wide = bits == 64
        self.header = struct.Struct("<16xHHIQQQIHHHHHH" if wide else "<16xHHIIIIIHHHHHH")
        self.segment = struct.Struct("<IIQQQQQQ" if wide else "<IIIIIIII")
        self.segment_offset, self.segment_size = (2, 5) if wide else (1, 4)  # p_offset, p_filesz
        self.section = struct.Struct("<IIQQQQIIQQ" if wide else "<IIIIIIIIII")
        self.symbol = struct.Struct("<IBBHQQ" if wide else "<IIIBBH")
        self.symbol_section = 3 if wide else 5  # st_shndx


_LAYOUTS = {64: _Layout(64), 32: _Layout(32)}


def _require(file: BinaryIO, size: int) -> None:
    have = os.fstat(file.fileno()).st_size
    if size > have:
        raise ModelError(f"{file.name} is truncated: it holds {have} of {size} bytes; copy the file again")


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    _require(file, offset + size)
    file.seek(offset)
    return file.read(size)


def _host() -> str:
    machine = platform.machine()
    if machine == "aarch64" and struct.calcsize("P") == 4:  # a 32-bit system on a 64-bit kernel
        machine = "armv8l"
    return _HOSTS.get(machine, machine)


def _check_machine(file: BinaryIO) -> _Layout:
    start = file.read(20)
    if len(start) < 20 or start[:4] != b"\x7fELF":
        raise ModelError(f"{file.name} is not a shared library; give the .so file that the compiler wrote")
    kind, machine = struct.unpack_from("<HH", start, 16)
    there = _MACHINES.get(machine, f"ELF machine {machine}")
    here = _host()
    if there != here:
        raise ModelError(f"{file.name} is compiled for {there}, this machine is {here}; compile it for this machine")
    bits = 32 if here == "arm" else 64
    if tuple(start[4:6]) != (bits // 32, _LITTLE_ENDIAN) or kind != _ET_DYN:
        raise ModelError(f"{file.name} is no {bits}-bit shared library; give the .so file that the compiler wrote")
    return _LAYOUTS[bits]


def _exported_names(file: BinaryIO, layout: _Layout) -> list[str]:
    """Names of the symbols that the library defines. Raises ModelError if any part of the file is missing."""
    header = layout.header.unpack(_read(file, 0, layout.header.size))
    segment_table, section_table = header[4:6]
    segment_count, section_count = header[9], header[11]
    for segment in layout.segment.iter_unpack(_read(file, segment_table, segment_count * layout.segment.size)):
        _require(file, segment[layout.segment_offset] + segment[layout.segment_size])
    sections = list(layout.section.iter_unpack(_read(file, section_table, section_count * layout.section.size)))
    for _, kind, _, _, offset, size, *_ in sections:
        _require(file, offset + (0 if kind == _SHT_NOBITS else size))

    names: list[str] = []
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind == _SHT_DYNSYM:
            strings = _read(file, *sections[link][4:6])
            for symbol in layout.symbol.iter_unpack(_read(file, offset, size)):
                name = symbol[0]
                if symbol[layout.symbol_section] != _SHN_UNDEF:
                    names.append(strings[name : strings.index(b"\0", name)].decode())
    return names


def _find_prefix(path: Path) -> str:
    """Check the file and return the prefix of its functions, which is the model's name whatever the file's name is."""
    try:
        with path.open("rb") as file:
            names = _exported_names(file, _check_machine(file))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; check the path") from error
    except (struct.error, IndexError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({error}); copy the file again") from error
    suffix = "_abi_version"
    prefixes = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    if len(prefixes) != 1:
        raise ModelError(
            f"{path} is no compiled model: it exports {len(prefixes)} functions NAME{suffix}, expected one"
        )
    return prefixes[0]


# The library as functions.


class _Options(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("threads", ctypes.c_int32),
        ("cores", ctypes.c_int32),
        ("cpu_count", ctypes.c_int32),
        ("cpus", ctypes.POINTER(ctypes.c_int32)),
        ("variant", ctypes.c_char_p),
    )


_CORES = {None: 0, "all": 1, "big": 2}


def _options(threads: int | None, cores: str | Sequence[int] | None, variant: str | None) -> _Options:
    """The options of create; they keep the list of CPUs alive. Raises ModelError where one is no choice."""
    try:
        (count,) = array("i", [0 if threads is None else threads])
    except (TypeError, OverflowError) as error:
        raise ModelError(f"threads is {threads!r}, expected the number of CPUs to use, or None") from error
    if variant is not None and not isinstance(variant, str):
        raise ModelError(f"variant is {variant!r}, expected the name of a target in the library")
    name = None if variant is None else variant.encode()
    options = _Options(struct_size=ctypes.sizeof(_Options), threads=count, variant=name)
    if cores is None or isinstance(cores, str | bytes):
        if cores not in _CORES:
            raise ModelError(f"cores is {cores!r}, expected 'big', 'all' or a list of CPU numbers")
        options.cores = _CORES[cores]
        return options
    try:
        cpus = array("i", iter(cores))  # itself, array() would copy the bytes of a bytearray
    except (TypeError, OverflowError) as error:
        raise ModelError(f"cores is {cores!r}, expected 'big', 'all' or a list of CPU numbers") from error
    options.cpus = (ctypes.c_int32 * len(cpus))(*cpus)
    options.cpu_count = len(cpus)
    return options


class _KernelTime(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("kernel", ctypes.c_char_p),
        ("nanoseconds", ctypes.c_int64),
        ("flops", ctypes.c_int64),
        ("bytes", ctypes.c_int64),
    )


class _Library:
    """The eight functions of a compiled model, with their C types."""

    def __init__(self, path: Path) -> None:
        prefix = _find_prefix(path)
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            hint = (
                "; is it compiled for this system's C library, with or without -musl?"
                if "libc.so" in str(error)
                else ""
            )
            raise ModelError(f"{path}: this system cannot load it: {error}{hint}") from error

        def function(name: str, result: Any, *arguments: Any) -> Any:
            entry = getattr(library, f"{prefix}_{name}")
            entry.restype, entry.argtypes = result, arguments
            return entry

        version = function("abi_version", ctypes.c_int32)()
        if version != ABI_VERSION:
            raise ModelError(
                f"{path} has ABI version {version}, this loader knows version {ABI_VERSION};"
                " use the loader that was written beside the library, or compile the model again"
            )
        handle, buffers, status = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int32
        times = ctypes.POINTER(_KernelTime)
        self.describe = function("describe", ctypes.c_char_p)
        self.create = function("create", status, ctypes.POINTER(_Options), ctypes.POINTER(handle))
        self.run = function("run", status, handle, buffers, buffers)
        self.profile = function("profile", status, handle, buffers, buffers, times, ctypes.c_int32)
        self.destroy = function("destroy", None, handle)
        self.last_error = function("last_error", ctypes.c_char_p, handle)
        self.variant = function("variant", ctypes.c_char_p, handle)


# The library as a model.


def _specs(entries: Sequence[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(entry["name"], tuple(entry["shape"]), np.dtype(entry["dtype"])) for entry in entries)


def _check(role: str, spec: TensorSpec, array: object) -> Array:
    """Return ``array`` if C may use it as ``spec``; otherwise raise ModelError."""

    def refused(flaw: str, remedy: str) -> ModelError:
        # A converted array would not be the one that the caller expects the output in.
        advice = remedy if role == "input" else f"give np.empty({spec.shape}, '{spec.dtype}')"
        return ModelError(f"{role} '{spec.name}' {flaw}; {advice}")

    if not isinstance(array, np.ndarray):
        raise refused(f"is a {type(array).__name__}, expected a numpy array", "use np.asarray")
    if array.dtype != spec.dtype:
        raise refused(f"has dtype {array.dtype}, expected {spec.dtype}", f"use .astype('{spec.dtype}')")
    if array.shape != spec.shape:
        raise refused(f"has shape {array.shape}, expected {spec.shape}", "use .reshape, or resize the data")
    if not array.flags.c_contiguous:
        raise refused("is not contiguous in memory", "use .copy()")
    if not array.flags.aligned:
        raise refused("is not aligned in memory", "use .copy()")
    return array


def _check_names(role: str, specs: Sequence[TensorSpec], names: Mapping[str, object]) -> None:
    if not isinstance(names, Mapping):
        raise ModelError(f"the {role}s are a {type(names).__name__}, expected a mapping from names to arrays")
    unknown = set(names).difference(spec.name for spec in specs)
    if unknown:
        known = ", ".join(str(spec) for spec in specs)
        raise ModelError(f"the model has no {role} '{min(unknown, key=str)}'; its {role}s are: {known}")


def _pointers(arrays: Sequence[Array]) -> Any:
    # Not array.ctypes.data, which takes microseconds: as long as a small network.
    return (ctypes.c_void_p * len(arrays))(*(array.__array_interface__["data"][0] for array in arrays))


class Model:
    """A loaded model: its memory, its threads, and the call that runs it.

    It may be used from several threads; runs of one model take turns. Load it once more for runs at the same time:
    the weights are shared. Close it, or use it in a ``with`` statement, to end its threads and free its memory.

    A forked child has the model without its threads: runs there are right but slow, unless another thread was running
    the model at the fork; then they are refused. Load it again there.

    Attributes:
        manifest: the model's own description: name, target, inputs, outputs, arena_bytes, ...
        inputs: the arrays that it takes, in positional order.
        outputs: the arrays that it gives.
        variant: the target whose kernels run, of those that the library has: ``arm64:cortex-a76``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int | None = None,
        cores: str | Sequence[int] | None = None,
        variant: str | None = None,
    ) -> None:
        """Load the library at ``path``; see :func:`load`."""
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._no_handle = "is closed"
        self._process = os.getpid()
        self._library = _Library(Path(path).absolute())
        self.manifest: dict[str, Any] = json.loads(self._library.describe())
        self.inputs = _specs(self.manifest["inputs"])
        self.outputs = _specs(self.manifest["outputs"])

        handle = ctypes.c_void_p()
        options = _options(threads, cores, variant)
        if self._library.create(ctypes.byref(options), ctypes.byref(handle)) < 0:
            text = self._library.last_error(handle).decode()
            self._library.destroy(handle)
            raise ModelError(f"{path}: {text}")
        self._handle = handle.value
        _models.add(self)
        self.variant: str = self._library.variant(handle).decode()

    def __call__(self, *inputs: Array | Mapping[str, Array], out: Array | Mapping[str, Array] | None = None) -> Any:
        """Run the model.

        Args:
            inputs: the arrays in the order of ``self.inputs``, or one mapping from input names to arrays.
            out: arrays to write to, by output name, or one array if the model has one output; default: new ones.

        Returns:
            The output array, or a dict of arrays by name if the model has several.

        Raises:
            ModelError: an array has another name, dtype, shape or memory layout than the model's.
        """
        by_name = self._by_name("output", self.outputs, (out,)) if out is not None else None
        results = self.run(self._by_name("input", self.inputs, inputs), by_name)
        return results if len(self.outputs) > 1 else results[self.outputs[0].name]

    def run(self, inputs: Mapping[str, Array], out: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """Run the model on named arrays; return all outputs by name, those in ``out`` being the arrays given."""
        sources, results = self._arrays(inputs, {} if out is None else out)
        self._run(_pointers(sources), _pointers(results))
        return self._by_output(results)

    def bind(self, *inputs: Array | Mapping[str, Array], out: Array | Mapping[str, Array] | None = None) -> Binding:
        """Bind the model to arrays, given as for a call, for many runs on what they hold then.

        The arrays are checked here and not at each run, which saves 0.1 ms of Python a run. They stay alive with the
        binding; do not resize them in place.

        Raises:
            ModelError: as for a call.
        """
        by_name = self._by_name("output", self.outputs, (out,)) if out is not None else {}
        sources, results = self._arrays(self._by_name("input", self.inputs, inputs), by_name)
        return Binding(self, sources, self._by_output(results))

    def profile(self, *inputs: Array | Mapping[str, Array]) -> list[KernelTime]:
        """Run the model once, on inputs as for a call, and return the time of each kernel in execution order."""
        sources, results = self._arrays(self._by_name("input", self.inputs, inputs), {})
        with self._lock:
            count = self._library.profile(self._open(), None, None, None, 0)
            times = (_KernelTime * count)()
            status = self._library.profile(self._open(), _pointers(sources), _pointers(results), times, count)
            self._check_status(status)
        return [KernelTime(t.name.decode(), t.kernel.decode(), t.nanoseconds, t.flops, t.bytes) for t in times]

    def close(self) -> None:
        """End the model's threads and free its memory; wait for a run under way. Closing again does nothing."""
        with self._lock:
            handle, self._handle = self._handle, None
            # A forked child has the handle without its threads; libraries of the first versions would wait for those.
            if handle is not None and self._process == os.getpid():
                self._library.destroy(handle)

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the model {self.manifest['name']} cannot be copied or pickled, as it has threads; load its library again"
        )

    def _enter_child(self) -> None:
        if self._lock.locked():  # by a thread that is not here: neither this lock nor the handle's own comes free
            self._handle, self._no_handle = None, "was running in another thread when this process was forked"
        self._lock = threading.Lock()

    def _run(self, sources: Any, results: Any) -> None:
        with self._lock:
            self._check_status(self._library.run(self._open(), sources, results))

    def _by_output(self, results: Sequence[Array]) -> dict[str, Array]:
        return {spec.name: result for spec, result in zip(self.outputs, results, strict=True)}

    def _open(self) -> int:
        if self._handle is None:
            raise ModelError(f"the model {self.manifest['name']} {self._no_handle}; load it again")
        return self._handle

    def _check_status(self, status: int) -> None:
        if status < 0:
            raise ModelError(self._library.last_error(self._open()).decode())

    @staticmethod
    def _by_name(role: str, specs: Sequence[TensorSpec], arrays: Sequence[Any]) -> Mapping[str, Array]:
        """Give positional arrays their names; pass a mapping through."""
        if len(arrays) == 1 and isinstance(arrays[0], Mapping):
            return arrays[0]
        if len(arrays) != len(specs):
            known = ", ".join(str(spec) for spec in specs)
            raise ModelError(f"{len(arrays)} {role}s are given, the model has {len(specs)}: {known}")
        return {spec.name: array for spec, array in zip(specs, arrays, strict=True)}

    def _arrays(self, inputs: Mapping[str, Array], out: Mapping[str, Array]) -> tuple[list[Array], list[Array]]:
        """Check everything that C will see; allocate the outputs that are not in ``out``."""
        _check_names("input", self.inputs, inputs)
        _check_names("output", self.outputs, out)
        for spec in self.inputs:
            if spec.name not in inputs:
                raise ModelError(f"input '{spec.name}' is missing; give {spec}")
        sources = [_check("input", spec, inputs[spec.name]) for spec in self.inputs]
        results: list[Array] = []
        for spec in self.outputs:
            if spec.name not in out:
                results.append(np.empty(spec.shape, spec.dtype))
                continue
            result = _check("output", spec, out[spec.name])
            if not result.flags.writeable:
                raise ModelError(f"output '{spec.name}' is read-only; give a writeable array")
            if any(np.may_share_memory(result, other) for other in sources + results):
                raise ModelError(f"output '{spec.name}' overlaps another input or output; give it memory of its own")
            results.append(result)
        return sources, results


_models: weakref.WeakSet[Model] = weakref.WeakSet()


def _enter_child() -> None:
    for model in _models:
        model._enter_child()


os.register_at_fork(after_in_child=_enter_child)


class Binding:
    """A model and the arrays that it reads and writes at each run; made by :meth:`Model.bind`.

    Attributes:
        outputs: the arrays that a run writes, by name.
    """

    def __init__(self, model: Model, sources: Sequence[Array], outputs: dict[str, Array]) -> None:
        """Keep the arrays, which are the model's inputs and outputs in its order and were checked."""
        self.outputs = outputs
        self._model = model
        self._arrays = sources
        self._sources, self._results = _pointers(sources), _pointers(list(outputs.values()))

    def run(self) -> dict[str, Array]:
        """Run the model on what the input arrays hold now; return ``outputs``."""
        self._model._run(self._sources, self._results)
        return self.outputs


def load(
    path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    cores: str | Sequence[int] | None = None,
    variant: str | None = None,
) -> Model:
    """Load a compiled model.

    Args:
        path: the library; default: the one beside this file with the same name and the suffix ``.so``.
        threads: how many threads it uses, the calling one included; default: what it was compiled with, else as many
            as ``cores``, and never more.
        cores: the CPUs that the other threads run on: ``"big"``, the fast ones where cores differ, as they do in
            phones, and all where they do not; ``"all"``; or a list of CPU numbers. Default: ``"big"``.
        variant: which of the kernels to run in a library for several CPUs, by the name of the target. Default: the best
            for this CPU.

    Raises:
        ModelError: the file is missing, damaged, no model, or compiled for another machine or CPU; ``cores`` is no
            such choice, or has a CPU that is not there or not allowed; there is no such ``variant``, or this CPU lacks
            instructions that it needs.
    """
    return Model(Path(__file__).with_suffix(".so") if path is None else path, threads, cores, variant)


def main() -> int:
    """Print the description of the model beside this file."""
    try:
        with load() as model:
            print(json.dumps(model.manifest, indent=2))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
