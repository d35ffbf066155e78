"""What notebook 09 computes and runs: memory by hand, weights in 4 bits, a local server."""

import base64
import io
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.data.audio import clip_to_window, decode_audio
from r1aqa_helpers.evaluation.openai_client import Endpoint, find_endpoint
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.hardware.gpus import GB, MEANT_FOR
from r1aqa_helpers.hardware.summary import precision, trained
from r1aqa_helpers.models import LoadedModel, chat_text, encode, generate, greedy_config, load
from r1aqa_helpers.tiny.data import MODEL


def profiles_table() -> Table:
    """A row per GPU profile of the 7B model: what it trains, its largest stage, and the GPU."""
    rows = []
    for name, gpu in MEANT_FOR.items():
        found, profile = budget(name), PROFILES[name]
        stage = max(found.stages, key=lambda one: sum(found.stages[one].values()))
        rows.append(
            (
                name,
                gpu,
                f"{trained(profile.grpo)}; {precision(profile)}",
                f"{found.peak / GB:.1f} GB ({stage})",
                "yes" if found.fits else "no",
                "not measured",
            )
        )
    head = ("profile", "GPU", "trains", "peak memory, computed", "fits", "measured")
    return Table("The 7B model, by profile", rows, head)


class MemoryCount(TorchDispatchMode):
    """Counts the memory of every tensor that is made within, as a GPU's allocator does.

    Attributes:
        live: bytes that are held now.
        peak: the most that were held at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {_place(value) for value in tree_leaves((args, kwargs))}
        result = func(*args, **kwargs)
        for value in tree_leaves(result):
            # A view of what was there, such as a transposed weight, takes no memory.
            if isinstance(value, torch.Tensor) and _place(value) not in given:
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        weakref.finalize(storage, self._freed, key, size)
        self.live += size
        self.peak = max(self.peak, self.live)

    def _freed(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _place(value: Any) -> int | None:
    return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else None


def blocks(count: int = 12, width: int = 64) -> nn.Sequential:
    """A stack of feed-forward blocks, each four times as wide inside."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(
            nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            for _ in range(count)
        )
    )


def peak_of(step: Callable[[torch.Tensor], torch.Tensor], rows: int = 1024) -> int:
    """Bytes at the peak of ``step(x).sum().backward()``, for x of shape (rows, 64)."""
    x = torch.randn(rows, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with MemoryCount() as count:
        step(x).sum().backward()
    return count.peak


#: NF4's sixteen levels: quantiles of a normal distribution, scaled to [-1, 1], with 0 among them
#: (QLoRA, arXiv 2305.14314, appendix E).
NF4 = torch.tensor(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
        -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
        0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]
)  # fmt: skip
#: As many levels at equal distances.
EVEN = torch.linspace(-1, 1, 16)
#: Bytes per trained parameter of mixed-precision AdamW (ZeRO, arXiv 1910.02054, section 3.1):
#: weights and gradients in 16 bits; a float32 copy of the weights and two moments.
WEIGHTS, GRADIENTS, OPTIMISER = 2, 2, 12
#: What each way shares out over the GPUs; the rest lies whole on each.
SHARED_OUT = {
    "ddp": (),
    "ZeRO-1": ("optimiser",),
    "ZeRO-2": ("optimiser", "gradients"),
    "ZeRO-3, FSDP": ("optimiser", "gradients", "weights"),
}


def round_trip(values: torch.Tensor, levels: torch.Tensor, block: int = 64) -> torch.Tensor:
    """What is left of ``values`` after 4 bits: per block a scale, per value the nearest level.

    Args:
        values: any shape, of which the number of elements is a multiple of ``block``.
        levels: (16,) from -1 to 1, rising.
        block: values that share a scale, their largest absolute value.

    Raises:
        ValueError: the blocks do not come out even.
    """
    if values.numel() % block:
        raise ValueError(f"{values.numel()} values do not make whole blocks of {block}")
    blocks = values.reshape(-1, block).float()
    scale = blocks.abs().amax(dim=1, keepdim=True)
    # A block of zeros has scale 0, and any other would give zeros as well.
    unit = blocks / scale.where(scale > 0, torch.ones_like(scale))
    # Nearest: the level whose upper neighbour's middle lies above the value.
    codes = torch.bucketize(unit, (levels[1:] + levels[:-1]) / 2)
    return (levels[codes] * scale).reshape(values.shape)


def relative_error(values: torch.Tensor, kept: torch.Tensor) -> float:
    """Root of the mean squared error, as a share of the values' own root mean square."""
    return ((values - kept).norm() / values.norm()).item()


def bytes_per_gpu(parameters: int, way: str, gpus: int) -> dict[str, float]:
    """Bytes of weights, gradients and optimiser on each of ``gpus``, all weights being trained.

    Args:
        way: one of ``SHARED_OUT``.
    """
    whole = {"weights": WEIGHTS, "gradients": GRADIENTS, "optimiser": OPTIMISER}
    shared = SHARED_OUT[way]
    return {
        name: parameters * width / (gpus if name in shared else 1) for name, width in whole.items()
    }


def some_matrix() -> torch.Tensor:
    """A feed-forward matrix of the tiny model."""
    loaded = load(MODEL, device="cpu", dtype="float32")
    return loaded.model.model.language_model.layers[0].mlp.up_proj.weight.detach()


def in_four_bits(levels: torch.Tensor, block: int = 64) -> LoadedModel:
    """The tiny model with the language model's linear weights as they come back from 4 bits."""
    loaded = load(MODEL, device="cpu", dtype="float32")
    with torch.no_grad():
        for part in loaded.model.model.language_model.modules():
            if isinstance(part, nn.Linear):
                part.weight.copy_(round_trip(part.weight, levels, block))
    return loaded


@contextmanager
def serving(loaded: LoadedModel) -> Iterator[Endpoint]:
    """Serve a model on this machine, under OpenAI's protocol, as long as the block lasts.

    One request at a time, greedy answers; no more of the protocol than the course's client uses.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            clip, text = body["messages"][0]["content"]
            file = io.BytesIO(base64.b64decode(clip["input_audio"]["data"]))
            wave, _ = clip_to_window(decode_audio(file)[0], loaded.window_seconds)
            inputs = encode(loaded, [chat_text(loaded, text["text"])], [wave])
            (said,) = generate(loaded, inputs, greedy_config(loaded, body["max_tokens"]))
            message = {"role": "assistant", "content": said}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            reply = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            """Nothing to the notebook."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            # No key: this server asks for none.
            yield find_endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1", loaded.name, {})
        finally:
            server.shutdown()
            thread.join()
