"""What ingest looks at before it takes something: contacts, conversations and follow-ups, folded from their streams."""

from events.contact import CONTACT
from events.conversation import CONVERSATION
from events.followup import FOLLOWUP
from libs.domain import contact as people
from libs.domain import conversation as talk
from libs.domain import followup as matters
from libs.domain.contact import Contact
from libs.domain.conversation import Conversation
from libs.domain.followup import Followup
from libs.kit.folds import Fold

CONTACTS: Fold[Contact] = Fold(CONTACT, Contact, people.evolve)
CONVERSATIONS: Fold[Conversation] = Fold(CONVERSATION, Conversation, talk.evolve)
FOLLOWUPS: Fold[Followup] = Fold(FOLLOWUP, Followup, matters.evolve)
