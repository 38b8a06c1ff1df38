"""Which language a text is in, how it feels, and whether it asks to be left alone."""

import re
from collections.abc import Sequence
from typing import Literal

from services.sandbox.claude_text import END, START, any_of, folded, tokens, word_set

Sentiment = Literal["positive", "neutral", "negative", "angry"]

_SCRIPTS = (
    ("hi", "\u0900", "\u097f"), ("bn", "\u0980", "\u09ff"), ("pa", "\u0a00", "\u0a7f"), ("gu", "\u0a80", "\u0aff"),
    ("or", "\u0b00", "\u0b7f"), ("ta", "\u0b80", "\u0bff"), ("te", "\u0c00", "\u0c7f"), ("kn", "\u0c80", "\u0cff"),
    ("ml", "\u0d00", "\u0d7f"), ("ur", "\u0600", "\u06ff"),
)  # fmt: skip
_HINGLISH = word_set(
    "toota toote tooti hue hua hui mile aaye aayi aaya aa haan han haa ji nahi nahin nhi mat hai hain ho hun hoon tha thi hoga hogi honge kar karo karna karenge karunga "
    "karungi karega karte karke kardo kardenge karwa diya diye denge dunga dungi dega dena dijiye do kal aaj parso tak "
    "kab kahan kaha kya kyu kyun kaise kitna kitne kaun mujhe mera meri mere hum humein hamara hamein aap aapka aapko "
    "tum bhai sahab yaar abhi baad pehle phir fir thoda thodi zyada jyada galat sahi theek thik accha acha bilkul zaroor "
    "paisa paise rupaye rupay bhej bhejo bhejna bhejiye bhejenge mil mila gaya gayi gaye jayega jayegi raha rahe rahi "
    "chahiye chaiye wala wali se ko ka ki ke mein par aur ya lekin magar agar toh bhi hi sab kuch koi baat pata chalega "
    "maal saman dikkat pareshan band ruk ruko shukriya dhanyavad namaste din hafte mahine mahina shaam subah dopahar raat "
    "lakh hazaar karod aadha poora pura kist wapas krdo krunga krdenge bol bolo main maine humne unhone woh wo yeh ye isko"
)
_ENGLISH = word_set(
    "the a an i we you he she they it is are was were am be been have has had will would can could shall should do does "
    "did not no yes please thanks thank my our your me us this that these those in on at by for from of to with and or but "
    "when what where why how who which pay paid payment send sent call tomorrow today already later busy wrong number "
    "order delivery received receive need want give next week month day stop don't can't won't i'll we'll i'm it's soon "
    "invoice amount dispute confirm cancel ok okay sure"
)  # fmt: skip
# Words that stand in Hinglish sentences as they do in English ones decide nothing.
_SHARED = word_set("do to me us main par hi the is an a i payment invoice order call number ok okay please sir madam")

