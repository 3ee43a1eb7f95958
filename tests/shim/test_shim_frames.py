"""The frame parser, fed with anything."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherd.shim import frames

kinds = st.integers(0, 255)
messages = st.lists(st.tuples(kinds, st.binary(max_size=200)), max_size=20)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted({min(place, len(data)) for place in at}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(messages, st.lists(st.integers(0, 4000), max_size=30))
def test_frames_come_out_whole_however_the_stream_is_cut(sent: list[tuple[int, bytes]], at: list[int]) -> None:
    stream = b"".join(frames.frame(kind, payload) for kind, payload in sent)
    reader = frames.FrameReader(200)
    got = [frame for piece in cut(stream, at) for frame in reader.feed(piece)]
    assert got == sent
    assert reader.pending == 0


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_is_refused_or_kept_within_the_limit(pieces: list[bytes]) -> None:
    reader = frames.FrameReader(100)
    for piece in pieces:
        try:
            got = reader.feed(piece)
        except frames.FrameError:
            return
        assert all(len(payload) <= 100 for _, payload in got)
        assert reader.pending <= frames.HEADER.size + 100


@given(st.integers(101, 2**32 - 1))
def test_a_length_over_the_limit_is_refused_before_any_payload_arrives(length: int) -> None:
    reader = frames.FrameReader(100)
    with pytest.raises(frames.FrameError, match="at most 100"):
        reader.feed(frames.HEADER.pack(frames.INPUT, length))


def test_an_output_header_with_its_data_is_a_frame() -> None:
    reader = frames.FrameReader(100)
    [(kind, payload)] = reader.feed(frames.output_header(2**40, 3) + b"abc")
    assert kind == frames.OUTPUT
    assert payload == frames.U64.pack(2**40) + b"abc"
