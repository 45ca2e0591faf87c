import gc

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - brings the last BLAS that is to be held
from threadpoolctl import threadpool_limits


def pytest_collection_finish():
    """Python looks for garbage more seldom, and never in what is loaded by now: that stays to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """BLAS threads that wait for work take the cores of the other workers; a test of threads sets their number itself."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture
def rng(request):
    """A generator whose seed is the test's name: each test has its own numbers, and the same ones every time."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture(scope="module")
def any_mark():
    """Missing values are marked however few there are."""
    from missing_tools import any_mark

    with any_mark():
        yield


KERNELS = ("avx512", "avx2", "baseline")


@pytest.fixture(params=KERNELS)
def kernel(request, monkeypatch):
    """Each instruction set that this processor has."""
    from chainrule import InputError
    from chainrule.kernels.reading import kernel_name

    monkeypatch.setenv("CHAINRULE_KERNEL", request.param)
    try:
        assert kernel_name() == request.param
    except InputError:
        pytest.skip(f"this processor or build has no {request.param}")
    return request.param


@pytest.fixture
def some_kernel(request, monkeypatch):
    """One of the instruction sets that this processor has, by the test's name: for what another test sweeps in full."""
    from chainrule.kernels.reading import kernel_names

    names = kernel_names()
    name = names[sum(request.node.name.encode()) % len(names)]
    monkeypatch.setenv("CHAINRULE_KERNEL", name)
    return name
