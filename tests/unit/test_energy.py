"""Energy is what counters say that the run took; where none counts, the reason stands instead of a number."""

import sys
from types import SimpleNamespace

import pytest

from voxelbench.atomic import write_text
from voxelbench.training import energy
from voxelbench.training.energy import NvmlMeter, RaplMeter, read_meter, start_meter


@pytest.fixture
def rapl(tmp_path):
    """Return a function that sets the counters of two packages; a part of one and the platform count besides."""

    def count(*values_uj, largest=1_000_000):
        names = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1", "intel-rapl:0:0": "core"}
        for number, (folder, name) in enumerate((names | {"intel-rapl:2": "psys"}).items()):
            write_text(tmp_path / folder / "name", f"{name}\n")
            write_text(tmp_path / folder / "energy_uj", f"{(*values_uj, 9, 9)[number]}\n")
            write_text(tmp_path / folder / "max_energy_range_uj", f"{largest}\n")
        return tmp_path

    return count


def test_packages_are_added_and_their_parts_are_not(rapl):
    meter = start_meter("cpu", rapl(100_000, 500_000))
    assert isinstance(meter, RaplMeter)
    rapl(400_000, 700_000)
    assert read_meter(meter) == (0.5, "rapl: processor packages alone, 2")


def test_a_counter_that_starts_again_goes_on(rapl):
    meter = start_meter("cpu", rapl(900_000, 0))
    rapl(100_000, 0)
    assert meter.joules() == pytest.approx(0.2)
    rapl(900_000, 0)
    assert meter.joules() == pytest.approx(1.0)
    rapl(100_000, 300_000)
    assert meter.joules() == pytest.approx(1.5)


def test_a_counter_is_read_while_the_run_goes_on(rapl, monkeypatch):
    """Two turns of the counter between start and end; nobody but the watching thread sees the first."""
    monkeypatch.setattr(energy, "WATCH_S", 0.01)
    meter = start_meter("cpu", rapl(500_000, 0))
    for value in (100_000, 900_000, 500_000):
        before = meter._last
        rapl(value, 0)
        while meter._last == before:
            pass
    monkeypatch.setattr(energy, "WATCH_S", 60)
    assert meter.joules() == pytest.approx(0.6 + 0.8 + 0.6)


def test_without_a_counter_the_reason_stands_there(tmp_path):
    assert read_meter(start_meter("cpu", tmp_path)) == (
        None,
        "no meter: the machine shows no energy of its processor",
    )


def test_a_counter_that_vanishes_fails_no_run(rapl):
    folder = rapl(0, 0)
    meter = start_meter("cpu", folder)
    (folder / "intel-rapl:1" / "energy_uj").unlink()
    joules, source = read_meter(meter)
    assert joules is None and source.startswith("no meter: ") and "energy_uj" in source


def test_a_gpu_counts_in_millijoules_since_its_driver_was_loaded(monkeypatch):
    counters = {"GPU-a": 5_000, "GPU-b": 70_000}
    fake = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=counters.__getitem__,
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    meter = NvmlMeter(["GPU-a", "GPU-b"])
    counters.update({"GPU-a": 6_500, "GPU-b": 72_000})
    assert read_meter(meter) == (3.5, "nvml: GPUs alone, 2")


def test_a_run_on_several_machines_has_no_meter(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    assert read_meter(start_meter("cuda")) == (None, "no meter: the run is on several machines")


def test_a_gpu_that_tells_nothing_fails_no_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: SimpleNamespace(uuid="a"))
    joules, source = read_meter(start_meter("cuda"))
    assert joules is None and source.startswith("no meter: import of pynvml")
