"""Decoding: whatever people have comes out whole as the same sound at 16 kHz, or as one fault."""

import io
import random
import re
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import av
import numpy as np
import pytest
import soundfile

from r1aqa_helpers.data import decoding
from r1aqa_helpers.data.decoding import SAMPLE_RATE, AudioFault, decode_audio, stated_seconds


def tone(rate: int, hertz: float = 440.0, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def encoded(wave: np.ndarray, rate: int = SAMPLE_RATE, kind: str = "WAV", **options) -> bytes:
    """By libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=kind, **options)
    return buffer.getvalue()


def muxed(
    wave: np.ndarray,
    rate: int,
    kind: str,
    codec: str,
    options: dict[str, str] | None = None,
    layout: str = "mono",
    **context,
) -> bytes:
    """By FFmpeg: samples (n,) or (n, channels)."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        steps = (np.asarray(wave) * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(steps, format="s16", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return buffer.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return decode_audio(io.BytesIO(data))[0]


def remarks(data: bytes) -> str:
    return "; ".join(decode_audio(io.BytesIO(data))[1])


def middle(wave: np.ndarray) -> np.ndarray:
    """Without the edges, where resampling and codecs fade."""
    return wave[len(wave) // 8 : -len(wave) // 8]


def assert_is_the_tone(
    wave: np.ndarray, level: float = 0.5, seconds: float = 1.0, more: float = 1e-4
) -> None:
    assert wave.dtype == np.float32 and wave.ndim == 1
    assert -1e-4 <= len(wave) / SAMPLE_RATE - seconds <= more
    wave = middle(wave)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), n=8 * SAMPLE_RATE))
    assert np.argmax(spectrum[: 4 * SAMPLE_RATE]) / 8 == pytest.approx(440, abs=1)
    assert wave.std() == pytest.approx(level / np.sqrt(2), rel=0.05 if more < 0.1 else 0.15)


# --- the same samples ---------------------------------------------------------------------

NOISE = np.random.default_rng(0).normal(0, 0.1, (5000, 2)).clip(-1, 1)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", s) for s in "PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW".split()]
    + [("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_24"), ("AIFF", "PCM_16")]
    + [("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_soundfiles(kind, subtype, channels):
    data = encoded(NOISE[:, :channels], kind=kind, subtype=subtype)
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    np.testing.assert_allclose(decoded(data), samples.mean(axis=1), atol=1e-7)


# 44,101 Hz shares no factor with 16,000: a table of filters for it would take gigabytes.
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 44101, 192000])
def test_a_tone_keeps_pitch_and_level_from_any_rate(rate):
    assert_is_the_tone(decoded(encoded(tone(rate), rate)))


@pytest.mark.parametrize("rate", [44100, 44101])
def test_what_16_khz_cannot_hold_is_filtered_out_and_not_folded_down(rate):
    wave = decoded(encoded(tone(rate, 440) + tone(rate, 12_000, level=0.45), rate))
    assert_is_the_tone(wave)
    folded = middle(wave) * np.exp(-2j * np.pi * 4000 * np.arange(len(middle(wave))) / SAMPLE_RATE)
    assert 20 * np.log10(abs(folded.mean()) / 0.225) < -40


@pytest.mark.parametrize("channels", [2, 6, 512])
def test_channels_are_averaged(channels):
    levels = np.linspace(0.1, 0.6, channels)
    wave = decoded(encoded(np.outer(tone(8000, level=1.0), levels), 8000))
    assert_is_the_tone(wave, level=levels.mean())


def test_eight_channels_in_planes_are_averaged():
    levels = np.linspace(0.1, 0.6, 8)
    data = muxed(np.outer(tone(48000), levels), 48000, "ogg", "libopus", layout="7.1")
    assert_is_the_tone(decoded(data), level=0.5 * levels.mean())


