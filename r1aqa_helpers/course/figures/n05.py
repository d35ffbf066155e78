"""Figure of notebook 05: trainings with different penalties."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from r1aqa_helpers.course.figures.style import COLOURS, figure
from r1aqa_helpers.course.training_curves import smoothed


def betas_figure(runs: Mapping[float, Sequence[Mapping[str, float]]]) -> None:
    """Show KL and reward over the steps of trainings with different penalties.

    Args:
        runs: beta -> the rows of its log.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.0, 3.4))
    styles = zip(sorted(runs), COLOURS, ("-", "--", ":", "-."), strict=False)
    for beta, colour, style in styles:
        rows = runs[beta]
        steps = [row["step"] for row in rows]
        for ax, name in zip(axes, ("kl", "reward"), strict=True):
            values = smoothed([row[name] for row in rows])
            ax.plot(steps, values, style, color=colour, label=f"β = {beta:g}")
    axes[0].set(title="Distance from the reference", xlabel="step", ylabel="KL, nats per token")
    axes[1].set(title="Reward", xlabel="step", ylabel="accuracy + format", ylim=(0, 2))
    axes[0].legend()
    betas = ", ".join(f"{beta:g}" for beta in sorted(runs))
    figure(fig, alt=f"KL and reward over the steps, moving means, for beta {betas}.")
