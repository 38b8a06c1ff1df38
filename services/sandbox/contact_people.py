"""The people whom the sandbox's ERP knows, and how each of them answers on whatever channel they are reached."""

from services.sandbox.contact_script import File, Line, Person

REMINDED = r"reminder|overdue|still open|not heard from you|is due|INV-2026-"
"""A reminder about an invoice, by its template, subject or text."""
BROKEN = r"promise_broken|had promised|not reached us"
"""The question what became of a promise."""


def everywhere(name: str, phone: str, email: str, chat: str, *lines: Line) -> Person:
    """Somebody with an address on all four channels; the chat id is the ERP's id of the contact."""
    addresses = {"whatsapp": phone, "sms": phone, "email": email, "chat": chat}
    return Person(name=name, addresses=addresses, lines=lines)


# Hinglish: promises a date at once, and keeps silent when thanked.
PRIYA = everywhere(
    "Priya Sharma",
    "+919876543210",
    "priya.sharma@acme.example",
    "c_123",
    Line(when=r"payment[_ ]?reminder|overdue|INV-2026-0042", say=("Haan ji, 20 February tak kar denge",), once=True),
)

# English: asks first, then promises.
RAHUL = everywhere(
    "Rahul Verma",
    "+919812345678",
    "rahul.verma@bharat-textiles.example",
    "c_124",
    Line(when=REMINDED, say=("Which purchase order is this for?",), once=True),
    Line(say=("All right, we will pay on 23 February 2026.",), once=True),
)

# Hindi: has paid, with a receipt; has never agreed to WhatsApp.
ANITA = everywhere(
    "Anita Desai",
    "+919823456789",
    "anita@desai-retail.example",
    "c_125",
    Line(when=REMINDED, say=("नमस्ते, पेमेंट हो गया है",), once=True),
    Line(
        say=("UTR SBIN412345678901",),
        files=(File(media_type="application/pdf", name="utr.pdf", data=b"%PDF-1.4\n% a receipt\n%%EOF\n"),),
        once=True,
    ),
)

# Hinglish: pays a part, and names the day of the rest when asked.
RAVI = everywhere(
    "Ravi Kumar",
    "+919834567890",
    "ravi@ravi-traders.example",
    "c_126",
    Line(when=REMINDED, say=("abhi 5000 de sakta hoon, aadha payment kal kar dunga",), once=True),
    Line(say=("28 February tak poora kar denge",), once=True),
)

# English: disputes the invoice.
MEERA = everywhere(
    "Meera Iyer",
    "+919845678901",
    "meera.iyer@iyer-pharma.example",
    "c_127",
    Line(when=REMINDED, say=("This invoice is wrong, half of the goods were damaged.",), once=True),
)

# Hindi: is not the right person.
SURESH = everywhere(
    "Suresh Patil",
    "+919856789012",
    "suresh.patil@patil-agro.example",
    "c_128",
    Line(when=REMINDED, say=("गलत नंबर है, मैं वह व्यक्ति नहीं हूँ",), once=True),
)

# Hinglish: angry, wants a person.
FARHAN = everywhere(
    "Farhan Sheikh",
    "+919867890123",
    "farhan@sheikh-motors.example",
    "c_129",
    Line(when=REMINDED, say=("Baar baar message kyun bhejte ho?? Apne manager se baat karao!",), once=True),
)

# English: says stop, by the channel's own way where it has one.
LAKSHMI = everywhere(
    "Lakshmi Nair",
    "+919878901234",
    "lakshmi@nair-foods.example",
    "c_130",
    Line(when=REMINDED, channel="email", unsubscribe=True, once=True),
    Line(when=REMINDED, say=("STOP",), once=True),
)

# Hinglish: wanders. A mail is answered on WhatsApp, the answer to that in the chat.
VIKRAM = everywhere(
    "Vikram Singh",
    "+919889012345",
    "vikram.singh@singh-steel.example",
    "c_131",
    Line(when=REMINDED, channel="email", on="whatsapp", say=("Mail mila. Kitna amount hai?",), once=True),
    Line(channel="whatsapp", on="chat", say=("Haan ji, 20 February tak kar denge",), once=True),
)

# English: out of the office by mail, and back a little later.
DEEPA = everywhere(
    "Deepa Joshi",
    "+919890123456",
    "deepa.joshi@joshi-exports.example",
    "c_132",
    Line(
        when=REMINDED,
        channel="email",
        subject="Automatic reply: out of office",
        say=("I am out of the office until 18 February and will answer when I am back.",),
        automatic=True,
        once=True,
    ),
    Line(when=REMINDED, say=("Payment will be done by 25 February 2026.",), once=True),
)

# Hindi: speaks a voice note where the channel has them.
ARJUN = everywhere(
    "Arjun Mehta",
    "+919801234567",
    "arjun@mehta-tiles.example",
    "c_133",
    Line(
        when=REMINDED,
        channel="whatsapp",
        files=(File(media_type="audio/ogg", spoken="हाँ जी, कल भुगतान कर देंगे"),),
        once=True,
    ),
    Line(when=REMINDED, say=("कल भुगतान कर देंगे",), once=True),
)

# English: presses what is offered, else writes it; a promise that was not kept gets a new date.
KAVITA = everywhere(
    "Kavita Rao",
    "+919811223344",
    "kavita.rao@rao-clinics.example",
    "c_134",
    Line(press="I will pay tomorrow", once=True),
    Line(when=BROKEN, say=("Sorry, the bank was closed. We will pay on 27 February 2026.",), once=True),
    Line(when=REMINDED, say=("I will pay tomorrow",), once=True),
)

SILENT = Person(name="Contact")
"""Whoever is not described."""

PEOPLE = (PRIYA, RAHUL, ANITA, RAVI, MEERA, SURESH, FARHAN, LAKSHMI, VIKRAM, DEEPA, ARJUN, KAVITA)
