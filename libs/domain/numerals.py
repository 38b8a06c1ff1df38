"""Numbers in words as they are said in India: lakh and crore, in English, Hindi and Hinglish.

num2words has Indian English and no Hindi that says "baavan hazaar"; the names from 0 to 99 are irregular in Hindi, hence a table.
"""

from decimal import Decimal

from num2words import num2words

from libs.domain.call_lines import Language

HINGLISH = [
    "shunya",
    "ek",
    "do",
    "teen",
    "chaar",
    "paanch",
    "chhah",
    "saat",
    "aath",
    "nau",
    "das",
    "gyarah",
    "baarah",
    "terah",
    "chaudah",
    "pandrah",
    "solah",
    "satrah",
    "athaarah",
    "unnees",
    "bees",
    "ikkees",
    "baees",
    "teis",
    "chaubees",
    "pachchees",
    "chhabbees",
    "sattaees",
    "atthaees",
    "untees",
    "tees",
    "ikattees",
    "battees",
    "taintees",
    "chauntees",
    "paintees",
    "chhattees",
    "saintees",
    "adtees",
    "untaalees",
    "chaalees",
    "iktaalees",
    "bayaalees",
    "taintaalees",
    "chauvaalees",
    "paintaalees",
    "chhiyaalees",
    "saintaalees",
    "adtaalees",
    "unchaas",
    "pachaas",
    "ikyaavan",
    "baavan",
    "tirpan",
    "chauvan",
    "pachpan",
    "chhappan",
    "sattaavan",
    "atthaavan",
    "unsath",
    "saath",
    "iksath",
    "baasath",
    "tirsath",
    "chaunsath",
    "painsath",
    "chhiyaasath",
    "sadsath",
    "adsath",
    "unhattar",
    "sattar",
    "ikhattar",
    "bahattar",
    "tihattar",
    "chauhattar",
    "pachhattar",
    "chhihattar",
    "satahattar",
    "athhattar",
    "unaasi",
    "assi",
    "ikyaasi",
    "bayaasi",
    "tiraasi",
    "chauraasi",
    "pachaasi",
    "chhiyaasi",
    "sattaasi",
    "atthaasi",
    "navaasi",
    "nabbe",
    "ikyaanve",
    "baanve",
    "tiraanve",
    "chauraanve",
    "pachaanve",
    "chhiyaanve",
    "sattaanve",
    "atthaanve",
    "ninyaanve",
]
HINDI = [
    "शून्य",
    "एक",
    "दो",
    "तीन",
    "चार",
    "पाँच",
    "छह",
    "सात",
    "आठ",
    "नौ",
    "दस",
    "ग्यारह",
    "बारह",
    "तेरह",
    "चौदह",
    "पंद्रह",
    "सोलह",
    "सत्रह",
    "अठारह",
    "उन्नीस",
    "बीस",
    "इक्कीस",
    "बाईस",
    "तेईस",
    "चौबीस",
    "पच्चीस",
    "छब्बीस",
    "सत्ताईस",
    "अट्ठाईस",
    "उनतीस",
    "तीस",
    "इकतीस",
    "बत्तीस",
    "तैंतीस",
    "चौंतीस",
    "पैंतीस",
    "छत्तीस",
    "सैंतीस",
    "अड़तीस",
    "उनतालीस",
    "चालीस",
    "इकतालीस",
    "बयालीस",
    "तैंतालीस",
    "चौवालीस",
    "पैंतालीस",
    "छियालीस",
    "सैंतालीस",
    "अड़तालीस",
    "उनचास",
    "पचास",
    "इक्यावन",
    "बावन",
    "तिरपन",
    "चौवन",
    "पचपन",
    "छप्पन",
    "सत्तावन",
    "अट्ठावन",
    "उनसठ",
    "साठ",
    "इकसठ",
    "बासठ",
    "तिरसठ",
    "चौंसठ",
    "पैंसठ",
    "छियासठ",
    "सड़सठ",
    "अड़सठ",
    "उनहत्तर",
    "सत्तर",
    "इकहत्तर",
    "बहत्तर",
    "तिहत्तर",
    "चौहत्तर",
    "पचहत्तर",
    "छिहत्तर",
    "सतहत्तर",
    "अठहत्तर",
    "उनासी",
    "अस्सी",
    "इक्यासी",
    "बयासी",
    "तिरासी",
    "चौरासी",
    "पचासी",
    "छियासी",
    "सत्तासी",
    "अट्ठासी",
    "नवासी",
    "नब्बे",
    "इक्यानवे",
    "बानवे",
    "तिरानवे",
    "चौरानवे",
    "पचानवे",
    "छियानवे",
    "सत्तानवे",
    "अट्ठानवे",
    "निन्यानवे",
]
ENGLISH_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

