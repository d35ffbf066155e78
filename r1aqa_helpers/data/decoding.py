"""From a sound file to samples, by FFmpeg's libraries through PyAV.

The content decides on the format, not the name. Files come from anywhere, so only the containers
and decoders below are used, nothing that a file refers to is opened, and neither time nor memory
grows with what a header states.
"""

import contextlib
import ctypes
import io
import itertools
import threading
import time
import wave
from collections.abc import Callable, Iterator, Set
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO, TypeVar

import av
import numpy as np
import torch
import torchaudio
from av.audio.plane import AudioPlane
from av.container import InputContainer

SAMPLE_RATE = 16_000  # Hz, of every wave in this package
#: Samples, over all channels, that are read of a recording: 70 minutes of mono at 16 kHz, or
#: 11 minutes of stereo at 48 kHz.
MOST_SAMPLES = 1 << 26

_CONTAINERS = "wav,w64,aiff,au,caf,nistsphere,flac,ogg,mp3,aac,amr,mov,matroska,asf"
_DECODERS = (
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,"
    "pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,"
    "g726,gsm,gsm_ms,mp1float,mp2,mp2float,mp3,mp3float,aac,ac3,eac3,alac,flac,vorbis,opus,"
    "speex,amrnb,amrwb,wmav1,wmav2,wmapro"
)
_OPTIONS = {
    "format_whitelist": _CONTAINERS,
    "codec_whitelist": _DECODERS,
    "protocol_whitelist": "",
    "max_streams": "16",
    "max_probe_packets": "1",  # by default a WAV is searched for DTS, for longer than it is read
    "max_size": "8192",  # bytes of a WAV's packet
}
#: Containers whose header states the sound's length. Of others it is estimated, or the pictures'.
_STATING = frozenset({"aiff", "au", "caf", "flac", "nistsphere", "mov,mp4,m4a,3gp,3g2,mj2"})
_MATROSKA = "matroska,webm"
_STATED = 3600.0  # seconds; what a header states beyond is not believed, as pipes leave it open
_PATIENCE = 0.5  # seconds of computing before samples have to come, and
_PACE = 0.1  # seconds of computing for each second of sound, ten times what a slow decoder takes
_RATES = range(1_000, 1_000_001)  # Hz; anything else is a damaged header
_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}  # of packed samples
_T = TypeVar("_T")
_FULL_SCALE = 1 - 2**-15
_SILENCE = 1e-4  # -80 dB of full scale
_DAMAGED = "is damaged or cut off; fetch or record it again"

# The most bytes that FFmpeg may reserve at once: an MP4 of a few kilobytes can state a table of
# gigabytes. PyAV does not pass this setting on. (Windows does not find it this way.)
with contextlib.suppress(AttributeError):
    ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(1 << 26))


class AudioFault(Exception):
    """What is wrong with a recording and what to do, without its path."""


def decode_audio(file: BinaryIO) -> tuple[np.ndarray, list[str]]:
    """Decode a sound file to a wave: float32, shape ``(samples,)``, mono, 16 kHz.

    Channels are averaged, other rates resampled. Levels do not change. What is there is read, up
    to `MOST_SAMPLES`.

    Returns:
        The wave, and remarks about a recording that can be used and may yet surprise: silent,
        clipped, 16-bit numbers as floats, in part undecodable, longer than what was read.

    Raises:
        AudioFault: empty, no audio, cut off well before the end that its header states, for the
            most part undecodable, without samples, or with samples that are not finite or huge.
    """
    sound = _in_time(file, _decode)
    if not sound.pieces:
        raise AudioFault("holds no samples; give a recording that has some")
    joined = np.concatenate(
        [
            _resample(np.concatenate([samples for _, samples in pieces]), rate)
            for rate, pieces in itertools.groupby(sound.pieces, key=lambda piece: piece[0])
        ]
    )
    remarks = [*sound.remarks()]
    if is_silent(joined):
        remarks.insert(0, "is silent; record or fetch it again")
    return joined, remarks


def stated_seconds(file: BinaryIO) -> float | None:
    """What a sound file's header says about its length; None where only decoding will tell.

    Raises:
        AudioFault: no audio.
    """
    return _in_time(file, _header_seconds)


def is_silent(wave: np.ndarray) -> bool:
    """Whether a wave, ``(samples,)``, stays below -80 dB of full scale."""
    return bool(np.abs(wave).max(initial=0.0) < _SILENCE)


