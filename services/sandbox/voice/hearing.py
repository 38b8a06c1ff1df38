"""Recognises speech by its sound: what was taught is known again by its outline, in pieces, louder or quieter.

Sound is cut where it is quiet for 120 ms. The outline of a piece, from its first loud sample, is peak and zero crossings
of each 20 ms; it is compared with the outlines of all pieces that were taught.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.sandbox.voice.sound import TELEPHONY, samples
from services.sandbox.voice.speech import Speech, Word

LOUD = 200
"""The least amplitude that is no line noise."""
FRAME = TELEPHONY // 50
GAP = 6
"""Quiet frames that end a piece of speech."""
SLICE_S = 0.1
_LEAST = 2
_SPREAD = 1.1
_CROSSINGS = 14.0
_MISSED = 40
_FLOOR = math.log2(LOUD)
_NEAR = 1.0
_SLACK = 2.0
"""How much further the first frames may be: another codec moves the onset."""
_SIGNS = bytes(n >> 7 for n in range(256))
_INNER = (1 << (8 * (FRAME - 1))) - 1

Frame = tuple[float, int]
"""The peak as a power of two, and how often the sign changes."""


@dataclass(eq=False, slots=True)
class Piece:
    """Speech without a pause, as it was taught: it grows while it is being taught. Word times are from its beginning."""

    outline: list[Frame] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    finished: bool = True


@dataclass(eq=False, slots=True)
class Candidate:
    """A piece that what is heard may be, and how far from it what was heard is."""

    piece: Piece
    frames: int = 0
    shift: float = 0.0
    shift_squared: float = 0.0
    crossings: float = 0.0
    missing: int = 0
    skipped: int = 0
    """Frames of the piece that were heard before, up to where a gap on the line cut it."""

    def compare(self, frame: Frame) -> None:
        """Take the next frame in; quiet where the piece is loud counts once the sound goes on: it may have been cut off."""
        outline = self.piece.outline
        at = self.skipped + self.frames
        known = outline[at] if at < len(outline) else (0.0, 0)
        self.frames += 1
        if frame[0] == 0.0:
            self.missing += known[0] > _FLOOR + 1
            return
        if known[0] > 0.0:
            self.crossings += abs(frame[1] - known[1])
        self.crossings += _MISSED * self.missing
        self.missing = 0
        shift = frame[0] - (known[0] or _FLOOR)
        self.shift += shift
        self.shift_squared += shift * shift

    @property
    def distance(self) -> float:
        """0 for the same sound; a constant loudness more or less does not count."""
        mean = self.shift / self.frames
        spread = math.sqrt(max(0.0, self.shift_squared / self.frames - mean * mean))
        return spread / _SPREAD + self.crossings / self.frames / _CROSSINGS


class Lexicon:
    """The speech that was taught."""

    def __init__(self, *, most: int = 1000) -> None:
        self.pieces: list[Piece] = []
        self._most = most
        self._known: dict[tuple[Frame, ...], Piece] = {}

    def clear(self) -> None:
        """Nothing is known any more."""
        self.pieces.clear()
        self._known.clear()

    def teach(self, speech: Speech) -> None:
        """Know `speech` when it is heard."""
        lesson = Lesson(self, speech.rate)
        lesson.add(speech)
        lesson.end()

    def close(self, piece: Piece) -> None:
        """A piece is complete; it takes the place of an older one that sounds the same, and where too many are known of the oldest."""
        key = tuple(piece.outline)
        gone = self._known.pop(key, None)
        if gone is None and len(self._known) >= self._most:
            gone = self._known.pop(next(iter(self._known)))
        if gone is not None:
            self.pieces.remove(gone)
        self._known[key] = piece


class Cutter:
    """Cuts sound of 8 kHz into frames of pieces: (a piece begins, frame), and None for its end."""

    def __init__(self) -> None:
        self.position = 0
        """Samples that were taken in."""
        self.began = 0
        """Where the piece at hand, or the last one, began, in samples."""
        self.loud_until = 0
        """Where the last loud frame ended, in samples."""
        self.inside = False
        self._rest: array[int] = array("h")
        self._quiet = 0

    def cut(self, block: "array[int]") -> Iterator[tuple[bool, Frame] | None]:
        """The frames of a block of sound."""
        start = self.position - len(self._rest)
        self.position += len(block)
        sound = self._rest + block if self._rest else block
        at = 0
        while at < len(sound):
            if not self.inside:
                onset = _onset(sound, at)
                if onset is None:
                    at = len(sound)
                    break
                at, self.inside, self._quiet = onset, True, 0
                self.began = start + at
            if len(sound) - at < FRAME:
                break
            frame = _frame(sound[at : at + FRAME])
            at += FRAME
            if frame[0] == 0.0:
                self._quiet += 1
            else:
                self._quiet, self.loud_until = 0, start + at
            yield (start + at - FRAME == self.began, frame)
            if self._quiet >= GAP:
                self.inside = False
                yield None
        self._rest = sound[at:]


class Lesson:
    """Speech that is taught while it grows, such as that of somebody who is fed word by word."""

    def __init__(self, lexicon: Lexicon, rate: int) -> None:
        self._lexicon = lexicon
        self._rate = rate
        self._cutter = Cutter()
        self._piece: Piece | None = None
        self._pieces: list[tuple[float, Piece]] = []
        self._length = 0.0

    def add(self, speech: Speech) -> None:
        """More speech, right behind what was said before."""
        told = [Word(each.text, each.start + self._length, each.end + self._length) for each in speech.words]
        self._length += speech.seconds
        self._sound(narrowed(samples(speech.pcm), self._rate))
        for word in told:
            middle = (word.start + word.end) / 2
            started = [each for each in self._pieces if each[0] <= middle] or self._pieces[:1]
            if started:
                start, piece = started[-1]
                piece.words.append(Word(word.text, word.start - start, word.end - start))
        for _, piece in self._pieces[:-1]:
            piece.finished = False
        if self._pieces:
            self._pieces[-1][1].finished = speech.finished

    def end(self) -> None:
        """Nothing more comes."""
        self._sound(array("h", bytes(2 * FRAME * (GAP + 1))))

    def _sound(self, block: "array[int]") -> None:
        for cut in self._cutter.cut(block):
            if cut is None:
                if self._piece is not None:
                    _trim(self._piece.outline)
                    self._lexicon.close(self._piece)
                self._piece = None
                continue
            first, frame = cut
            if first or self._piece is None:
                self._piece = Piece(outline=[frame])
                self._pieces.append((self._cutter.began / TELEPHONY, self._piece))
                self._lexicon.pieces.append(self._piece)
            else:
                self._piece.outline.append(frame)


class Hearing:
    """What somebody hears on a line: words with their times in seconds since the line opened."""

    def __init__(self, lexicon: Lexicon, rate: int = TELEPHONY) -> None:
        self._lexicon = lexicon
        self._rate = rate
        self._cutter = Cutter()
        self._candidates: list[Candidate] = []
        self._frames = 0
        self._words: list[Word] = []
        self._forgotten = 0
        self._cut: Candidate | None = None
        self._finished = True
        self.quiet = True
        """Whether the last block had no sound at all."""

    @property
    def position(self) -> float:
        """Seconds of sound so far."""
        return self._cutter.position / TELEPHONY

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks what is known."""
        return self._cutter.inside and self._best() is not None

    @property
    def finished(self) -> bool:
        """Whether what was heard last sounds like the end of a thought; while it may go on, it does not."""
        if not self._cutter.inside:
            return self._finished
        best = self._best()
        return best is not None and best.piece.finished and self._whole(best)

    @property
    def silence(self) -> float:
        """Seconds since the last sound."""
        return (self._cutter.position - self._cutter.loud_until) / TELEPHONY

    @property
    def words(self) -> list[Word]:
        """The words since they were last forgotten, the one being spoken included when half of it was heard."""
        return self._words + (self._heard_now() if self._cutter.inside else [])

    def forget(self) -> None:
        """The words so far belong to the past."""
        self._words.clear()
        self._forgotten += len(self._heard_now()) if self._cutter.inside else 0

    def slices(self, pcm: bytes) -> Iterator["array[int]"]:
        """A block of sound at this line's rate, in parts of at most 100 ms."""
        sound = narrowed(samples(pcm), self._rate)
        step = int(TELEPHONY * SLICE_S)
        for start in range(0, len(sound), step):
            yield sound[start : start + step]

    def take(self, block: "array[int]") -> None:
        """Listen to the next block of 8 kHz."""
        before = self._cutter.loud_until
        for cut in self._cutter.cut(block):
            if cut is None:
                self._words += self._heard_now()
                if (best := self._best()) is not None:
                    whole = self._whole(best)
                    self._finished = best.piece.finished or not whole
                    self._cut = None if whole else _rest(best.piece, best.skipped + self._loud_frames)
                self._candidates, self._frames, self._forgotten = [], 0, 0
                continue
            first, frame = cut
            if first:
                self._candidates, self._frames = [Candidate(piece) for piece in self._lexicon.pieces], 0
                if self._cut is not None:
                    self._candidates.append(self._cut)
                    self._cut = None
            self._frames += 1
            for candidate in self._candidates:
                candidate.compare(frame)
            self._candidates = [each for each in self._candidates if each.distance < _NEAR + _SLACK / self._frames]
        self.quiet = self._cutter.loud_until == before

    def _best(self) -> Candidate | None:
        if self._frames < _LEAST:
            return None
        heard = self._loud_frames
        return min(
            (each for each in self._candidates if each.distance < _NEAR),
            key=lambda each: each.distance + 0.002 * abs(len(each.piece.outline) - each.skipped - heard),
            default=None,
        )

    @property
    def _loud_frames(self) -> int:
        """Frames of the piece at hand up to its last sound."""
        return (self._cutter.loud_until - self._cutter.began) // FRAME

    def _whole(self, candidate: Candidate) -> bool:
        """Whether it was heard to its end."""
        return candidate.skipped + self._loud_frames >= len(candidate.piece.outline) - 2

    def _heard_now(self) -> list[Word]:
        best = self._best()
        if best is None:
            return []
        before = best.skipped * FRAME / TELEPHONY
        start = self._cutter.began / TELEPHONY - before
        heard = before + (self._cutter.loud_until - self._cutter.began) / TELEPHONY + 0.02
        return [
            Word(each.text, round(each.start + start, 3), round(each.end + start, 3))
            for each in best.piece.words
            if before + 0.02 < (each.start + each.end) / 2 <= heard
        ][self._forgotten :]


def _rest(piece: Piece, at: int) -> Candidate:
    """What follows in a piece from a frame on, from its next sound."""
    while at < len(piece.outline) and piece.outline[at][0] == 0.0:
        at += 1
    return Candidate(piece, skipped=at)


def narrowed(sound: "array[int]", rate: int) -> "array[int]":
    """Sound at 8 kHz, of which `rate` is a multiple."""
    return sound[:: rate // TELEPHONY] if rate > TELEPHONY else sound


def _onset(sound: "array[int]", at: int) -> int | None:
    rest = sound[at:]
    if max(rest) < LOUD and min(rest) > -LOUD:
        return None
    return next(at + n for n, value in enumerate(rest) if value >= LOUD or value <= -LOUD)


def _frame(part: "array[int]") -> Frame:
    peak = max(max(part), -min(part))
    if peak < LOUD:
        return (0.0, 0)
    signs = int.from_bytes(part.tobytes()[1::2].translate(_SIGNS), "little")
    return (math.log2(peak), ((signs ^ (signs >> 8)) & _INNER).bit_count())


def _trim(outline: list[Frame]) -> None:
    while outline and outline[-1][0] == 0.0:
        outline.pop()
