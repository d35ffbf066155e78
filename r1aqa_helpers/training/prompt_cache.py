"""Prompts with their clips, encoded once and then found by number.

TRL shuffles and splits the rows of a batch: a number stays with its row, a list of features
beside the batch would not.
"""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from r1aqa_helpers.data.audio import clip_to_window, load_audio
from r1aqa_helpers.models import AudioFeatureCache, Clips, LoadedModel, chat_text, encode
from r1aqa_helpers.models.loaded import TOKENIZING
from r1aqa_helpers.utils.untrusted import shown

#: Bytes of features that are kept; at 7B in bfloat16 that is 1,400 clips.
CAPACITY = 2**30


@dataclass(frozen=True)
class EncodedPrompt:
    """What the model is given for one question, on the CPU."""

    ids: list[int]
    """Tokens of the chat up to the assistant's turn, one audio token per audio embedding."""
    input_features: torch.Tensor
    """(mels, frames), padded to the model's window; of no frames where there is no clip."""
    feature_attention_mask: torch.Tensor
    """(frames,), 1 where the clip is."""
    key: str
    """A hash of the clip's samples; empty where there is no clip."""

    @property
    def nbytes(self) -> int:
        """The size of the features."""
        return self.input_features.nbytes + self.feature_attention_mask.nbytes


class PromptCache:
    """Encodes each pair of user turn and clip once, and keeps as many as `CAPACITY` allows."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        #: Set where the audio encoder is frozen: its outputs for clips, used in every scoring.
        self.states: AudioFeatureCache | None = None
        self._numbers: dict[tuple[str, str | None], int] = {}
        self._pairs: list[tuple[str, str | None]] = []
        self._encoded = AudioFeatureCache(CAPACITY)
        self._told = False  # that a clip is cut

    def number(self, text: str, audio: str | Path | None) -> int:
        """The number of the user turn ``text`` about the recording ``audio``, if there is one."""
        pair = (text, None if audio is None else str(audio))
        if pair not in self._numbers:
            self._numbers[pair] = len(self._pairs)
            self._pairs.append(pair)
        return self._numbers[pair]

    def __getitem__(self, number: int) -> EncodedPrompt:
        """The encoded prompt; clips longer than the model's window lose their end, with a warning.

        Raises ``UserError`` where the recording cannot be read or the text holds special tokens.
        """
        prompt = self._encoded.get(number)
        if prompt is None:
            text, audio = self._pairs[number]
            prompt = self._text_alone(text) if audio is None else self._with_clip(text, audio)
            self._encoded.put(number, prompt)
        return prompt

    def _with_clip(self, text: str, audio: str) -> EncodedPrompt:
        window = self._loaded.window_seconds
        wave, cut = clip_to_window(load_audio(audio), window)
        if cut and not self._told:
            self._told = True
            warnings.warn(
                f"{shown(audio)}: the model hears the first {window:g} s, the last {cut:.2f} s are"
                " cut; so are the ends of all other clips as long",
                stacklevel=2,
            )
        inputs = encode(self._loaded, [chat_text(self._loaded, text)], [wave]).to("cpu")
        return EncodedPrompt(
            ids=inputs["input_ids"][0].tolist(),
            input_features=inputs["input_features"][0],
            feature_attention_mask=inputs["feature_attention_mask"][0],
            key=hashlib.sha256(wave.tobytes()).hexdigest(),
        )

    def _text_alone(self, text: str) -> EncodedPrompt:
        written = chat_text(self._loaded, text, heard=False)
        with TOKENIZING:
            ids = self._loaded.processor.tokenizer(written)["input_ids"]
        mels = self._loaded.processor.feature_extractor.feature_size
        features = torch.zeros(mels, 0, dtype=self._loaded.model.dtype)
        return EncodedPrompt(ids, features, torch.zeros(0, dtype=torch.long), key="")

    def tokens(self, numbers: list[int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompts with these numbers, (B, P) padded on the left, and their mask, (B, P)."""
        prompts = [self[number].ids for number in numbers]
        widest = max(map(len, prompts))
        ids = torch.full((len(prompts), widest), self._loaded.pad_id)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, widest - len(prompt) :] = torch.tensor(prompt)
            mask[row, widest - len(prompt) :] = 1
        return ids.to(device), mask.to(device)

    def clips(self, numbers: list[int], device: torch.device) -> Clips:
        """The clips of the prompts with these numbers, each recording once, on ``device``."""
        places: dict[str, int] = {}  # a clip's key -> its place in the batch
        encoded: list[EncodedPrompt] = []
        clip: list[list[int]] = []
        for prompt in map(self.__getitem__, numbers):
            if prompt.key and prompt.key not in places:
                places[prompt.key] = len(encoded)
                encoded.append(prompt)
            clip.append([places.get(prompt.key, -1)])
        # Where no prompt has a clip, tensors of the correct shape that hold none.
        batch = encoded or [prompt]
        features = torch.stack([one.input_features for one in batch])[: len(encoded)]
        mask = torch.stack([one.feature_attention_mask for one in batch])[: len(encoded)]
        return Clips(
            features.to(device),
            mask.to(device),
            torch.tensor(clip, device=device),
            tuple(places),
            self.states if encoded else None,
        )
