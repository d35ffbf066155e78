"""What a run leaves: the trained model, its adapter, and their cards."""

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from peft import PeftModel

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.models import CardFields, LoadedModel, save
from r1aqa_helpers.models.lora import describe_trained
from r1aqa_helpers.models.quantised import is_quantised
from r1aqa_helpers.training import distributed
from r1aqa_helpers.training.settings import TrainingSettings
from r1aqa_helpers.utils.io import read_json, read_log
from r1aqa_helpers.utils.machine import hardware


def save_trained(
    loaded: LoadedModel,
    out_dir: Path,
    method: str,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
) -> None:
    """Write ``out_dir/model`` once, whatever the number of processes, and wait until it is there.

    Of a PEFT model the adapter goes to ``out_dir/adapter`` first, and is then merged, in place.
    On weights in 4 bits it is not merged: ``out_dir/model`` is the adapter, too, and loads onto
    the same base, with ``quantise`` as it was trained, or merged into all its bits without.
    Both get a model card with what the run knows; ``method`` is the card's, sft or grpo.
    """

    def write() -> None:
        card = _card(loaded, out_dir, method, questions, settings)
        whole = loaded
        if isinstance(loaded.model, PeftModel):
            save(loaded, out_dir / "adapter", card)
            if is_quantised(loaded.model):
                save(loaded, out_dir / "model", card)
                return
            merged = loaded.model.merge_and_unload()
            whole = LoadedModel(merged, loaded.processor, loaded.name)
        save(whole, out_dir / "model", card)

    distributed.run_on_main(write)


def _card(
    loaded: LoadedModel,
    out_dir: Path,
    method: str,
    questions: Sequence[AudioQuestion],
    settings: TrainingSettings,
) -> CardFields:
    """What the run in ``out_dir`` knows of the model that it trained."""
    rows = read_log(out_dir / "metrics.jsonl")
    facts = {"steps made": rows[-1].get("step")} if rows else {}
    if rows and "seconds" in rows[-1]:
        facts["minutes of training"] = f"{sum(row['seconds'] for row in rows) / 60:.1f}"
    own = read_json(out_dir / "run.json").get("rewards")
    if own:
        facts["rewards"] = ", ".join(own)
    facts["trained"] = describe_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
    facts["base in 4 bits"] = "yes, NF4" if is_quantised(loaded.model) else "no"
    facts["hardware"] = hardware()
    facts |= {name: version(name) for name in ("torch", "transformers", "trl", "peft")}
    return CardFields(
        base=loaded.name,
        method=method,
        questions=len(questions),
        datasets=Counter(question.dataset for question in questions),
        settings=facts | settings.recorded(),
    )
