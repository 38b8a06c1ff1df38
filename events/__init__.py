"""The vocabulary: every fact that services exchange, and nothing else."""

from events.backend import BACKEND
from events.base import Category
from events.business import BUSINESS
from events.call import CALL
from events.config import CONFIG
from events.consent import CONSENT
from events.contact import CONTACT
from events.conversation import CONVERSATION
from events.followup import FOLLOWUP
from events.inbound import INBOUND
from events.message import MESSAGE
from events.operator import OPERATOR
from events.reach import REACH
from events.rules import RULES
from events.timer import TIMER
from events.turn import TURN

CATEGORIES: tuple[Category, ...] = (
    BUSINESS,
    OPERATOR,
    RULES,
    CONTACT,
    CONSENT,
    REACH,
    FOLLOWUP,
    CONVERSATION,
    TURN,
    MESSAGE,
    INBOUND,
    CALL,
    BACKEND,
    TIMER,
    CONFIG,
)
"""Every stream family, in the order in which a reader meets them."""