def test_float_peaks_stay():
    ramp = 2.5 * np.arange(100_000) / 100_000
    np.testing.assert_array_equal(decoded(encoded(ramp, subtype="FLOAT")), ramp.astype(np.float32))


# --- what people have ---------------------------------------------------------------------

RATE = 44_100
PEOPLE_HAVE = {
    "ADPCM": (encoded(tone(8000), 8000, subtype="IMA_ADPCM"), 0.1),
    "GSM in a WAV": (encoded(tone(8000), 8000, subtype="GSM610"), 0.1),
    "Vorbis": (encoded(tone(SAMPLE_RATE), kind="OGG"), 0.05),
    "Opus in an Ogg": (encoded(tone(SAMPLE_RATE), kind="OGG", subtype="OPUS"), 1e-4),
    "AU": (encoded(tone(SAMPLE_RATE), kind="AU"), 1e-4),
    "NIST": (encoded(tone(SAMPLE_RATE), kind="NIST"), 1e-4),
    "MP3 with an Info frame": (encoded(tone(SAMPLE_RATE), kind="MP3"), 1e-4),
    "AAC": (muxed(tone(RATE), RATE, "adts", "aac"), 0.1),
    "AAC in an M4A": (muxed(tone(RATE), RATE, "ipod", "aac"), 0.1),
    "ALAC in an M4A": (muxed(tone(RATE), RATE, "ipod", "alac"), 1e-4),
    "MP4 in fragments": (
        muxed(tone(RATE), RATE, "mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
        0.1,
    ),
    "WebM": (muxed(tone(48000), 48000, "webm", "libopus"), 1e-4),
    "AMR": (muxed(tone(8000), 8000, "amr", "libopencore_amrnb"), 0.1),
}


@pytest.mark.parametrize(("data", "more"), PEOPLE_HAVE.values(), ids=PEOPLE_HAVE)
def test_what_people_have_is_read_whole(data, more):
    assert_is_the_tone(decoded(data), more=more)
    assert remarks(data) == ""


def mp3(seconds: float, rate: int = RATE, xing: bool = False, **context) -> bytes:
    options = {"write_xing": str(int(xing)), "id3v2_version": "0"}
    return muxed(tone(rate, seconds=seconds), rate, "mp3", "libmp3lame", options, **context)


VARIABLE = {"qscale": True, "global_quality": 5 * 118}


@pytest.mark.parametrize("rate", [22_050, 44_100])
@pytest.mark.parametrize("context", [{"bit_rate": 64_000}, VARIABLE], ids=["constant", "variable"])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.7])
def test_an_mp3_without_a_frame_that_states_its_length_is_read_whole(rate, context, seconds):
    data = mp3(seconds, rate, **context)
    assert b"Xing" not in data and b"Info" not in data
    assert_is_the_tone(decoded(data), seconds=seconds, more=0.15)
    assert remarks(data) == ""


def test_an_mp3_that_gets_louder_is_read_whole():
    # Its first frames are small, from which libraries guess a wrong length.
    wave = np.concatenate([np.zeros(RATE), tone(RATE, seconds=3, level=0.9)])
    options = {"write_xing": "0", "id3v2_version": "0"}
    heard = decoded(muxed(wave, RATE, "mp3", "libmp3lame", options, **VARIABLE))
    assert 4 <= len(heard) / SAMPLE_RATE < 4.15
    assert not heard[: SAMPLE_RATE - 1000].any() and heard[-8000:-4000].std() > 0.5


JOINED = {
    "MP3 without Info": [mp3(1), mp3(2)],
    "MP3 with Info": [mp3(1, xing=True), mp3(2, xing=True)],
    "MP3 of two rates": [mp3(1), mp3(2, 22_050)],
    "AAC": [muxed(tone(RATE, seconds=s), RATE, "adts", "aac") for s in (1, 2)],
    "Vorbis": [encoded(tone(RATE, seconds=s), RATE, "OGG") for s in (1, 2)],
    "Opus": [encoded(tone(48000, seconds=s), 48000, "OGG", subtype="OPUS") for s in (2, 1.5)],
}


