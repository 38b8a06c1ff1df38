"""What people commonly say in follow-ups, in English, Hinglish and Hindi, and the English words that name each notion."""

import re
from dataclasses import dataclass

from services.sandbox.claude_text import END, START, any_of, folded


@dataclass(frozen=True, slots=True)
class Notion:
    """A common meaning: how it is said (regular expressions over folded text) and what an intent for it may be called.

    `named` are groups of English stems; an intent whose name and description hold all stems of a group means this.
    `weak` notions ("yes") count only where no other is found. `unless` names notions that take its place.
    """

    name: str
    said: tuple[re.Pattern[str], ...]
    named: tuple[frozenset[str], ...]
    weak: bool = False
    unless: tuple[str, ...] = ()

    def words_in(self, text: str) -> str | None:
        """The words that say it, as written; None where the text does not."""
        low = folded(text)
        for pattern in self.said:
            if m := pattern.search(low):
                return text[m.start() : m.end()].strip()
        return None


def _meaning(
    name: str, phrases: str, named: str, *more: str, weak: bool = False, unless: tuple[str, ...] = ()
) -> Notion:
    said = [re.compile(START + any_of(phrases) + END)] if phrases else []
    return Notion(
        name,
        (*said, *(re.compile(pattern) for pattern in more)),
        tuple(frozenset(group.split("+")) for group in named.split()),
        weak,
        unless,
    )


_PAY = "(?:pay|clear|settle|transfer|remit|release|deposit|make (?:the |a )?payment|do (?:the |it)|send (?:the )?(?:money|payment|amount|it))"
_H_FUTURE = (
    "(?:kar|kr|de|bhej|karwa|karva|daal|dal|transfer kar|clear kar|jama kar|chuka|release kar)\\s?"
    "(?:denge|denga|dunga|doonga|dungi|dega|degi|dete hai|dete hain|deta hoon|deta hun|deti hoon|enge|engay|unga|ungi|denge na|deu|diya ja(?:ye|e)ga)"
    "|(?:karenge|karunga|karungi|krenge|krunga|bhejenge|bhejunga|bhejungi|denge|dunga|doonga|dungi|chukayenge|chukaunga)"
    "|ho ja(?:ye|e)ga|ho jaega|mil ja(?:ye|e)ga|mil jaega"
)
_D_FUTURE = "(?:कर|दे|भेज|चुका|करवा|जमा कर|क्लियर कर)\\s?(?:देंगे|दूंगा|दूँगा|दूंगी|दूँगी|देगा|देगी|ेंगे|ूंगा|ूँगा|ूंगी)|करेंगे|करूंगा|करूँगा|करूंगी|देंगे|दूंगा|दूँगा|दूंगी|भेजेंगे|भेजूंगा|चुकाएंगे|हो जाएगा|हो जायेगा|मिल जाएगा"
_H_PAST = "(?:kar|kr|de|bhej|karwa|daal|jama kar|transfer kar|clear kar)\\s?(?:diya|di|dia|diye|chuke|chuka)|(?:kar|kr)\\s?chuk[ae]|ho (?:gaya|gayi|gya|chuka)|ho chuki|pahuch gaya|bheja hai|kiya hai|kiya tha|de di hai"
_D_PAST = "(?:कर|दे|भेज|जमा कर|ट्रांसफर कर|करवा)\\s?(?:दिया|दी|दिए|चुके|चुका)|हो (?:गया|गई|चुका|चुकी)|भेजा है|किया है|किया था"
_PAYWORD = "(?:payment|pay|paise|paisa|amount|bill|invoice|rakam|transfer|neft|rtgs|upi|cheque|money|dues|balance|भुगतान|पेमेंट|पैसे|पैसा|रकम|राशि|बिल|ट्रांसफर)"

