"""Stop words: messages by which a contact ends all contact at once, in ten languages, and those that begin it again."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

LONGEST = 60
"""Characters of the longest message that can be a stop word; anything longer is a sentence, for Claude to understand."""

DEFAULT_WORDS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "stop", "stop all", "stopall", "stop it", "stop this", "stop now", "unsubscribe", "unsub", "opt out", "optout",
        "remove me", "remove my number", "stop messaging me", "stop texting me", "stop calling me", "stop messages",
        "stop contacting me", "stop sending messages", "do not contact me", "dont contact me", "do not message me",
        "dont message me", "do not call me", "dont call me", "no more messages", "no more calls",
        "leave me alone", "do not disturb", "dnd", "stop promotions",
        "unsubscribe me", "stop messaging", "stop texting", "stop calling", "stop emailing me", "stop emailing", "stop calls", "stop texts",
        "stop sms", "stop emails", "stop sending me messages", "stop sending me emails", "stop sending emails", "stop sending me sms",
    ),
    "hi": (
        "स्टॉप", "बंद करो", "बंद करें", "बंद कर दो", "बंद कीजिए", "मैसेज बंद करो", "मैसेज बंद करें", "संदेश बंद करें",
        "मैसेज मत भेजो", "मैसेज मत करो", "संदेश मत भेजो", "कॉल मत करो", "फोन मत करो", "फ़ोन मत करो", "परेशान मत करो",
        "band karo", "band kar do", "band kijiye", "message band karo", "msg band karo", "message mat bhejo",
        "msg mat bhejo", "message mat karo", "msg mat karo", "call mat karo", "phone mat karo",
        "pareshan mat karo", "contact mat karo", "stop karo", "stop kar do",
        "मैसेज मत भेजिए", "मैसेज मत भेजना", "मैसेज मत कीजिए", "मैसेज न करें", "मैसेज ना करें", "मैसेज न भेजें", "मैसेज ना भेजें",
        "कॉल मत करें", "कॉल मत कीजिए", "कॉल न करें", "कॉल ना करें", "फोन मत कीजिए", "फोन न करें", "फोन ना करें",
        "नंबर हटाओ", "नंबर हटा दो", "मेरा नंबर हटाओ", "मेरा नंबर हटा दो", "मेरा नंबर हटा दीजिए",
        "message mat bhejna", "msg mat bhejna", "message mat karna", "msg mat karna", "message na karo", "message na bhejo",
        "call mat karna", "call na karo", "phone mat karna", "phone na karo",
        "number hatao", "number hata do", "mera number hatao", "mera number hata do",
        "बन्द करो", "बन्द करें", "बन्द कर दो", "बन्द कीजिए", "मैसेज बन्द करो", "मैसेज बन्द करें",
    ),
    "bn": ("স্টপ", "বন্ধ করুন", "বন্ধ করো", "বন্ধ কর", "মেসেজ বন্ধ করুন", "মেসেজ পাঠাবেন না", "কল করবেন না", "bondho korun"),
    "te": ("స్టాప్", "ఆపండి", "ఆపు", "ఆపేయండి", "మెసేజ్ పంపవద్దు", "మెసేజ్లు పంపవద్దు", "కాల్ చేయవద్దు", "aapandi"),
    "mr": ("स्टॉप", "बंद करा", "मेसेज बंद करा", "मेसेज पाठवू नका", "संदेश पाठवू नका", "फोन करू नका", "कॉल करू नका", "band kara"),
    "ta": ("ஸ்டாப்", "நிறுத்து", "நிறுத்துங்கள்", "நிறுத்தவும்", "மெசேஜ் அனுப்ப வேண்டாம்", "செய்தி அனுப்ப வேண்டாம்", "அழைக்க வேண்டாம்", "niruthu",
        "நிறுத்துங்க", "மெசேஜ் அனுப்பாதீங்க", "மெசேஜ் அனுப்பாதீர்கள்", "செய்தி அனுப்பாதீர்கள்", "கால் பண்ணாதீங்க", "போன் பண்ணாதீங்க",
        "niruthunga", "message anupadheenga", "message anuppadheenga", "call pannadheenga", "phone pannadheenga"),
    "gu": ("સ્ટોપ", "બંધ કરો", "મેસેજ બંધ કરો", "મેસેજ ન મોકલો", "મેસેજ મોકલશો નહીં", "ફોન ન કરો", "ફોન કરશો નહીં", "bandh karo"),
    "kn": ("ಸ್ಟಾಪ್", "ನಿಲ್ಲಿಸಿ", "ನಿಲ್ಲಿಸು", "ಮೆಸೇಜ್ ಕಳುಹಿಸಬೇಡಿ", "ಸಂದೇಶ ಕಳುಹಿಸಬೇಡಿ", "ಕರೆ ಮಾಡಬೇಡಿ", "nillisi"),
    "ml": ("സ്റ്റോപ്പ്", "നിർത്തുക", "നിർത്തൂ", "നിർത്തു", "മെസേജ് അയക്കരുത്", "സന്ദേശം അയക്കരുത്", "വിളിക്കരുത്", "nirthu"),
    "pa": ("ਸਟਾਪ", "ਬੰਦ ਕਰੋ", "ਬੰਦ ਕਰ ਦਿਓ", "ਮੈਸੇਜ ਬੰਦ ਕਰੋ", "ਮੈਸੇਜ ਨਾ ਭੇਜੋ", "ਸੁਨੇਹੇ ਨਾ ਭੇਜੋ", "ਫੋਨ ਨਾ ਕਰੋ"),
}  # fmt: skip
"""By language. Words that also mean "wait" or "cancel the order" are left out on purpose: Claude hears those in context."""

CHANNEL_WORDS: Mapping[str, tuple[str, ...]] = {
    "sms": (
        "cancel", "end", "quit", "arret", "arrêt", "remove", "बंद", "bandkaro", "mat bhejo", "matbhejo",
    ),
}  # fmt: skip
"""What stops on one channel beside the words above: carriers and AWS take these as STOP by SMS before we hear of them."""

START = (
    "start", "unstop", "subscribe", "resume", "opt in", "optin",
    "शुरू करो", "शुरू करें", "चालू करो", "shuru karo", "chalu karo", "চালু করুন", "ప్రారంభించండి", "सुरू करा",
    "தொடங்கு", "தொடங்குங்கள்", "શરૂ કરો", "ಪ್ರಾರಂಭಿಸಿ", "തുടങ്ങുക", "ਸ਼ੁਰੂ ਕਰੋ",
)  # fmt: skip

_POLITE = frozenset(
    {"please", "pls", "plz", "kindly", "sir", "madam", "कृपया", "प्लीज", "kripya"}
    | {"yaar", "bhai", "bhaiya", "ji", "ab", "aur", "mujhe", "mujhko", "यार", "भाई", "जी", "अब", "और", "मुझे"}
)
"""Words that are said around a stop word and change nothing of it."""
_STOP_SIGN = "\N{OCTAGONAL SIGN}"
"""🛑: the one emoji that says nothing else."""


def stop_words(overrides: Mapping[str, Sequence[str]] | None = None, *, channel: str | None = None) -> frozenset[str]:
    """The normalised words: the defaults, each language that `overrides` names replaced by its own list.

    On a `channel` with keywords of its own those count too, whatever is overridden: its provider obeys them anyway.
    """
    chosen = {**DEFAULT_WORDS, **(overrides or {})}
    every = [word for words in chosen.values() for word in words]
    return _normalised((*every, *CHANNEL_WORDS.get(channel or "", ())))


def is_stop(text: str, words: frozenset[str] | None = None) -> bool:
    """Whether the whole message is a stop word (or the stop sign), whatever its case, punctuation, emoji and politeness.

    A stop word within a sentence ("please stop by on Monday") is none. `words` come from `stop_words`.
    """
    if _STOP_SIGN in text and not normalised(text):
        return True
    return _is_one_of(text, _defaults() if words is None else words)


def is_start(text: str) -> bool:
    """Whether the whole message asks for contact again."""
    return _is_one_of(text, _starts())


def normalised(text: str) -> str:
    """Case, punctuation, emoji, joiners and repeated blanks gone; letters and their marks stay."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.translate(_KEPT).split())