@pytest.mark.parametrize("parts", JOINED.values(), ids=JOINED)
def test_joined_files_are_read_to_the_end(parts):
    alone = sum(len(decoded(part)) for part in parts)
    heard = decoded(b"".join(parts))
    assert abs(len(heard) - alone) / SAMPLE_RATE < 0.1
    assert heard[-6000:-3000].std() == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert remarks(b"".join(parts)) == ""


# --- headers that are wrong ---------------------------------------------------------------


def with_size(data: bytes, size: int, riff: int | None = None) -> bytes:
    at = data.index(b"data") + 4
    data = data[:at] + struct.pack("<I", size) + data[at + 4 :]
    return data if riff is None else data[:4] + struct.pack("<I", riff) + data[8:]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("size", [1, 2, 16, 44, 1 << 31, (1 << 32) - 1, 0])
@pytest.mark.parametrize("seconds", [0.01, 1.0])
def test_a_wav_with_a_wrong_size_is_read_whole(subtype, size, seconds):
    data = encoded(tone(SAMPLE_RATE, seconds=seconds), subtype=subtype)
    whole, length = decoded(data), len(data) - data.index(b"data") - 8
    size = length + size if 0 < size < 100 else size
    for riff in (None, 0, (1 << 32) - 1):
        np.testing.assert_array_equal(decoded(with_size(data, size, riff)), whole)


def test_a_wav_may_count_the_samples_of_both_channels():
    data = bytearray(encoded(NOISE, subtype="FLOAT"))
    at = data.index(b"fact") + 8
    data[at : at + 4] = struct.pack("<I", NOISE.size)
    assert len(decoded(bytes(data))) == len(NOISE)


def test_chunks_after_the_samples_are_no_sound():
    data = encoded(tone(SAMPLE_RATE))
    np.testing.assert_array_equal(
        decoded(data + b"LIST\x08\0\0\0INFO\xff\xff\xff\xff"), decoded(data)
    )


def flac_of(samples: int) -> bytes:
    data = bytearray(encoded(tone(SAMPLE_RATE), kind="FLAC"))
    data[21] = data[21] & 0xF0 | samples >> 32  # 36 bits of STREAMINFO, 0 for unknown
    data[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    return bytes(data)


def aiff_of(samples: int) -> bytes:
    data = bytearray(encoded(tone(SAMPLE_RATE), kind="AIFF"))
    at = data.index(b"COMM") + 10
    data[at : at + 4] = struct.pack(">I", samples)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [flac_of(0), flac_of((1 << 36) - 1), aiff_of((1 << 31) - 1)]
    + [with_size(encoded(tone(SAMPLE_RATE)), 10 * 3600 * 32_000)],
    ids=["FLAC of open length", "FLAC of weeks", "AIFF of a day", "WAV of ten hours"],
)
def test_a_length_of_hours_is_not_believed(data):
    assert_is_the_tone(decoded(data))
    assert decoding.stated_seconds(io.BytesIO(data)) in (None, 1.0)


TONE = tone(SAMPLE_RATE) + np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE)


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.8])
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [(kind, "PCM_16") for kind in ("WAV", "FLAC", "AIFF", "AU", "NIST")]
    + [("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_24")],
)
def test_a_file_that_lacks_a_good_part_of_what_it_states_is_cut_off(kind, subtype, kept):
    data = encoded(TONE, kind=kind, subtype=subtype)
    assert len(decoded(data)) >= len(TONE)
    with pytest.raises(AudioFault, match="cut off|and whole"):
        decoded(data[: int(kept * len(data))])


@pytest.mark.parametrize("kept", [0.5, 0.8])
@pytest.mark.parametrize("kind", ["MP4 in fragments", "WebM"])
def test_a_file_of_packets_that_states_its_length_is_cut_off(kind, kept):
    data = PEOPLE_HAVE[kind][0]
    with pytest.raises(AudioFault, match="cut off"):
        decoded(data[: int(kept * len(data))])


