"""Load the 8.4 B architecture with made-up weights on this machine, and ask it a question.

The weights are written shard by shard in bfloat16 (17 GB of disk, little memory); each form is then
loaded by a process of its own, which counts its seconds and its memory. Anonymous memory is what
the system cannot take back; resident memory has the mapped pages of the weights' files as well. The
status is 1 where a model's anonymous memory while loading exceeds its weights by `MARGIN`: then
they were held twice. Linux only; 4 bits ask for bitsandbytes.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import noise_questions, parser, shapes_of_7b, timed, write_result

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2AudioConfig, Qwen2AudioProcessor

#: By name, how ``models.load`` takes it.
FORMS = {"nf4": {"dtype": "bfloat16", "quantise": "nf4"}, "bfloat16": {"dtype": "bfloat16"}}
#: Bytes: Python with its libraries, 1 GB, and the largest matrix while it is converted, 1.3 GB.
MARGIN = 2_500_000_000
CLIP_SECONDS, ANSWER = 10.0, 4


def write_model(
    folder: Path, config: "Qwen2AudioConfig", processor: "Qwen2AudioProcessor", shard: str = "2GB"
) -> None:
    """A checkpoint of random weights in bfloat16, of which one ``shard`` is held at a time."""
    import torch
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file
    from transformers import Qwen2AudioForConditionalGeneration

    torch.manual_seed(0)
    with torch.device("meta"):
        model = Qwen2AudioForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    weights = model.state_dict()
    plan = split_torch_state_dict_into_shards(weights, max_shard_size=shard)
    for file, names in plan.filename_to_tensors.items():
        made = {name: _made_up(name, weights[name].shape) for name in names}
        save_file(made, folder / file, {"format": "pt"})
    index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    model.config.save_pretrained(folder)
    processor.save_pretrained(folder)


def _made_up(name: str, shape: "torch.Size") -> "torch.Tensor":
    """Matrices of Qwen2's initial deviation, norms that change nothing."""
    import torch

    if len(shape) == 1:
        return (torch.ones if name.endswith("norm.weight") else torch.zeros)(shape).bfloat16()
    # One block over and over: to draw every number would take minutes.
    block = torch.empty(2**20, dtype=torch.bfloat16).normal_(0, 0.02)
    count = shape.numel()
    return block.repeat(-(-count // len(block)))[:count].reshape(shape)


# --- in a process of its own ----------------------------------------------------------------


class Anonymous:
    """The most anonymous memory of this process, in bytes, seen a hundred times a second."""

    def __init__(self) -> None:
        self.most = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            self.most = max(self.most, 1024 * int(status.split("RssAnon:")[1].split()[0]))
            time.sleep(0.01)

    def take(self) -> int:
        """The most so far; the next look begins again."""
        seen, self.most = self.most, 0
        return seen


def load_and_ask(folder: str, form: str) -> None:
    """Print seconds and memory of loading, and of an answer to one question about one clip."""
    memory = Anonymous()
    from r1aqa_helpers.evaluation.local import answer_questions
    from r1aqa_helpers.hardware.flops import weight_bytes
    from r1aqa_helpers.models import load

    def measured(work: Callable[[], Any]) -> dict[str, float]:
        return {
            "seconds": timed(work),
            "anonymous_bytes": memory.take(),
            "resident_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }

    made = []
    loading = measured(lambda: made.append(load(folder, device="cpu", **FORMS[form])))
    with tempfile.TemporaryDirectory() as clips:
        questions = noise_questions(Path(clips), 1, min(CLIP_SECONDS, made[0].window_seconds))
        asking = measured(lambda: answer_questions(*made, questions, max_new_tokens=ANSWER))
    weights = weight_bytes(made[0].model.config, form)
    print(json.dumps({"weights_bytes": weights, "load": loading, "ask": asking}))


def measure(folder: Path, form: str) -> dict[str, Any]:
    """What a process that does `load_and_ask` finds; ``held_once``: it stayed within `MARGIN`."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys, full_size; full_size.load_and_ask(*sys.argv[1:])",
         str(folder), form],
        cwd=Path(__file__).resolve().parent,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1][:300]}
    found = json.loads(done.stdout.splitlines()[-1])
    found["held_once"] = found["load"]["anonymous_bytes"] <= found["weights_bytes"] + MARGIN
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the weights, measure each form, print, and write the figures as JSON."""
    options = parser(__doc__, runs=None)
    options.add_argument("--folder", type=Path, help="where the weights go; default: temporary")
    options.add_argument("--layers", type=int, help="of the language model; default: all")
    options.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    chosen = options.parse_args(arguments)
    config, processor = shapes_of_7b()
    if chosen.layers:
        config.text_config.num_hidden_layers = chosen.layers
        config.text_config.layer_types = config.text_config.layer_types[: chosen.layers]
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        started = time.perf_counter()
        write_model(Path(folder), config, processor)
        print(f"weights written in {time.perf_counter() - started:.0f} s", flush=True)
        forms = {}
        for form in chosen.forms:
            forms[form] = measure(Path(folder), form)
            print(form, forms[form], flush=True)
    values = {
        "layers": config.text_config.num_hidden_layers,
        "clip_seconds": CLIP_SECONDS,
        "answer_tokens": ANSWER,
        "margin_bytes": MARGIN,
        "forms": forms,
    }
    if not chosen.layers:
        write_result("full_size", values, n=1, folder=chosen.out)
    return int(not all(one.get("held_once") for one in forms.values()))


if __name__ == "__main__":
    sys.exit(main())
