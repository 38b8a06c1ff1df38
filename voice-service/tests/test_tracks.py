"""Both sides of a call in one file: aligned in time, and only what was really played."""

import base64
import io
import json
import wave

from libs.channels.exotel_media import Media, read
from voice_service.tracks import FRAME, LAG_MS, RATE, Tracks, mixed, seconds, wav_head

BLOCK_MS = 100


def sound(value: int, milliseconds: int) -> bytes:
    return value.to_bytes(2, "little", signed=True) * (milliseconds * RATE // 1000)


def levels(left_and_right: tuple[bytes, bytes]) -> list[tuple[int, int]]:
    """The loudness of both sides, by tenth of a second."""
    left, right = left_and_right
    step = 2 * RATE * BLOCK_MS // 1000
    assert len(left) == len(right)
    return [
        (
            int.from_bytes(left[at : at + 2], "little", signed=True),
            int.from_bytes(right[at : at + 2], "little", signed=True),
        )
        for at in range(0, len(left), step)
    ]


def hears(tracks: Tracks, value: int, *, since: int, until: int) -> None:
    for now in range(since + BLOCK_MS, until + 1, BLOCK_MS):
        tracks.heard(now, sound(value, BLOCK_MS))


def test_what_both_say_stands_at_its_own_time():
    tracks = Tracks()
    tracks.spoke(100, sound(7, 200))
    hears(tracks, 3, since=0, until=500)
    assert levels(tracks.rest(500)) == [(3, 0), (3, 7), (3, 7), (3, 0), (3, 0)]


def test_blocks_of_ours_that_are_sent_faster_are_played_one_after_the_other():
    tracks = Tracks()
    tracks.spoke(0, sound(1, 200))
    tracks.spoke(100, sound(2, 200))
    hears(tracks, 0, since=0, until=500)
    assert [agent for _, agent in levels(tracks.rest(500))] == [1, 1, 2, 2, 0]


def test_what_was_cleared_was_never_heard():
    tracks = Tracks()
    tracks.spoke(0, sound(1, 400))
    tracks.cleared(200)
    tracks.spoke(300, sound(2, 100))
    hears(tracks, 0, since=0, until=500)
    assert [agent for _, agent in levels(tracks.rest(500))] == [1, 1, 0, 2, 0]


def test_what_had_not_been_played_when_the_contact_hung_up_is_not_in_it():
    tracks = Tracks()
    hears(tracks, 3, since=0, until=200)
    tracks.spoke(100, sound(1, 400))
    assert levels(tracks.rest(200)) == [(3, 0), (3, 1)]


def test_silence_stands_for_what_the_line_lost_and_jitter_does_not_move_anything():
    tracks = Tracks()
    for now in (100, 230, 290, 400):
        tracks.heard(now, sound(3, BLOCK_MS))
    tracks.heard(1000, sound(4, BLOCK_MS))
    contact = [contact for contact, _ in levels(tracks.rest(1000))]
    assert contact == [3, 3, 3, 3, 0, 0, 0, 0, 0, 4]


def test_blocks_that_come_late_and_all_at_once_are_where_they_belong():
    tracks = Tracks()
    for now in (100, 200, 800, 801, 802, 803, 804, 805, 900, 1000):
        tracks.heard(now, sound(3, BLOCK_MS))
    assert [contact for contact, _ in levels(tracks.rest(1000))] == [3] * 10


def test_taken_piece_by_piece_it_is_the_same_and_little_is_left():
    whole, pieces = Tracks(), Tracks()
    taken: list[bytes] = []
    for now in range(BLOCK_MS, 10_001, BLOCK_MS):
        for tracks in (whole, pieces):
            if now % 300 == 0:
                tracks.spoke(now, sound(now % 97, 250))
            if now % 1700 == 0:
                tracks.cleared(now)
            tracks.heard(now, sound(now % 89, BLOCK_MS))
        if pieces.old(now) >= 500:
            taken.append(mixed(*pieces.take(now)))
            assert pieces.old(now) == 0
    taken.append(mixed(*pieces.rest(10_000)))
    assert b"".join(taken) == mixed(*whole.rest(10_000))
    assert len(taken) > 10
    assert max(map(len, taken)) <= (500 + LAG_MS + BLOCK_MS) * RATE * FRAME // 1000


def test_it_is_a_wav_file_with_the_contact_on_the_left():
    body = mixed(sound(3, 1000), sound(7, 1000))
    with wave.open(io.BytesIO(wav_head(len(body)) + body)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth(), file.getnframes()) == (2, 8000, 2, 8000)
        assert file.readframes(1) == b"\x03\x00\x07\x00"
    assert seconds(len(body)) == 1


def test_half_a_sample_that_a_block_ends_with_does_not_make_noise_of_what_follows():
    tracks = Tracks()
    frame = json.dumps({"event": "media", "media": {"payload": base64.b64encode(sound(3, 100) + b"\x7f").decode()}})
    for now in (100, 200, 300):
        told = read(frame)
        assert isinstance(told, Media)
        tracks.heard(now, told.pcm)
    assert [contact for contact, _ in levels(tracks.rest(300))] == [3, 3, 3]