_OPT_OUT_WHOLE = re.compile(
    r"^\W*"
    + any_of(
        "stop|stop it|stop all|stopall|stop now|unsubscribe|unsub|opt out|optout|quit|remove me|end all|band karo|"
        "band kar do|bandh karo|ruk jao|roko|बंद करो|बंद करें|बन्द करो|रोको|रुको|थांबवा|थांबा|நிறுத்து|நிறுத்தவும்|ఆపండి|ఆపు|বন্ধ করুন|বন্ধ করো|"
        "બંધ કરો|ನಿಲ್ಲಿಸಿ|നിർത്തുക|ਬੰਦ ਕਰੋ|ବନ୍ଦ କରନ୍ତୁ"
    )
    + r"(?:\s+(?:please|pls|plz))?\W*$"
)
_CONTACTING = "(?:calls?|calling|messages?|messaging|msgs?|texts?|texting|contact(?:ing)?|e?mails?|emailing|whatsapp|sms|phone|disturb(?:ing)?|bother(?:ing)?|harass(?:ing)?|spam(?:ming)?)(?!\\w)"
_OPT_OUT = re.compile(
    "|".join(
        (
            rf"{START}(?:stop|quit)\s+(?:\w+\s+){{0,2}}{_CONTACTING}(?:\s+(?:me|us|this number))?",
            rf"{START}(?:don'?t|do not|never|dont|no more)\s+(?:ever\s+)?{_CONTACTING}(?:\s+(?:me|us|again|any ?more|on this number|here))*+{END}(?!\s+(?:before|after|until|till|now|today|at|between|on))",
            rf"{START}(?:remove|delete|take)\s+(?:me|my number|this number)(?:\s+\w+){{0,3}}\s+(?:list|database|records)",
            rf"{START}(?:unsubscribe|opt[\s-]?out|leave me alone)",
            rf"{START}(?:(?:call|message|msg|phone|whatsapp|sms|email|mail|contact)s?|mujhe|pareshan|tang)\s+(?:\w+\s+){{0,3}}(?:mat|nahi|nahin|na|band)\s+(?:bhejo|bhejna|bhejiye|karo|karna|kariye|kijiye|kar do|karen)",
            rf"{START}(?:dobara|aage se|phir se|fir se)\s+(?:\w+\s+){{0,3}}mat\s+\w+",
            rf"{START}mat\s+(?:call|message|msg|phone|contact)\s+\w+",
            rf"{START}(?:मुझे|हमें|कॉल|फोन|फ़ोन|मैसेज|मेसेज|संदेश|परेशान|तंग|दोबारा)[^.।?!]{{0,24}}\s(?:मत|न|ना|बंद)\s+(?:भेजो|भेजें|भेजिए|भेजना|करो|करें|कीजिए|करना|करिए|कर दो)",
            r"(?:மெசேஜ்|செய்தி|அழை)\S*\s+\S*\s*(?:வேண்டாம்|அனுப்பாதீர்கள்|அனுப்பாதே)",
            r"(?:మెసేజ్|కాల్)\S*\s+\S*\s*(?:వద్దు|పంపకండి|చేయకండి)",
            r"(?:মেসেজ|কল|ফোন)\S*\s+\S*\s*(?:করবেন না|পাঠাবেন না)",
            r"(?:मेसेज|फोन|कॉल)\s+(?:करू|पाठवू)\s+नका",
        )
    )
)
# "Not now" is a wish for another time, not a withdrawal.
_NOT_NOW = re.compile(START + any_of("abhi|is waqt|in a meeting|meeting mein|right now|अभी|इस वक्त") + END)
_ANGRY = re.compile(
    START
    + any_of(
        "harassment|harassing|harass|ridiculous|pathetic|shut up|nonsense|fraud|cheat|cheating|scam|legal action|lawyer|"
        "police|court|consumer forum|bakwas|bakwaas|dhokha|chor|badtameez|tang mat karo|pareshan mat karo|dimag kharab|gussa|"
        "fed up|sick of|how dare|worst|idiot|बकवास|धोखा|चोर|पुलिस|परेशान मत|गुस्सा|तंग"
    )
    + END
)
_NEGATIVE = re.compile(
    START
    + any_of(
        "problem|issue|not happy|unhappy|disappointed|bad|wrong|incorrect|damaged|broken|defective|delay|delayed|late|"
        "never received|not received|complaint|dikkat|pareshani|pareshan|kharab|galat|der|nuksan|tuta|toota|takleef|"
        "won't pay|will not pay|can't pay|cannot pay|dispute|refuse|not interested|nahi denge|nahi dunga|nahi karenge|loss|"
        "समस्या|दिक्कत|परेशानी|खराब|ख़राब|गलत|ग़लत|देर|नुकसान|शिकायत|टूटा"
    )
    + END
)
_POSITIVE = re.compile(
    START
    + any_of(
        "thanks|thank you|thx|great|perfect|good|excellent|happy|awesome|appreciate|sure|definitely|absolutely|no problem|"
        "no issue|shukriya|dhanyavad|dhanyawad|bahut accha|badhiya|zaroor|bilkul|accha|achha|theek hai|thik hai|koi dikkat nahi|"
        "धन्यवाद|शुक्रिया|बहुत अच्छा|बढ़िया|ज़रूर|जरूर|बिल्कुल|बिलकुल|ठीक है"
    )
    + END
)


def language_of(texts: Sequence[str], otherwise: str = "en") -> str:
    """The BCP 47 tag of the newest text that tells: by script, else English against Hindi in Latin letters."""
    for text in reversed(texts):
        for tag, first, last in _SCRIPTS:
            if sum(first <= c <= last for c in text) >= 2:
                return tag
        words = [word for word in tokens(text) if word not in _SHARED]
        hindi, english = sum(w in _HINGLISH for w in words), sum(w in _ENGLISH for w in words)
        if hindi or english:
            return "hi-Latn" if hindi >= english else "en"
    return otherwise


def sentiment_of(texts: Sequence[str]) -> Sentiment:
    """Angry outweighs negative, negative outweighs positive."""
    low = folded("\n".join(texts))
    if _ANGRY.search(low) or any(len(t) > 12 and t.isupper() and "!" in t for t in texts):
        return "angry"
    if _NEGATIVE.search(re.sub(r"\b(?:no|koi) (?:problem|issue|dikkat)\b", "", low)):
        return "negative"
    return "positive" if _POSITIVE.search(low) else "neutral"


def opt_out_in(text: str) -> str | None:
    """The words that ask not to be contacted any more; a stop of something else ("stop the delivery") is none."""
    low = folded(text)
    if _OPT_OUT_WHOLE.match(low):
        return text.strip()
    said = None if _NOT_NOW.search(low) else _OPT_OUT.search(low)
    return text[said.start() : said.end()].strip() if said else None
