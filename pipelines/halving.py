"""Asynchronous successive halving (Li et al. 2020) that a resumed search goes on with where it was."""

from typing import Any

from ray.tune.schedulers import ASHAScheduler


class ResumableHalving(ASHAScheduler):
    """Ray's ASHA, which forgets when its driver dies what the trials before have scored, and then spares hardly any.

    Each trial's last result holds the `curve` of its scores by epoch; a restored trial enters it into the rungs again.
    """

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take up a trial, a new one or a restored one."""
        super().on_trial_add(tune_controller, trial)
        bracket = self._trial_info[trial.trial_id]
        for epoch, score in enumerate((trial.last_result or {}).get("curve", ()), start=1):
            bracket.on_result(trial, epoch, self._metric_op * score)