# --- reading ------------------------------------------------------------------------------


class _Reader:
    """A file for FFmpeg that seems to end where reading fails, or takes too long.

    An exception in its place would have to pass through FFmpeg, which might go on reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.fault: str | None = None
        self.seek, self.tell = file.seek, file.tell
        self.file = file
        self.until = _PATIENCE  # of the time of the thread that reads, see `_in_time`

    def allow(self, seconds: float) -> None:
        """Allow this thread more computing, as so many seconds of sound came."""
        self.until += _PACE * seconds

    def check(self) -> bool:
        """Whether there is no `fault`; too much computing is one."""
        if self.fault is None and time.thread_time() > self.until:
            self.fault = _DAMAGED
        return self.fault is None

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end, and where there is a `fault`."""
        if not self.check():
            return b""
        try:
            return self.file.read(size)
        except OSError as error:
            self.fault = f"cannot be read ({error.strerror}); check the disk"
            return b""


def _in_time(file: BinaryIO, work: Callable[[_Reader], _T]) -> _T:
    """What ``work`` returns, or an `AudioFault` after too much computing, in a thread of its own.

    FFmpeg may compute for hours without a read, for instance on a million comments, and nothing
    but the end of the process ends that. The thread is then left behind.
    """
    reader, done, clocks = _Reader(file), Future[_T](), list[int]()

    def run() -> None:
        if hasattr(time, "pthread_getcpuclockid"):  # Linux; elsewhere only reads end the work
            clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        try:
            done.set_result(work(reader))
        except BaseException as fault:
            done.set_exception(fault)

    threading.Thread(target=run, name="decoding", daemon=True).start()
    while not wait([done], timeout=0.5).done:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if clocks and time.clock_gettime(clocks[0]) > reader.until + 0.5:
                raise AudioFault(_DAMAGED)
    return done.result()


