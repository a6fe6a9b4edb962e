"""How many examples Hypothesis draws: few by default, many with --full."""

from hypothesis import HealthCheck, settings


def pytest_configure(config):
    full = config.getoption("--full", default=False)
    settings.register_profile(
        "sparsesolve",
        max_examples=300 if full else 15,
        deadline=None,  # kernels compile in the first example
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("sparsesolve")
