"""What the agent says on the phone by itself, without Claude, in the languages that it speaks. No line names a matter, and none that may be
said to somebody who was erased, or said stop, promises that they hear from us."""

from collections.abc import Mapping
from typing import Literal, get_args

Language = Literal["en", "hi", "hi-Latn"]
"""English, Hindi in Devanagari, Hinglish (Hindi in Latin letters)."""
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "hi-Latn"

Line = Literal[
    "gentle_prompt", "check_in", "final_check", "goodbye", "hold_on", "hold_on_again", "trouble", "time_up",
    "consent", "callback", "voicemail", "nod", "nod_again", "welcome", "handing_over", "unreached", "stopped",
]  # fmt: skip
LINES: tuple[Line, ...] = get_args(Line)

TEXTS: Mapping[Language, Mapping[Line, str]] = {
    "en": {
        "gentle_prompt": "Hello? Can you hear me?",
        "check_in": "Are you still on the line?",
        "final_check": "I cannot hear you. Could you say something, please?",
        "goodbye": "It seems that we cannot talk right now. Goodbye.",
        "hold_on": "One moment.",
        "hold_on_again": "Just one more moment, please.",
        "trouble": "I am sorry, there is a problem on our side. Please try again later. Goodbye.",
        "time_up": "I am afraid that our time is over. Thank you, goodbye.",
        "consent": "This call is recorded.",
        "callback": "All right, we will call you again.",
        "voicemail": "Hello, this is a message from our office. Please call us back when it suits you. Thank you.",
        "nod": "Hmm.",
        "nod_again": "Okay.",
        "welcome": "One moment, please.",
        "handing_over": "One moment, I am connecting you with a colleague. Please stay on the line.",
        "unreached": "I am sorry, none of my colleagues is free at this moment. When may one of them call you?",
        "stopped": "All right, we will not contact you any more. Goodbye.",
    },
    "hi": {
        "gentle_prompt": "हैलो? क्या आप सुन पा रहे हैं?",
        "check_in": "क्या आप अभी लाइन पर हैं?",
        "final_check": "मुझे आपकी आवाज़ नहीं आ रही है। क्या आप कुछ बोल सकते हैं?",
        "goodbye": "लगता है अभी बात नहीं हो पा रही है। नमस्ते।",
        "hold_on": "एक सेकंड।",
        "hold_on_again": "बस एक सेकंड और।",
        "trouble": "माफ़ कीजिए, हमारी तरफ़ कुछ दिक्कत है। कृपया थोड़ी देर बाद कोशिश कीजिए। नमस्ते।",
        "time_up": "माफ़ कीजिए, समय पूरा हो गया है। धन्यवाद, नमस्ते।",
        "consent": "यह कॉल रिकॉर्ड की जा रही है।",
        "callback": "ठीक है, हम आपको फिर कॉल करेंगे।",
        "voicemail": "नमस्ते, यह हमारे ऑफ़िस का संदेश है। जब भी समय मिले, कृपया हमें कॉल कीजिए। धन्यवाद।",
        "nod": "हम्म।",
        "nod_again": "जी।",
        "welcome": "कृपया एक मिनट लाइन पर रहिए।",
        "handing_over": "एक मिनट, मैं आपकी बात हमारे साथी से करवाती हूँ। कृपया लाइन पर रहिए।",
        "unreached": "माफ़ कीजिए, अभी कोई साथी खाली नहीं है। वे आपको कब कॉल करें?",
        "stopped": "ठीक है, अब हम आपसे संपर्क नहीं करेंगे। नमस्ते।",
    },
    "hi-Latn": {
        "gentle_prompt": "Hello? Aap sun pa rahe hain?",
        "check_in": "Kya aap abhi line par hain?",
        "final_check": "Mujhe aapki awaaz nahi aa rahi hai. Kya aap bol sakte hain?",
        "goodbye": "Lagta hai abhi baat nahi ho pa rahi hai. Namaste.",
        "hold_on": "Ek second.",
        "hold_on_again": "Bas ek second aur.",
        "trouble": "Maaf kijiye, hamari taraf kuch dikkat hai. Kripya thodi der baad koshish kijiye. Namaste.",
        "time_up": "Maaf kijiye, samay poora ho gaya hai. Dhanyavaad, namaste.",
        "consent": "Yeh call record ki ja rahi hai.",
        "callback": "Theek hai, hum aapko phir call karenge.",
        "voicemail": "Namaste, yeh hamare office ka message hai. Jab bhi samay mile, please humein call kijiye. Dhanyavaad.",
        "nod": "Hmm.",
        "nod_again": "Ji.",
        "welcome": "Kripya ek minute line par rahiye.",
        "handing_over": "Ek minute, main aapki baat hamare saathi se karwati hoon. Kripya line par rahiye.",
        "unreached": "Maaf kijiye, abhi koi saathi khaali nahi hai. Woh aapko kab call karein?",
        "stopped": "Theek hai, ab hum aapse sampark nahi karenge. Namaste.",
    },
}


def language_of(told: str | None) -> Language:
    """The language of ours that is meant by a tag such as `hi`, `hi-IN`, `en-GB`, `hinglish`; Hinglish where none is."""
    tag = (told or "").strip().lower().replace("_", "-")
    if tag in ("hinglish", "hi-latn", "hi-latn-in"):
        return "hi-Latn"
    by_prefix: Mapping[str, Language] = {"en": "en", "hi": "hi"}
    return by_prefix.get(tag.split("-")[0], DEFAULT)


def line(name: Line, language: Language, own: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """What is said, in a language; `own` is `voice.lines` of the settings, which comes first."""
    return (own or {}).get(language, {}).get(name) or TEXTS[language][name]
