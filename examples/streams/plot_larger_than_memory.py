r"""
A file larger than the memory that a process may have
=====================================================

Least squares needs the rows only as sums. So a fit can go through a file block by block, three or four times, and hold
one block at a time. Here a process is forbidden to grow beyond 700 MiB, and fits a larger file: exactly, with the same
certificate as in memory.
"""

# %%
# The file
# --------
# 1.9 million rows of 50 columns, as one ``.npy`` file, and the targets beside it.

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

n_rows, n_columns = 1_900_000, 50
folder = tempfile.TemporaryDirectory()
X_path, y_path = (str(Path(folder.name) / name) for name in ("X.npy", "y.npy"))
rng = np.random.default_rng(0)
truth = np.linspace(-1.0, 1.0, n_columns)
X = np.lib.format.open_memmap(X_path, mode="w+", dtype=np.float64, shape=(n_rows, n_columns))
y = np.empty(n_rows)
rows = rng.standard_normal((100_000, n_columns))
for start in range(0, n_rows, len(rows)):
    part = slice(start, start + len(rows))
    X[part] = np.roll(rows, start // len(rows), axis=1)
    y[part] = X[part] @ truth + 2.0 + rng.standard_normal(len(rows))
np.save(y_path, y)
del X

# %%
# The process
# -----------
# It sets its own limit, tries to load the file, and then fits it by blocks of 32 MB. After each block it writes down
# the most memory that it has taken so far.

CODE = """
import json, resource, sys, time
import numpy as np
from sparsesolve import lstsq
from sparsesolve.streams import row_blocks

limit = 700 << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    np.load(sys.argv[1])
    loaded = True
except MemoryError:
    loaded = False

def memory():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

began, steps = time.perf_counter(), []
def progress(step):
    steps.append((time.perf_counter() - began, memory(), step.pass_number, step.rows_done))

blocks = row_blocks(sys.argv[1], sys.argv[2], block_rows=80_000, progress=progress)
result = lstsq(blocks, fit_intercept=True, random_state=0)
print(json.dumps({
    "loaded": loaded, "steps": steps, "coef": result.solution.coef.tolist(),
    "error": result.certificate["backward_error"], "solver": result.solution.solver,
}))
"""
one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
done = subprocess.run(
    [sys.executable, "-c", CODE, X_path, y_path], capture_output=True, text=True, check=True, env=one_thread
)
found = json.loads(done.stdout)
seconds, memory, passes, rows_done = (np.array(column) for column in zip(*found["steps"], strict=True))
print(f"loading the file: {'worked' if found['loaded'] else 'MemoryError'}")
print(f"engine {found['solver']}, {passes.max() + 1} passes, backward error {found['error']:.1e}")
print(f"largest error of a coefficient: {np.abs(np.array(found['coef']) - truth).max():.1e}")

# %%
# The picture
# -----------
# Left: memory stays where it is, far below the limit and the file, however long the file is. Right: the passes. The
# first looks at some blocks only, to choose the engine; one sums the normal matrix; the last one certifies the answer.

blue, orange = "#0072B2", "#D55E00"
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
axes[0].plot(seconds, memory / 1e6, "o-", color=blue, markersize=4, label="most memory so far")
for value, label, side in (
    (Path(X_path).stat().st_size, "the file", 1),
    (700 << 20, "limit of the process", -1),
):
    axes[0].axhline(value / 1e6, color="0.4", linestyle="--", linewidth=1)
    place = {"ha": "right", "va": "bottom" if side > 0 else "top"}
    axes[0].text(seconds.max(), value / 1e6 + 10 * side, label, color="0.3", **place)
axes[0].set(xlabel="seconds", ylabel="MB", ylim=(0, 900), title="Memory")
axes[0].legend(frameon=False, loc="center left")
for number in range(passes.max() + 1):
    own = passes == number
    axes[1].plot(seconds[own], rows_done[own] / 1e6, "o-", color=orange, markersize=4)
    axes[1].annotate(
        f"pass {number + 1}", (seconds[own][-1], rows_done[own][-1] / 1e6), (0, 6), textcoords="offset points",
        ha="center", color=orange,
    )  # fmt: skip
axes[1].set(xlabel="seconds", ylabel="million rows done", ylim=(0, 2.2), title="Passes")
plt.show()

# %%
# The answer is exact to rounding, and the process never held more than half of the file.

assert found["error"] < 2.3e-16
assert memory.max() < Path(X_path).stat().st_size / 2
assert np.abs(np.array(found["coef"]) - truth).max() < 0.01
folder.cleanup()