class _Kept(dict[int, str]):
    """What is kept of each character, found once."""

    def __missing__(self, character: int) -> str:
        self[character] = kept = _kept(chr(character))
        return kept


_KEPT = _Kept()


def _kept(character: str) -> str:
    if character in "'’`":
        return ""
    match unicodedata.category(character)[0]:
        case "L" | "M" | "N":
            return "" if "\ufe00" <= character <= "\ufe0f" else character
        case "C" if character not in "\n\t\r":
            return ""
    return " "


def _is_one_of(text: str, words: frozenset[str]) -> bool:
    if not text or len(text) > 4 * LONGEST:
        return False
    said = normalised(text)
    if not said or len(said) > LONGEST:
        return False
    parts = said.split()
    if len(set(parts)) == 1:  # stop stop stop
        parts = parts[:1]
    if all(len(part) == 1 and part.isascii() for part in parts):  # S T O P
        parts = ["".join(parts)]
    return said in words or " ".join(part for part in parts if part not in _POLITE) in words


@lru_cache(maxsize=64)
def _normalised(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(normalised(word) for word in words) - {""}


@lru_cache(maxsize=1)
def _defaults() -> frozenset[str]:
    return stop_words()


@lru_cache(maxsize=1)
def _starts() -> frozenset[str]:
    return _normalised(START)
