"""The shim between scikit-learn's callbacks (from version 1.9) and the plain callable that the solvers call."""

from __future__ import annotations

from collections.abc import Callable

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks: fits run without
    CallbackSupportMixin = None

if CallbackSupportMixin is None:

    class CallbackSupport:
        """Nothing to support before scikit-learn 1.9."""

        def _watch(self, X, y, callback) -> Callable | None:
            return callback

    def managed(method: Callable) -> Callable:
        """Return a fit method as it is."""
        return method

else:
    managed = with_callbacks

    class CallbackSupport(CallbackSupportMixin):
        """Lets ``set_callbacks(ProgressBar())`` and the parameter ``callback`` watch the same fit."""

        def _watch(self, X, y, callback) -> Callable | None:
            """Return one callable for the solver: it tells scikit-learn's callbacks, and the user's."""
            root = self._init_callback_context(max_subtasks=None)
            if not getattr(self, "_skl_callbacks", None):
                return callback
            data = {"estimator": self, "X": X, "y": y}
            root.call_on_fit_task_begin(**data)

            def watch(iterate):
                step = root.subcontext(task_name="iteration")
                step.call_on_fit_task_begin(**data)
                stop = step.call_on_fit_task_end(**data)
                return (callback is not None and callback(iterate)) or stop

            return watch