def _opened(reader: _Reader) -> InputContainer:
    try:
        container = av.open(reader, "r", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError:
        raise AudioFault(
            reader.fault
            or "is no audio that can be decoded; give WAV, FLAC, MP3, M4A, Ogg, Opus, WebM or AMR,"
            " and whole"
        ) from None
    decoder = next((stream.codec_context for stream in container.streams.audio), None)
    if decoder is None or decoder.name not in _DECODERS.split(","):
        container.close()
        name = "none" if decoder is None else decoder.name
        raise AudioFault(f"holds no sound that is decoded (codec: {name}); convert it to WAV")
    return container


def _header_seconds(reader: _Reader) -> float | None:
    with _opened(reader) as container:
        seconds = _stated(container, _STATING | {"wav", "w64", "ogg"})
    return seconds if 0 < seconds <= _STATED else None


def _stated(container: InputContainer, stating: Set[str]) -> float:
    """The length in seconds by the header of such a container; 0 where it states none."""
    stream = container.streams.audio[0]
    if container.format.name == _MATROSKA:
        # The file's length, which is the sound's where it is alone. FFmpeg gives the stream one
        # only where it estimates it.
        alone = len(container.streams) == 1 and stream.duration is None
        return (container.duration or 0) / av.time_base if alone else 0.0
    if container.format.name not in stating or not stream.duration or not stream.time_base:
        return 0.0
    return float(stream.duration * stream.time_base)


def _stated_by_wav(file: BinaryIO) -> float:
    """As `_stated`, of PCM in a WAV; FFmpeg puts what is there in the place of what is stated."""
    file.seek(0)
    try:
        with wave.open(io.BytesIO(file.read(1 << 16))) as header:
            return header.getnframes() / header.getframerate()
    except (wave.Error, EOFError, RuntimeError, ZeroDivisionError):
        return 0.0


# --- decoding -----------------------------------------------------------------------------


@dataclass
class _Sound:
    """What has been decoded of a recording."""

    pieces: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """Rate in Hz, and samples: float32 (samples,), the mean of the channels."""
    seconds: float = 0.0
    samples: int = 0
    """Over all channels."""
    loud: int = 0
    """How many of these are at full scale or beyond."""
    peak: float = 0.0
    packets: int = 0
    lost: int = 0
    """Packets that cannot be decoded."""

    def add(self, frame: av.AudioFrame) -> None:
        """Take in a frame. Raises `AudioFault` for a rate or samples that no recording has."""
        rate, values = frame.sample_rate, _values(frame)
        if rate not in _RATES:
            raise AudioFault(
                f"has a sample rate of {rate} Hz, which no recording has; fetch it again"
            )
        heights = np.abs(values)
        peak = float(heights.max(initial=0.0))
        if not np.isfinite(peak):
            raise AudioFault("holds samples that are NaN or infinite; repair or remove it")
        if peak > 2**16:
            raise AudioFault(f"holds samples up to {peak:.0e}; scale them to [-1, 1]")
        self.peak = max(self.peak, peak)
        self.loud += int(np.count_nonzero(heights >= _FULL_SCALE))
        self.samples += values.size
        self.seconds += values.shape[1] / rate
        self.pieces.append((rate, values.mean(axis=0)))

    def remarks(self) -> Iterator[str]:
        """What the user should know about a recording that can be used."""
        if self.peak > 8:
            yield (
                f"holds samples up to {self.peak:.0f}, as if 16-bit numbers had been written as"
                " floats; divide them by 32768"
            )
        elif self.loud > 0.01 * self.samples:
            share = 100 * self.loud / self.samples
            yield f"is clipped: {share:.0f} % of its samples are at full scale; record it quieter"
        if self.lost:
            yield f"is damaged: {self.lost} of its {self.packets} packets cannot be decoded"
        if self.samples >= MOST_SAMPLES:
            yield f"is very long; only its first {self.seconds:.0f} s are read"


def _decode(reader: _Reader) -> _Sound:
    file = reader.file
    if not file.seek(0, io.SEEK_END):
        raise AudioFault("is empty; give a recording")
    stated = _stated_by_wav(file)
    file.seek(0)
    sound = _Sound()
    with _opened(reader) as container:
        if not stated:
            # Writers of WAVs other than PCM are at odds whether to count each channel's samples.
            channels = max(1, container.streams.audio[0].codec_context.channels)
            stated = _stated(container, _STATING) or _stated(container, {"wav"}) / channels
        try:
            for packet in container.demux(container.streams.audio[0]):
                sound.packets += 1
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    sound.lost += 1
                    continue
                for frame in frames:
                    sound.add(frame)
                    reader.allow(frame.samples / frame.sample_rate)
                if sound.samples >= MOST_SAMPLES:
                    return sound
                if not reader.check():
                    break
        except av.FFmpegError:
            reader.fault = reader.fault or _DAMAGED
    # Writers are often wrong about the last few samples.
    short = stated <= _STATED and sound.seconds < min(stated - 0.01, 0.9 * stated)
    if short or sound.lost > 0.1 * sound.packets:
        reader.fault = reader.fault or _DAMAGED
    if reader.fault is not None:
        raise AudioFault(reader.fault)
    return sound


def _values(frame: av.AudioFrame) -> np.ndarray:
    """The samples of a frame, float32 (channels, samples), where 1 is full scale."""
    kind, channels = np.dtype(_TYPES[frame.format.packed.name]), frame.layout.nb_channels
    # Not frame.to_ndarray(), which reads past the end of the list of eight planes and more.
    if frame.format.is_planar:
        planes: list[Any] = [AudioPlane(frame, channel) for channel in range(channels)]
        values = np.stack([np.frombuffer(plane, kind, frame.samples) for plane in planes])
    else:
        plane: Any = AudioPlane(frame, 0)  # a buffer, which its type does not say
        values = np.frombuffer(plane, kind, frame.samples * channels)
        values = values.reshape(-1, channels).T
    if kind == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    scale = np.float32(-np.iinfo(kind).min if kind.kind == "i" else 1)
    with np.errstate(over="ignore"):  # infinite, which is then refused
        return values.astype(np.float32) / scale


def _resample(wave: np.ndarray, rate: int) -> np.ndarray:
    # torchaudio's table of filters has a row for each step of the ratio, and would take
    # gigabytes for a rate such as 44,101 Hz. Such a ratio is rounded, by less than 0.1 %.
    ratio = Fraction(*sorted((rate, SAMPLE_RATE))).limit_denominator(1000)
    old, new = ratio.denominator, ratio.numerator
    if rate < SAMPLE_RATE:
        old, new = new, old
    if old == new:
        return wave
    return torchaudio.functional.resample(torch.from_numpy(wave), old, new).numpy()