_SCALES = {
    "hi-Latn": ((10**7, "crore"), (10**5, "lakh"), (1000, "hazaar"), (100, "sau")),
    "hi": ((10**7, "करोड़"), (10**5, "लाख"), (1000, "हज़ार"), (100, "सौ")),
}
_HALVES = {
    "hi-Latn": {"1.5": "dedh", "2.5": "dhaai", "else": "saadhe"},
    "hi": {"1.5": "डेढ़", "2.5": "ढाई", "else": "साढ़े"},
}
_MINUS = {"en": "minus", "hi-Latn": "minus", "hi": "माइनस"}
_POINT = {"en": "point", "hi-Latn": "point", "hi": "दशमलव"}
_MONEY = {
    "en": ("rupee", "rupees", "and", "paisa", "paise"),
    "hi-Latn": ("rupaya", "rupaye", "aur", "paisa", "paise"),
    "hi": ("रुपया", "रुपये", "और", "पैसा", "पैसे"),
}
LARGEST = 10**13
"""Beyond it a number is read digit by digit."""


def cardinal(number: int, language: Language) -> str:
    """A whole number: 252400 is "two lakh fifty-two thousand four hundred", "do lakh baavan hazaar chaar sau"."""
    if number < 0:
        return f"{_MINUS[language]} {cardinal(-number, language)}"
    if number >= LARGEST:
        return digits(str(number), language)
    if language == "en":
        crores, rest = divmod(number, 10**7)  # num2words ends at a thousand of them
        above = [cardinal(crores, language), "crore"] if crores else []
        said = [str(num2words(rest, lang="en_IN")).replace(",", "")] if rest or not crores else []
        return " ".join(above + said)
    return " ".join(_hindi(number, language))


def ordinal(number: int) -> str:
    """English: 20 is "twentieth"."""
    return str(num2words(number, lang="en_IN", to="ordinal")).replace(",", "")


def decimal(number: Decimal, language: Language, *, scaled: bool = False) -> str:
    """A number with its decimals digit by digit. `scaled`: lakh or the like follows, which Hindi says "dhaai lakh" of 2.5."""
    whole, _, after = f"{abs(number):f}".partition(".")
    after = after.rstrip("0")
    if not after:
        said = cardinal(int(whole), language)
    elif scaled and after == "5" and language in _HALVES and int(whole) > 0:
        said = _HALVES[language].get(f"{int(whole)}.5") or (
            f"{_HALVES[language]['else']} {cardinal(int(whole), language)}"
        )
    else:
        said = f"{cardinal(int(whole), language)} {_POINT[language]} {digits(after, language)}"
    return f"{_MINUS[language]} {said}" if number < 0 else said


def digits(text: str, language: Language) -> str:
    """Digit by digit; in Hinglish, too, they are said in English."""
    names = HINDI if language == "hi" else ENGLISH_DIGITS
    return " ".join(names[int(each)] for each in text if each.isdecimal())


def rupees(amount: Decimal, language: Language) -> str:
    """An amount in rupees and paise."""
    one, many, joint, paisa, paise_many = _MONEY[language]
    whole, cents = divmod(int((abs(amount) * 100).to_integral_value()), 100)
    said = f"{cardinal(whole, language)} {one if whole == 1 else many}"
    if cents:
        coins = f"{cardinal(cents, language)} {paisa if cents == 1 else paise_many}"
        said = f"{said} {joint} {coins}" if whole else coins
    return f"{_MINUS[language]} {said}" if amount < 0 else said


def year(number: int, language: Language) -> str:
    """2026 is "twenty twenty-six"; Hindi says it as a number."""
    if language == "hi":
        return cardinal(number, language)
    return str(num2words(number, lang="en", to="year")).replace(",", "")


def _hindi(number: int, language: Language) -> list[str]:
    names = HINDI if language == "hi" else HINGLISH
    if number < 100:
        return [names[number]]
    for scale, name in _SCALES[language]:
        if number >= scale:
            above, rest = divmod(number, scale)
            return [*_hindi(above, language), name, *(_hindi(rest, language) if rest else [])]
    raise AssertionError(number)