NOTIONS: tuple[Notion, ...] = (
    _meaning("wrong_person", "wrong number|wrong person|not the right person|galat number|galat insaan|no longer work here|"
            "no longer works here|doesn't work here|does not work here|left the company|you have the wrong|not my company|"
            "company chhod di|not my department|not responsible for|don't handle|do not handle|does not handle|don't deal with|mera kaam nahi|"
            "mera department nahi|main nahi dekhta|main nahi dekhti|गलत नंबर|ग़लत नंबर|रॉन्ग नंबर", "wrong+person wrong+number wrong+contact not+right+person",
            rf"{START}(?:i am|i'm|this is|main|mai|मैं)\s+(?:not|nahi|nahin|नहीं)\s+\S+\s+(?:hoon|hun|hu|हूं|हूँ)",
            rf"{START}(?:i am|i'm|this is)\s+not\s+[a-z]+\W*$",
            rf"{START}(?:main|mai|मैं)\s+\S+\s+(?:nahi|nahin|नहीं)\s+(?:hoon|hun|hu|हूं|हूँ)"),
    _meaning("refuse", "won't pay|will not pay|not going to pay|refuse to pay|can't pay|cannot pay|unable to pay|"
            "not interested|no intention", "refuse reject+pay decline not+interested won't+pay not+pay cannot+pay unable+pay",
            rf"{START}(?:nahi|nahin|nhi|नहीं|नही)\s+(?:(?:kar|de|पाएंगे|कर|दे)\s+)?(?:denge|dunga|doonga|karenge|karunga|paenge|payenge|sakte|sakta|देंगे|दूंगा|दूँगा|करेंगे|करूंगा|सकते|सकता)"),
    _meaning("not_received", "not received|haven't received|have not received|did not receive|didn't receive|didn't get|"
            "did not get|never received|not delivered|not arrived|hasn't arrived|nahi mila|nahi mili|nahin mila|nahi aaya|nahi aayi|"
            "nahi pahucha|nahin aaya|nhi mila|नहीं मिला|नहीं मिली|नहीं आया|नहीं पहुंचा|नहीं पहुँचा", "not+receive not+deliver miss non+delivery late+deliver"),
    _meaning("already_paid", "already paid|already done|already sent|already transferred|already cleared|payment done|payment made|"
            "payment completed|payment is done|payment has been made|have paid|has been paid|we've paid|i've paid|"
            "pay kar diya|pay kar chuke|paid it|paid on|paid via|paid by|paid through|paid yesterday|paid last|paid in full|"
            "we paid|i paid|transferred the|transferred yesterday|sent the payment|already settled",
            "already+paid paid already+pay already+settled pay+done settled claim+paid pay+made",
            r"^\W*(?:paid|done paid|payment done)\W*$",
            rf"{START}{_PAYWORD}{END}[^.?!]{{0,30}}?{START}(?:{_H_PAST}|{_D_PAST}){END}(?!\s+(?:ja|जा))",
            rf"{START}(?:{_H_PAST}|{_D_PAST}){END}[^.?!]{{0,20}}?{START}{_PAYWORD}{END}",
            rf"(?:₹|rs\.?|lakh|hazaar|hazar|\d)[^.?!]{{0,24}}{START}(?:bhej|transfer kar|de|jama kar|भेज|दे|जमा कर)\s?(?:diya|diye|di|दिया|दिए|दी){END}",
            rf"{START}(?:kal|parso|aaj|कल|आज|परसों)(?:\s+(?:hi|ही))?\s+(?:{_H_PAST}|{_D_PAST}){END}",
            unless=("partial",)),
    _meaning("dispute", "dispute|not correct|incorrect|overcharged|wrong amount|wrong invoice|wrong bill|wrong rate|"
            "not agree|don't agree|do not agree|disagree|doesn't match|does not match|mismatch|excess charged|never ordered|didn't order|"
            "did not order|not our invoice|amount is wrong|invoice is wrong|bill is wrong|price is wrong|rate is wrong|galat hai|galat amount|galat bill|galat invoice|"
            "amount galat|bill galat|invoice galat|rate galat|zyada laga|zyada charge|order nahi kiya|humne nahi mangaya|"
            "गलत है|ग़लत है|बिल गलत|इनवॉइस गलत|राशि गलत|ज़्यादा लगाया|ज्यादा लगाया|मंगाया ही नहीं", "dispute disagree contest wrong+amount incorrect object overcharge challenge",
            unless=("wrong_person",)),
    _meaning("details", "", "detail how+many exact",
            r"\d+\s*(?:\w+\s+){0,3}(?:toot|tut|kharab|damag|missing|kam |broken|defect|short)|\d+\s[^.?!]{0,12}(?:टूट|खराब|कम )"),
    _meaning("proof", "utr|transaction id|txn id|reference number|reference no|ref no|receipt|screenshot|payment proof|proof|payment slip|यूटीआर|रेफरेंस|रेफ़रेंस|रसीद|स्क्रीनशॉट",
            "proof reference receipt"),
    _meaning("all_fine", "date is fine|date works|date suits|date chalega|date chalegi|chalega|तारीख ठीक है|चलेगा|all good|all fine|all ok|all okay|all correct|everything is fine|everything is ok|everything is good|everything is correct|looks good|"
            "sab sahi|sab theek|sab thik|sab badhiya|sab accha|sahi hai|सब ठीक|सब सही|सही है",
            "correct satisfied fine confirm accept acknowledge", unless=("received", "not_received", "damaged", "dispute", "promise", "reschedule")),
    _meaning("distress", "passed away|expired yesterday|death in|died|funeral|in hospital|hospitalised|hospitalized|met with an accident|had an accident|"
            "guzar gaye|guzar gaya|guzar gayi|nahi rahe|nahi rahi|dehant|hospital mein|accident ho gaya|देहांत|निधन|नहीं रहे|गुज़र गए|गुजर गए|अस्पताल",
            "bereave death distress ill+family"),
    _meaning("complain", "complain|complaint|harassment|harassing|harass|legal notice|lawyer|consumer court|ombudsman|rbi|police|pathetic|ridiculous|rude|"
            "badtameezi|pareshan kar|tang kar|dhamki|शिकायत|परेशान कर|तंग कर|धमकी", "complain anger angry harass", unless=("dispute", "damaged")),
    _meaning("damaged", "damaged|defective|broken|faulty|bad quality|poor quality|short supply|wrong item|wrong product|not working|"
            "kharab|galat aaya|galat aayi|galat aaye|galat mila|galat maal|galat saamaan|galat saaman|wrong size|size galat|wrong colour|toota|toote|tooti|tute|tuti|missing|kam mila|kam mile|kam aayi|kam aaye|kam hai|tuta hua|damage hai|quality kharab|kam nikla|kam aaya|खराब|ख़राब|टूटा|टूटे|क्वालिटी", "damage defect quality broken faulty issue+order problem+order return"),
    _meaning("return_goods", "return it|return the|want to return|send it back|take it back|refund|wapas karna|wapas lo|wapas le|"
            "replace|replacement|exchange|वापस|रिफंड", "return refund replace exchange"),
    _meaning("partial", "partial|part payment|half payment|baaki|baki|and the rest|rest later|बाकी|half now|pay half|some amount|in parts|installment|installments|instalment|"
            "instalments|emi|aadha|adha|thoda payment|thoda abhi|kist|kiston|kuch payment|tukdo|आधा|किस्त|किस्तों|थोड़ा भुगतान",
            "partial part+pay installment instalment half split pay+plan", unless=("ask_amount",)),
    _meaning("more_time", "more time|extension|extend|few more days|some time|need time|postpone|grace period|time chahiye|thoda time|"
            "thoda samay|mohlat|waqt chahiye|samay chahiye|time do|time dijiye|time de do|aur time|समय चाहिए|थोड़ा समय|वक्त चाहिए|टाइम चाहिए|मोहलत",
            "more+time extension extend need+time postpone delay+pay grace"),
    _meaning("hardship", "cash flow|no money|no funds|financial problem|financial difficulty|business is down|lost my job|paisa nahi|"
            "paise nahi|paise nahin|tangi|mandi|dikkat chal|problem chal|पैसे नहीं|पैसा नहीं|तंगी|मंदी", "hardship difficulty financial+problem no+money cash+flow", unless=("refuse",)),
    _meaning("promise", "will pay|shall pay|going to pay|can pay|i'll pay|we'll pay|promise|pay you|pay by|pay on|pay it by|pay tomorrow|pay today|"
            "you will get it|you'll get it|you will receive|payment will|will be paid|will be done|will be cleared|will transfer|will clear|"
            "would pay|planning to pay|tak pakka|ko pakka|पक्का कर|cheque ready|pay next|pay before|pay after|pay within|pay in",
            "promise promise+pay will+pay commit agree+pay pay+date intend+pay pay+later say+when+pay",
            rf"{START}(?:i|we|they|accounts|team)(?:'ll| will| shall| can| would| am going to| are going to)\s+(?:\w+\s+){{0,2}}?{_PAY}",
            rf"{START}(?:{_H_FUTURE}){END}", rf"{START}(?:{_D_FUTURE})",
            unless=("refuse", "call_later", "partial")),
    _meaning("call_later", "call later|call me later|call back|callback|call me back|call after|call me after|call tomorrow|call me tomorrow|call me at|call me on|call at|"
            "talk later|speak later|text later|ring me|reach me later|baad mein call|baad me call|baad mein baat|baad me baat|baad mein phone|phir call|"
            "call karna|call karo|call kijiye|call kariye|phone karna|phone karo|phone kijiye|baat karte hain|baat karenge|call kar lena|"
            "बाद में कॉल|बाद में बात|बाद में फोन|फोन करना|फोन करें|कॉल करें|कॉल करना|कॉल कीजिए|कॉल करो|फोन कीजिए|बात करेंगे|बाद में फ़ोन",
            "call+later call+back callback busy later+call contact+later another+time later reschedule+call call+again",
            rf"{START}(?:call|ring|phone|message|remind|contact|write to)\s+(?:me|us)\s+(?:again\s+)?(?:next|on|in|after|around|tomorrow|later|agle|kal)",
            rf"{START}(?:kal|agle hafte|agle mahine|baad mein|baad me|somvaar ko|monday ko)\s+(?:phir\s+)?(?:yaad dila|puchh|pooch|message kar|phone kar|call kar)"),
    _meaning("busy", "busy|in a meeting|driving|can't talk|cannot talk|not now|not a good time|meeting mein|meeting me|abhi nahi|abhi busy|gaadi chala|"
            "व्यस्त|मीटिंग|अभी नहीं|गाड़ी चला|बिज़ी|बिजी", "busy call+later call+back later callback another+time not+now",
            unless=("call_later", "promise")),
    _meaning("ask_document", "send invoice|send the invoice|send me the invoice|share invoice|share the invoice|invoice copy|copy of the invoice|copy of invoice|"
            "send bill|send the bill|bill copy|resend|statement|ledger|send me a copy|send a copy|need the invoice|need invoice|invoice bhej|bill bhej|invoice ki copy|bill ki copy|"
            "invoice do|invoice dijiye|invoice dobara|bill dijiye|copy bhej|invoice share|invoice nahi mila|bill nahi mila|email the invoice|"
            "इनवॉइस भेज|बिल भेज|कॉपी भेज|बिल की कॉपी|इनवॉइस की कॉपी|बिल दीजिए",
            "ask+invoice send+invoice invoice+copy copy need+invoice want+invoice request+invoice statement document ask+document bill+copy request+copy",
            rf"{START}(?:send|share|email|mail|forward|whatsapp)\s+(?:\w+\s+){{0,3}}(?:invoice|bill|copy|statement|pdf|document)"),
    _meaning("ask_link", "payment link|pay link|upi id|qr code|qr|account number|account details|bank details|bank detail|how to pay|how do i pay|how can i pay|"
            "link bhej|link send|link do|account no|kaise pay|kaise karu|kahan bheju|किस खाते|लिंक भेज|खाता नंबर|कैसे भुगतान",
            "pay+link link how+pay bank+detail account+detail upi ask+link"),
    _meaning("ask_which", "which invoice|which bill|which order|what invoice|what bill|what order|what is this about|what is this for|what's this about|what is this invoice|"
            "what is this bill|which one|kaunsa invoice|kaun sa invoice|kaunsa bill|kaun sa bill|kaunsa order|kis invoice|kis bill|kis cheez|kis baare|kiska bill|"
            "कौन सा बिल|कौनसा बिल|कौन सा इनवॉइस|किस बारे|किस बिल|किसका बिल", "ask+which ask+what which+invoice"),
    _meaning("ask_amount", "how much|what is the amount|what's the amount|total amount|outstanding amount|kitna|kitne ka|kitni|कितना|कितने|कितनी",
            "how+much ask+amount amount+due ask+balance outstanding+amount balance price+enquiry ask+price"),
    _meaning("track", "where is my order|where is the order|where's my|track|tracking|delivery status|order status|status of|kahan hai|kahan tak|kab aayega|kab aayegi|"
            "kab milega|kab tak aayega|kab tak milega|kab deliver|when will it arrive|when will it come|when will i get|when will i receive|expected delivery|"
            "कहां है|कहाँ है|कब आएगा|कब मिलेगा|कब तक", "track where+order order+status deliver+status ask+status ask+deliver when+deliver ask+when shipment+status"),
    _meaning("cancel", "cancel|cancelled|cancel it|cancel karo|cancel kar do|cancel kardo|call off|don't want it|do not want it|no longer need|don't need|nahi chahiye|"
            "order band|rad kar|रद्द|कैंसल|कैंसिल|नहीं चाहिए", "cancel withdraw+order no+longer+want no+longer+need"),
    _meaning("received", "all received|received all|everything arrived|everything received|received everything|received the goods|received the order|received the material|got the goods|got the order|got the material|has arrived|have received|i received|we received|been delivered|was delivered|mil gaya|mil gayi|mil gya|mila hai|pahuch gaya|"
            "aa gaya|मिल गया|मिल गई|आ गया|पहुंच गया|पहुँच गया", "receive confirm+receipt confirm+deliver deliver+receive got", unless=("not_received", "damaged")),
    _meaning("change_order", "change the quantity|change quantity|change the order|change my order|reduce the quantity|increase the quantity|add more|deliver only|send only|only half|"
            "quantity kam|quantity badha|quantity badal|order badal|order change|sirf aadha|मात्रा बदल|ऑर्डर बदल|मात्रा कम|आधा ही",
            "change+order modify+order update+order amend+order change+quantity",
            rf"{START}(?:make it|instead of|rather than|ki jagah|की जगह){END}[^.?!]{{0,20}}\d|\d[^.?!]{{0,20}}{START}(?:instead of|ki jagah|की जगह){END}",
            rf"{START}quantity\s+\d+\s+(?:kar|kr|karo|rakho)|{START}\d+\s+(?:kar do|kardo|kar dijiye|कर दो|कर दीजिए)"),
    _meaning("reschedule", "reschedule|doesn't suit|does not suit|not suit us|date theek nahi|date thik nahi|nahi chalega|nahi chalegi|yeh date nahi|तारीख ठीक नहीं|नहीं चलेगा|change the date|another date|different date|change delivery|deliver later|deliver on|date change|date badal|baad mein deliver|"
            "delivery baad|तारीख बदल|बाद में डिलीवर", "reschedule change+date another+date deliver+later deliver+date change+deliver"),
    _meaning("change_address", "change address|deliver to our|deliver it to our|ship to our|send it to our|new address|different address|wrong address|address change|address galat|pata badal|naya pata|पता बदल|नया पता",
            "address change+address new+address"),
    _meaning("order", "place an order|place order|want to order|like to order|i want to buy|repeat order|order karna|order chahiye|order dena|order de|mangwana|"
            "ऑर्डर करना|ऑर्डर चाहिए|मंगवाना", "order+place place+order new+order want+order buy purchase reorder repeat+order"),
    _meaning("ask_discount", "discount|waive|waiver|reduce|less karo|kam karo|kam kar do|chhoot|concession|छूट|कम करो|कम कर दो", "discount waive waiver reduce negotiate concession"),
    _meaning("ask_person", "talk to a person|speak to a person|talk to someone|speak to someone|human|real person|manager|your boss|supervisor|representative|"
            "kisi se baat|insaan se|bande se|senior se|मैनेजर|किसी से बात|इंसान", "human person+talk speak+person manager agent+request escalate operator talk+human want+person"),
    _meaning("who_are_you", "are you a bot|are you a robot|are you human|are you real|is this a bot|is this automated|bot ho|robot ho|machine ho|aap kaun|kaun bol|"
            "who is this|who are you|रोबोट|मशीन हो|कौन बोल|आप कौन", "ask+identity who+is bot identity automated"),
    _meaning("confirm", "confirm|confirmed|i confirm|we confirm|go ahead|proceed|approved|accept|accepted|agree|agreed|confirm hai|confirm karta|pakka|manzoor|"
            "पक्का|मंज़ूर|मंजूर|कन्फर्म", "confirm accept approve agree acknowledge go+ahead", unless=("dispute", "cancel", "refuse")),
    _meaning("acknowledge", "noted|will check|let me check|i'll check|we'll check|checking|looking into|will look into|will get back|get back to you|check karta|check karke|check karenge|"
            "dekhta hoon|dekhta hun|dekhte hain|dekh lenge|dekhke|pata karke|चेक करके|देखता हूं|देखता हूँ|देखते हैं|पता करके",
            "acknowledge note will+check check look+into get+back aware acknowledgement"),
    _meaning("thanks", "thanks|thank you|thank u|thx|thanku|shukriya|dhanyavad|dhanyawad|dhanyavaad|धन्यवाद|शुक्रिया|थैंक", "thank gratitude", weak=True),
    _meaning("greeting", "hi|hello|hey|namaste|namaskar|good morning|good afternoon|good evening|नमस्ते|नमस्कार|हैलो", "greet hello greeting", weak=True),
    _meaning("no", "no|nope|nahi|nahin|nhi|na|not really|नहीं|नही|ना", "no deny decline reject negative say+no refuse", weak=True),
    _meaning("yes", "yes|yeah|yep|yup|ok|okay|sure|fine|correct|right|haan|han|haa|ha|ji|ji haan|haanji|theek hai|thik hai|bilkul|zaroor|sahi|sahi hai|👍|हाँ|हां|जी|ठीक है|बिल्कुल|ज़रूर|जरूर|सही",
            "yes correct agree affirm confirm accept say+yes positive interested acknowledge", weak=True, unless=("no", "reschedule")),
)  # fmt: skip