@pytest.mark.parametrize("codec", ["libopus", "libmp3lame"])
@pytest.mark.parametrize("kept", [0.5, 1])
def test_a_browser_s_recording_states_no_length_and_is_read_as_far_as_it_goes(codec, kept):
    # Of MP3 FFmpeg estimates a length, from the bits of a second, and headers count as sound.
    data = muxed(tone(48_000, seconds=4), 48_000, "matroska", codec, {"live": "1"})
    found = len(decoded(data[: int(kept * len(data))])) / SAMPLE_RATE
    assert abs(found - 4 * kept) < 0.3


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
def test_of_a_stream_that_ends_early_what_is_there_is_read(kind):
    data = encoded(np.tile(TONE, 30), kind=kind)
    assert 12 < len(decoded(data[: len(data) // 2])) / SAMPLE_RATE < 16


def test_only_the_start_of_a_very_long_recording_is_read(monkeypatch):
    monkeypatch.setattr(decoding, "MOST_SAMPLES", 100_000)
    data = encoded(np.stack([tone(RATE, seconds=5)] * 2, 1), RATE)
    assert 1.1 < len(decoded(data)) / SAMPLE_RATE < 1.3
    assert remarks(data) == "is very long; only its first 1 s are read"


# --- samples that are wrong ---------------------------------------------------------------


def wav_with(value: float, at: int = 777) -> bytes:
    wave = np.stack([TONE, TONE], 1)
    wave[at, 1] = value
    return encoded(wave, subtype="DOUBLE")


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello there\n" * 500, "no audio"),
    "an MPEG head and nothing more": (b"\xff\xfb" + b"a" * 1000, "no audio|is damaged"),
    "zeros": (bytes(100_000), "no audio"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "no audio"),
    "no samples": (encoded(np.zeros(0)), "no samples"),
    "NaN": (wav_with(np.nan), "NaN or infinite"),
    "infinite": (wav_with(-np.inf), "NaN or infinite"),
    "infinite as float32": (wav_with(1e300), "NaN or infinite"),
    "huge": (wav_with(1e30), r"samples up to 1e\+30; scale"),
    "32-bit numbers as floats": (encoded(TONE * 2**31, subtype="FLOAT"), "samples up to"),
    "rate 1 Hz": (encoded(TONE)[:24] + struct.pack("<II", 1, 2) + encoded(TONE)[32:], "of 1 Hz"),
    "an unknown codec": (encoded(TONE)[:20] + b"\x99\x99" + encoded(TONE)[22:], "no sound that"),
}


@pytest.mark.parametrize("data, expected", BAD.values(), ids=BAD)
def test_bad_content_is_one_line(data, expected):
    with pytest.raises(AudioFault, match=expected) as caught:
        decoded(data)
    assert str(caught.value).isprintable()


HARD = np.clip(8 * TONE, -1, 1)
SURPRISING = {
    "zeros": (encoded(np.zeros(8000)), "is silent"),
    "faint": (encoded(np.full(8000, 5e-5), subtype="FLOAT"), "is silent"),
    "channels that cancel": (encoded(np.outer(TONE, [1, -1])), "is silent"),
    "clipped": (encoded(HARD), r"is clipped: \d\d % of its samples are at full scale"),
    "clipped on one side": (encoded(np.outer(HARD, [1, 0])), "is clipped"),
    "clipped, 8 bits": (encoded(HARD, subtype="PCM_U8"), "is clipped"),
    "clipped, MP3": (encoded(HARD, kind="MP3"), "is clipped"),
    "16-bit numbers as floats": (
        encoded((TONE * 2**15).round(), subtype="FLOAT"),
        r"holds samples up to 2\d{4}, as if 16-bit numbers had been written as floats; divide",
    ),
}


@pytest.mark.parametrize("data, expected", SURPRISING.values(), ids=SURPRISING)
def test_what_can_be_used_and_may_surprise_is_said(data, expected):
    wave, said = decode_audio(io.BytesIO(data))
    assert len(wave) in (8000, 16000) and len(said) == 1
    assert re.match(expected, said[0]) and said[0].isprintable()


@pytest.mark.parametrize("level", [1e-3, 0.5, 1.0])
def test_a_quiet_and_a_loud_tone_are_no_surprise(level):
    assert remarks(encoded(tone(SAMPLE_RATE, level=level))) == ""


def packet_sizes(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data)) as container:
        return [packet.size for packet in container.demux(audio=0)]


@pytest.mark.parametrize(("spoilt", "of"), [(2, 40), (20, 40)])
def test_packets_that_cannot_be_decoded_are_counted_and_most_of_them_are_damage(spoilt, of):
    data = muxed(tone(RATE, seconds=of * 1024 / RATE), RATE, "adts", "aac")
    starts = np.cumsum([0, *packet_sizes(data)])
    data = bytearray(data)
    for start, end in zip(starts[5 : 5 + spoilt], starts[6:], strict=False):
        data[start + 7 : end] = b"\xff" * (end - start - 7)
    if spoilt > of / 10:
        with pytest.raises(AudioFault, match="is damaged"):
            decoded(bytes(data))
    else:
        assert re.match(rf"is damaged: {spoilt} of its 4\d packets cannot", remarks(bytes(data)))


# --- files that mean harm -----------------------------------------------------------------


def playlists(address: str) -> dict[str, bytes]:
    return {
        "HLS": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1.0,\n{address}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{address}'\n",
        "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        "DASH": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        f"<Period><AdaptationSet><Representation><BaseURL>{address}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>",
    }


@pytest.fixture
def server():
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/a.wav", asked
        listening.shutdown()


def test_no_playlist_is_followed(server, tmp_path):
    address, asked = server
    (tmp_path / "a.wav").write_bytes(encoded(TONE))
    for target in (address, str(tmp_path / "a.wav"), f"file:{tmp_path / 'a.wav'}"):
        for text in playlists(target).values():
            with pytest.raises(AudioFault, match="no audio"):
                decoded(text.encode())
    assert not asked


def test_nothing_else_is_opened_even_where_a_container_would(server, tmp_path, monkeypatch):
    address, asked = server
    (tmp_path / "a.wav").write_bytes(encoded(TONE))
    listed = {target: playlists(target)["concat"].encode() for target in
              (str(tmp_path / "a.wav"), address)}  # fmt: skip
    options = {"format_whitelist": "concat,wav", "safe": "0"}
    monkeypatch.setattr(decoding, "_OPTIONS", options)
    assert len(decoded(listed[str(tmp_path / "a.wav")])) == SAMPLE_RATE  # FFmpeg would
    monkeypatch.setattr(decoding, "_OPTIONS", {"protocol_whitelist": ""} | options)
    for text in listed.values():
        with pytest.raises(AudioFault, match="no audio"):
            decoded(text)
    assert not asked


def took(data: bytes) -> float:
    """Seconds of computing until the data are read or refused."""
    started = time.process_time()
    try:
        decoded(data)
    except AudioFault as fault:
        assert str(fault).isprintable()
    return time.process_time() - started


def test_pictures_beside_the_sound_are_not_decoded():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        pictures = container.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        steps = (tone(RATE) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(steps, format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux([*sound.encode(frame), *sound.encode(None)])
    assert_is_the_tone(decoded(buffer.getvalue()), more=0.1)
    with av.open(io.BytesIO(buffer.getvalue()), options=decoding._OPTIONS) as container:
        assert container.streams.video[0].format is None


def test_an_mp4_that_states_a_table_of_gigabytes_is_refused_at_once():
    data = bytearray(PEOPLE_HAVE["MP4 in fragments"][0])
    at = data.index(b"trun") + 4
    data[at : at + 8] = struct.pack(">II", 0, 50_000_000)  # entries, of which none is there
    assert took(bytes(data)) < 1


def test_a_packet_for_each_sample_is_refused_in_time():
    data = bytearray(muxed(tone(RATE, seconds=20), RATE, "caf", "pcm_s16le"))
    at = data.index(b"desc") + 12
    data[at + 16 : at + 24] = struct.pack(">II", 2, 0x6E000001)  # bytes and frames of a packet
    assert took(bytes(data)) < 2
    with pytest.raises(AudioFault, match="is damaged"):
        decoded(bytes(data))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only reads end the work")
@pytest.mark.parametrize("work", [decode_audio, stated_seconds])
def test_what_ffmpeg_computes_on_without_reading_is_refused_in_time(work):
    """A FLAC of 16,000 comments, of which FFmpeg compares each with all before it."""
    texts = [f"K{number}=V".encode() for number in range(16_000)]
    parts = [struct.pack("<II", 0, len(texts))]
    comments = b"".join([*parts, *(struct.pack("<I", len(text)) + text for text in texts)])
    data = encoded(TONE, kind="FLAC")
    data = data[:42] + b"\x04" + struct.pack(">I", len(comments))[1:] + comments + data[42:]
    started = time.process_time()
    with pytest.raises(AudioFault, match="is damaged"):
        work(io.BytesIO(data))
    assert time.process_time() - started < 2
    for thread in threading.enumerate():  # the next test counts seconds, too
        if thread.name == "decoding":
            thread.join()


@pytest.mark.parametrize("kind", ["AVR", "SDS", "SVX", "MAT5", "VOC", "PAF", "IRCAM", "HTK"])
def test_rare_containers_are_refused_at_once(kind):
    data = encoded(TONE, kind=kind, subtype="PCM_16")
    with pytest.raises(AudioFault, match="no audio"):
        decoded(data)
    assert max(took(mutated(data, seed)) for seed in range(20)) < 0.5


def mutated(data: bytes, seed: int) -> bytes:
    draw, changed = random.Random(seed), bytearray(data)
    for _ in range(draw.choice((1, 4, 16))):
        at = draw.randrange(min(len(changed), draw.choice((64, 512, 1 << 30))))
        if draw.random() < 0.5:
            changed[at] = draw.randrange(256)
        else:
            number = draw.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, draw.getrandbits(32)))
            changed[at : at + 4] = struct.pack(draw.choice("<>") + "I", number)
    return bytes(changed)


@pytest.mark.parametrize(
    "data",
    [encoded(TONE, kind=kind) for kind in ("WAV", "FLAC", "AIFF", "AU", "CAF", "W64", "OGG", "MP3")]
    + [data for data, _ in PEOPLE_HAVE.values()],
    ids=["WAV", "FLAC", "AIFF", "AU", "CAF", "W64", "OGG", "MP3", *PEOPLE_HAVE],
)
def test_a_mutated_file_is_read_or_refused_within_two_seconds(data):
    assert max(took(mutated(data, seed)) for seed in range(25)) < 2


def test_a_file_that_cannot_be_read_is_a_fault():
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 40_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(AudioFault, match=r"cannot be read \(Input/output error\)"):
        decode_audio(Broken(encoded(np.tile(TONE, 9))))


def test_decoding_in_threads_prints_nothing(capfd):
    good, cut = encoded(TONE, kind="MP3"), encoded(TONE, kind="MP3")[:900]
    whole = decoded(good)

    def heard(data):
        try:
            return decoded(data)
        except AudioFault as fault:
            return str(fault)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(heard, [good, cut, b"text " * 99, mutated(good, 1)] * 50))
    assert all(np.array_equal(wave, whole) for wave in found[::4])
    assert capfd.readouterr() == ("", "")
