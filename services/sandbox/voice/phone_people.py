"""How the people of the sandbox's ERP talk on the phone (contact_people.py has how they write).

Each waits for what the agent says, whatever its words; `when` looks only for what nobody can leave out.
"""

from collections.abc import Mapping

from services.sandbox import contact_people
from services.sandbox.contact_script import Person
from services.sandbox.voice.phone_script import Act, Phone, Step

MATTER = r"invoice|payment|overdue|due|baaki|baki|bill|इनवॉइस|भुगतान|बाकी|बिल"
"""The agent has come to the point."""


DONE = r"note|noted|dhanyavaad|dhanyawad|thank|confirm|goodbye|धन्यवाद|नोट"
"""The agent has taken the answer."""


def hello(word: str = "Hello?") -> Act:
    """Somebody takes the call."""
    return Act(on="answered", do=(Step(wait=0.4, say=word),))


def says(text: str, when: str | None = None, *, hang_up: bool = False) -> Act:
    """Once, after the agent has said something."""
    return Act(on="heard", when=when, do=(Step(say=text, hang_up=hang_up),))


def otherwise(text: str) -> Act:
    """Whenever the agent said something that calls for nothing else."""
    return Act(on="heard", once=False, do=(Step(say=text),))


# Hinglish: hums while she listens, wants the invoice on WhatsApp, promises a date, says goodbye.
PRIYA = Phone(
    acts=(
        hello(),
        Act(on="speaking", after_seconds=2.5, do=(Step(say="hmm"),)),
        says("Haan ji, mujhe invoice WhatsApp pe bhej do.", MATTER),
        says("Theek hai, 20 February tak payment kar denge.", r"whatsapp|kab|when|date|tarikh|tak"),
        says("Theek hai, dhanyavaad, bye.", DONE, hang_up=True),
        otherwise("Haan ji, boliye?"),
    )
)

# English: interrupts, and dictates an amount digit by digit.
RAHUL = Phone(
    acts=(
        hello(),
        Act(on="speaking", after_seconds=3.0, do=(Step(say="One second, which invoice?"),)),
        Act(
            on="heard",
            when=MATTER,
            do=(
                Step(say="I can pay"),
                Step(wait=0.6, say="five"),
                Step(wait=0.6, say="two"),
                Step(wait=0.6, say="four"),
                Step(wait=0.6, say="zero zero"),
                Step(wait=0.4, say="rupees tomorrow."),
            ),
        ),
        says("Yes, correct. Bye.", DONE, hang_up=True),
        otherwise("Yes?"),
    )
)

# Hindi: has paid.
ANITA = Phone(
    acts=(
        hello("नमस्ते?"),
        says("पेमेंट हो गया है।", MATTER),
        says("धन्यवाद, बाय।", DONE, hang_up=True),
        otherwise("जी, बोलिए?"),
    )
)

# Hinglish: thinks aloud and pauses in mid-sentence.
RAVI = Phone(
    acts=(
        hello("Haan, kaun?"),
        Act(
            on="heard",
            when=MATTER,
            do=(Step(say="Matlab, woh…"), Step(wait=1.2, say="28 February tak poora kar denge.")),
        ),
        says("Theek hai, bye.", DONE, hang_up=True),
        otherwise("Haan, boliye?"),
    )
)

# English: never answers herself, her mailbox does.
MEERA = Phone(fate="voicemail")

# Hindi: is not the right person, and hangs up.
SURESH = Phone(acts=(hello("हाँ?"), says("गलत नंबर है।", hang_up=True)))

# Hinglish: is angry, speaks over the agent, wants a person.
FARHAN = Phone(
    acts=(
        hello("Kya hai?"),
        Act(on="speaking", after_seconds=1.2, do=(Step(say="Baar baar call kyun karte ho! Manager se baat karao!"),)),
        says("Manager se baat karao!"),
    )
)

# English: wants no more calls.
LAKSHMI = Phone(acts=(hello(), says("Please do not call me again.", hang_up=True)))

# Hinglish: is busy, wants a call after four.
VIKRAM = Phone(acts=(hello(), says("Abhi meeting mein hoon, chaar baje call karo."), says("Theek hai.", hang_up=True)))

# English: her line is busy.
DEEPA = Phone(fate="busy")

# Hindi: takes the call, says nothing, and gives up in the end.
ARJUN = Phone(acts=(), deaf=True, hangs_up_after=60)

# English: presses keys where she is asked to.
KAVITA = Phone(
    acts=(
        hello(),
        Act(on="heard", when=r"press|dabaiye|दबा", do=(Step(press="1"),)),
        says("I will pay tomorrow.", MATTER),
        says("Thank you, bye.", DONE, hang_up=True),
        otherwise("Yes, go on."),
    )
)


def _number(person: Person) -> str:
    return person.addresses["whatsapp"]


PHONES: Mapping[str, Phone] = {
    _number(person): phone
    for person, phone in (
        (contact_people.PRIYA, PRIYA),
        (contact_people.RAHUL, RAHUL),
        (contact_people.ANITA, ANITA),
        (contact_people.RAVI, RAVI),
        (contact_people.MEERA, MEERA),
        (contact_people.SURESH, SURESH),
        (contact_people.FARHAN, FARHAN),
        (contact_people.LAKSHMI, LAKSHMI),
        (contact_people.VIKRAM, VIKRAM),
        (contact_people.DEEPA, DEEPA),
        (contact_people.ARJUN, ARJUN),
        (contact_people.KAVITA, KAVITA),
    )
}