_BY_NAME = {n.name: n for n in NOTIONS}


def notion(name: str) -> Notion:
    """The notion of this name."""
    return _BY_NAME[name]


PROMISE = notion("promise")

_GLOSSES = {
    "order": "order|ऑर्डर|आर्डर", "deliver": "delivery|deliver|डिलीवरी|डिलिवरी", "goods": "maal|saman|samaan|माल|सामान", "pay": "bhugtan|payment|pay|भुगतान|पेमेंट",
    "money": "paisa|paise|rakam|पैसा|पैसे|रकम", "send": "bhejo|bhejiye|bhej|bhejna|भेजो|भेजिए|भेजें|भेज", "invoice": "bill|invoice|बिल|इनवॉइस", "date": "tarikh|tareekh|तारीख",
    "time": "samay|waqt|समय|वक्त|टाइम", "talk": "baat|बात", "wrong": "galat|गलत|ग़लत", "late": "der|देर", "price": "daam|rate|keemat|दाम|कीमत|रेट", "need": "chahiye|चाहिए",
    "stock": "stock|स्टॉक", "address": "pata|पता", "visit": "aana|milna|मिलना", "help": "madad|मदद", "complain": "shikayat|शिकायत", "problem": "dikkat|samasya|pareshani|दिक्कत|समस्या|परेशानी",
    "return": "wapas|वापस", "new": "naya|nayi|नया|नई", "meet": "milna|mulaqat|meeting|मुलाकात", "demo": "demo|demonstration|डेमो", "call": "phone|call|फोन|फ़ोन|कॉल",
    "cancel": "radd|cancel|रद्द|कैंसिल", "question": "sawaal|सवाल", "information": "jankari|jaankari|जानकारी", "renew": "renew|renewal|रिन्यू", "buy": "kharidna|lena|खरीदना",
    "quantity": "matra|quantity|मात्रा", "interest": "interest|interested|ruchi|रुचि", "install": "install|installation|lagwana|lagana", "repair": "repair|marammat|theek karna|मरम्मत",
}  # fmt: skip
GLOSSES = {word: english for english, words in _GLOSSES.items() for word in words.split("|")}


@dataclass(frozen=True, slots=True)
class Said:
    """A notion found in a text, with its words."""

    notion: Notion
    words: str


def notions_in(text: str) -> list[Said]:
    """The notions that a text expresses, in the order of the lexicon (the decided before the vague)."""
    found = [Said(n, words) for n in NOTIONS if (words := n.words_in(text)) is not None]
    names = {said.notion.name for said in found}
    return [said for said in found if not names.intersection(said.notion.unless)]
