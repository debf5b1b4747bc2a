"""The energy that a run's device takes, where a counter tells: NVML's for a GPU, RAPL's for a processor. No torch here.

Both count the whole device: what others did on it meanwhile is in the number.
"""

import logging
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from voxelbench.training import torchrun

logger = logging.getLogger(__name__)

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the counters of RAPL."""

WATCH_S = 60.0
"""A RAPL counter starts again from 0 after some minutes under load; it is read more often than that."""


class Energy(NamedTuple):
    """Joules, or None, and the counters that told them, or why none did."""

    joules: float | None
    source: str


class Meter(ABC):
    """Counts joules from its making on."""

    source: str

    @abstractmethod
    def joules(self) -> float | None:
        """Return the energy so far, or None where nothing counts it."""


class NoMeter(Meter):
    """Stands where nothing counts; `source` says why."""

    def __init__(self, reason: str) -> None:
        self.source = f"no meter: {reason}"

    def joules(self) -> None:
        """Return None."""


class NvmlMeter(Meter):
    """The counters of some GPUs, which hold millijoules since the driver was loaded."""

    def __init__(self, uuids: list[str]) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._count = pynvml.nvmlDeviceGetTotalEnergyConsumption
        self._handles = [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
        self._start = self._total_mj()
        self.source = f"nvml: GPUs alone, {len(uuids)}"

    def joules(self) -> float:
        """Return the energy of all GPUs so far."""
        return (self._total_mj() - self._start) / 1e3

    def _total_mj(self) -> int:
        return sum(self._count(handle) for handle in self._handles)


class RaplMeter(Meter):
    """The counters of a machine's processor packages, in microjoules; a thread reads them before they wrap twice."""

    def __init__(self, domains: list[Path]) -> None:
        self._domains = domains
        self._ranges = [int((domain / "max_energy_range_uj").read_text()) for domain in domains]
        self._last, self._sum_uj = self._read(), 0
        self._lock = threading.Lock()
        self.source = f"rapl: processor packages alone, {len(domains)}"
        threading.Thread(target=self._watch, daemon=True).start()

    def joules(self) -> float:
        """Return the energy of all packages so far."""
        with self._lock:
            now = self._read()
            for value, last, largest in zip(now, self._last, self._ranges, strict=True):
                self._sum_uj += value - last if value >= last else value + largest - last
            self._last = now
            return self._sum_uj / 1e6

    def _read(self) -> list[int]:
        return [int((domain / "energy_uj").read_text()) for domain in self._domains]

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(WATCH_S):
            with suppress(OSError, ValueError):  # whoever reads at the end is told
                self.joules()


def start_meter(device: str, powercap: Path = POWERCAP) -> Meter:
    """Return what counts the energy of a device from now on, on this machine. A meter that fails fails no run."""
    if torchrun.processes() != torchrun.processes_here():
        return NoMeter("the run is on several machines")
    try:
        return _nvml() if device == "cuda" else _rapl(powercap)
    except Exception as error:  # the driver's library raises its own, and a counter may vanish at any time
        return NoMeter(_reason(error))


def read_meter(meter: Meter) -> Energy:
    """Return what a meter counted so far."""
    try:
        joules = meter.joules()
    except Exception as error:
        return Energy(None, NoMeter(_reason(error)).source)
    return Energy(None if joules is None else round(joules, 1), meter.source)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _nvml() -> NvmlMeter:
    import torch  # NVML numbers the machine's GPUs, torch those that the run may see

    uuids = [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(torchrun.processes_here())]
    return NvmlMeter(uuids)


def _rapl(powercap: Path) -> Meter:
    """Return the meter of all packages: their parts (`intel-rapl:0:1`) and the whole platform would count twice."""
    packages = [
        folder
        for folder in sorted(powercap.glob("intel-rapl:*"))
        if folder.name.count(":") == 1 and (folder / "name").read_text().startswith("package")
    ]
    if not packages:
        return NoMeter("the machine shows no energy of its processor")
    return RaplMeter(packages)
