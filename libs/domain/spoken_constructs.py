"""What is written otherwise than it is spoken: one expression, whose groups name the kinds."""

import re

DIGIT = "0-9०-९"
NUM = rf"[{DIGIT}]{{1,3}}(?:,[{DIGIT}]{{2,3}})+(?:\.[{DIGIT}]+)?|[{DIGIT}]+(?:\.[{DIGIT}]+)?"
SCALE = r"(?:crores?|cr|lakhs?|lacs?|thousand|hazaa?r|million|करोड़|लाख|हज़ार|हजार)(?![A-Za-z])"
_RUPEE_WORD = r"(?:rupees?|rupaye|rupay|रुपये|रुपए|INR|Rs\.?)(?![A-Za-z])"
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)(?![A-Za-z])"
_B = r"(?<![\w.,/-])"  # a number begins here
_E = r"(?![\w])"

CONSTRUCT = re.compile(
    "|".join(
        (
            r"(?P<url>https?://\S+[^\s.,;:!?)।]|www\.\S+[^\s.,;:!?)।])",
            r"(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)",
            rf"(?P<amount>{_B}(?:₹|(?:Rs\.?|INR|रु\.?)(?=\s*-?[{DIGIT}])|[$€£])\s*-?(?:{NUM})(?:\s*{SCALE})?(?:/-)?(?:\s*{_RUPEE_WORD})?)",
            rf"(?P<rupees>{_B}(?:{NUM})(?:\s*{SCALE})?(?:/-|\s*{_RUPEE_WORD}))",
            rf"(?P<iso>{_B}[{DIGIT}]{{4}}-[{DIGIT}]{{2}}-[{DIGIT}]{{2}}(?:T[\d:.+Z-]+)?{_E})",
            rf"(?P<dmy>{_B}[{DIGIT}]{{1,2}}[/.-][{DIGIT}]{{1,2}}[/.-][{DIGIT}]{{4}}{_E})",
            rf"(?P<day>{_B}[{DIGIT}]{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}(?:,?\s+[{DIGIT}]{{4}}(?![,{DIGIT}]))?{_E})",
            rf"(?P<month>\b{_MONTH}\s+[{DIGIT}]{{1,2}}(?:st|nd|rd|th)?(?![{DIGIT}])(?:,?\s+[{DIGIT}]{{4}}(?![,{DIGIT}]))?{_E})",
            rf"(?P<time>{_B}[{DIGIT}]{{1,2}}:[{DIGIT}]{{2}}(?::[{DIGIT}]{{2}})?(?:\s*(?:[aApP]\.?[mM]\.?|baje|बजे)(?![A-Za-z]))?)",
            (rf"(?P<phone>(?<![\w.,])\+[{DIGIT}][{DIGIT} -]{{8,15}}[{DIGIT}]{_E}|{_B}1[68]00[ -]?[{DIGIT}]{{3}}[ -]?[{DIGIT}]{{3,4}}{_E}"
            rf"|{_B}[{DIGIT}]{{5}}[ -][{DIGIT}]{{5}}{_E}|{_B}[{DIGIT}]{{10,}}{_E})"),
            rf"(?P<percent>{_B}(?:{NUM})\s*%)",
            rf"(?P<ordinal>{_B}[{DIGIT}]{{1,3}}(?:st|nd|rd|th){_E})",
            rf"(?P<range>{_B}[{DIGIT}]{{1,3}}\s?[-–]\s?[{DIGIT}]{{1,3}}(?![\w-]))",
            rf"(?P<code>{_B}(?=[\w/-]*[{DIGIT}])(?=[\w/-]*[A-Za-z])[A-Za-z{DIGIT}]+(?:[/_-][A-Za-z{DIGIT}]+)*|{_B}[{DIGIT}]+(?:[/-][{DIGIT}]+)+{_E})",
            rf"(?P<scaled>{_B}(?:{NUM})\s*{SCALE})",
            rf"(?P<number>(?<![\w])-?(?:{NUM}){_E})",
            rf"(?P<word>(?<![\w])(?:Rs\.?|INR|Pvt\.|Ltd\.|M/s\.?|[Aa]/c|No\.(?=\s*[#{DIGIT}])|e\.g\.|i\.e\.|etc\.|approx\.|w/o)(?![\w])|[&+=@%₹])",
        )
    )
)  # fmt: skip
"""What is written otherwise than it is spoken."""
