"""Endpointing: how long to wait after somebody's last word until their turn is over, by what they were saying."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Situation = Literal["number_dictation", "after_filler", "mid_sentence", "emotional", "after_question", "base"]
Expects = Literal["nothing", "answer", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpointing:
    """Milliseconds after the last word, by situation (`voice.endpointing` of the settings)."""

    base_ms: int = 300
    question_ms: int = 250
    after_filler_ms: int = 1000
    number_dictation_ms: int = 1500
    mid_sentence_ms: int = 700
    emotional_ms: int = 600

    def wait_ms(self, situation: Situation) -> int:
        match situation:
            case "number_dictation":
                return self.number_dictation_ms
            case "after_filler":
                return self.after_filler_ms
            case "mid_sentence":
                return self.mid_sentence_ms
            case "emotional":
                return self.emotional_ms
            case "after_question":
                return self.question_ms
            case "base":
                return self.base_ms


def phrases(text: str) -> tuple[tuple[str, ...], ...]:
    """Phrases of a comma-separated list, as words."""
    return tuple(words(phrase) for phrase in text.split(","))


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; Devanagari keeps its vowel signs."""
    return tuple(word for word in _BETWEEN.split(text.casefold()) if word)


_BETWEEN = re.compile(r"[\s.,!?;:।…\"“”()\[\]/-]+")

FILLERS = phrases(
    "um, umm, uh, uhh, like, you know, i mean, sort of, well, so, actually, let me think, matlab, woh, wo, acha, achha, haan, "
    "toh, to, basically, dekho, ek minute, ruko, theek hai, मतलब, वो, अच्छा, हाँ, हां, तो, देखो, एक मिनट, रुको, ठीक है"
)
BACKCHANNELS = phrases(
    "hm, hmm, hmmm, mm, mmm, mhm, uh huh, haan, han, haan haan, haan ji, ji, ji haan, ji ji, ok, okay, ok ok, acha, achha, accha, "
    "theek, theek hai, sahi, right, yes, yeah, yep, sure, i see, go on, bolo, boliye, batao, bataiye, kahiye, "
    "हम्म, हाँ, हां, जी, हाँ जी, हां जी, जी हाँ, जी हां, ओके, अच्छा, ठीक, ठीक है, सही, बोलो, बोलिए, बताओ, बताइए, कहिए"
)
GREETINGS = phrases(
    "hello, hallo, helo, hi, haan hello, namaste, namaskar, good morning, good afternoon, good evening, kaun, kaun bol raha hai, "
    "who is this, हेलो, हैलो, नमस्ते, नमस्कार, कौन, कौन बोल रहा है"
)
"""What somebody says when they take a call; while we speak our first words it interrupts no more than a backchannel."""
_NUMBERS = frozenset(
    words(
        "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety double triple hundred thousand lakh lakhs crore "
        "crores point shunya ek do teen char chaar paanch panch chhe che saat aath nau das gyarah barah pandrah bees pachees tees "
        "chalis pachas saath sattar assi nabbe sau hazaar hazar karod शून्य एक दो तीन चार पांच पाँच छह छः सात आठ नौ दस बीस पचास सौ "
        "हज़ार हजार लाख करोड़"
    )
)
_MONTHS = frozenset(
    words(
        "january february march april may june july august september october november december "
        "जनवरी फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर"
    )
)
_OF_AMOUNT_OR_DATE = frozenset(
    words("rupee rupees rs inr rupaye rupay rupaiye tareekh tarikh taarikh date percent रुपये रुपए रुपया तारीख तारीख़")
)
_ASKS_FOR_NUMBER = frozenset(
    words(
        "amount number otp pin reference utr pincode kitna kitne kitni rakam rashi रकम राशि कितना कितने कितनी नंबर संख्या"
    )
)
_UNFINISHED = frozenset(
    words(
        "and but because or to the a an of for with if when that my i we will from in on at is are was "
        "aur lekin magar par kyunki kyonki ki ka ke ko se agar jab ya mera mere meri hamara phir fir main hum "
        "और लेकिन मगर पर क्योंकि कि का के को से अगर जब या मेरा मेरे मेरी हमारा फिर मैं हम"
    )
)
_FEELING = frozenset(
    words(
        "pareshan gussa dukhi majboor majboori died death hospital accident angry upset crying ridiculous harassment harassing "
        "unacceptable disgusting shameful परेशान गुस्सा दुखी मजबूर मौत अस्पताल"
    )
)
_TAIL_OF_DIGITS = re.compile(r"^[\d०-९][\d०-९,]*$")
_ORDINAL = re.compile(r"^\d{1,2}(?:st|nd|rd|th)$")
_UNFINISHED_MARK = re.compile(r"(?:,|…|\.\.\.|[-–—])\s*$")


def situation(
    text: str,
    *,
    after_question: bool = False,
    asked_for_number: bool = False,
    emotional: bool = False,
    fillers: Sequence[tuple[str, ...]] = FILLERS,
) -> Situation:
    """What somebody is in the middle of, by the words so far; where several fit, the one that waits for more comes first.

    A filler counts only after two or more words: alone it is an answer ("haan") or a backchannel.
    """
    said = words(text)
    if dictates(said, asked_for_number=asked_for_number):
        return "number_dictation"
    if any(len(said) >= len(filler) + 2 and said[-len(filler) :] == filler for filler in fillers):
        return "after_filler"
    if said and (said[-1] in _UNFINISHED or _UNFINISHED_MARK.search(text)):
        return "mid_sentence"
    if emotional or feels(text):
        return "emotional"
    return "after_question" if after_question else "base"


def feels(text: str) -> bool:
    """Whether somebody's words show that they are upset."""
    return any(word in _FEELING for word in words(text))


def expects(said: str) -> Expects:
    """What our own words ask for: nothing, an answer, or one with a number."""
    last = re.split(r"(?<=[.!?।])\s+", said.rstrip())[-1]
    if not last.endswith("?"):
        return "nothing"
    return "number" if _ASKS_FOR_NUMBER.intersection(words(last)) else "answer"


def dictates(said: Sequence[str], *, asked_for_number: bool = False) -> bool:
    """Whether the last words are digits or number words: two or more in a row, one that is all, or one where a number was asked for."""
    run = 0
    for word in reversed(said):
        if word not in _NUMBERS and not _TAIL_OF_DIGITS.match(word):
            break
        run += 1
    return run >= 2 or (run == 1 and (asked_for_number or len(said) == 1 or bool(_TAIL_OF_DIGITS.match(said[-1]))))


def names_amount_or_date(text: str) -> bool:
    """Whether somebody named an amount, a number or a date that is worth reading back."""
    said = words(text)
    numbers = [word for word in said if word in _NUMBERS or _TAIL_OF_DIGITS.match(word) or _ORDINAL.match(word)]
    return (
        len(numbers) >= 2
        or (bool(numbers) and any(word in _MONTHS or word in _OF_AMOUNT_OR_DATE for word in said))
        or any(len(word) >= 3 for word in numbers if _TAIL_OF_DIGITS.match(word))
    )


def is_backchannel(text: str, known: Sequence[tuple[str, ...]] = BACKCHANNELS) -> bool:
    """Whether a text says nothing but "I am listening": known phrases, one after another."""
    rest = words(text)
    longest_first = sorted(known, key=len, reverse=True)
    while rest:
        phrase = next((each for each in longest_first if rest[: len(each)] == each), None)
        if phrase is None:
            return False
        rest = rest[len(phrase) :]
    return True
