"""The read models: rows that anybody may throw away and rebuild from the log."""

from projections.base import Projection
from projections.call_turns import CALL_TURNS
from projections.calls import CALLS
from projections.contacts import CONTACTS
from projections.conversations import CONVERSATIONS
from projections.followups import FOLLOWUPS
from projections.messages import MESSAGES
from projections.policy_decisions import POLICY_DECISIONS
from projections.rule_evaluations import RULE_EVALUATIONS
from projections.state_bindings import STATE_BINDINGS
from projections.timeline import TIMELINE
from projections.turns import TURNS

PROJECTIONS: tuple[Projection, ...] = (
    CONTACTS,
    CONVERSATIONS,
    FOLLOWUPS,
    STATE_BINDINGS,
    MESSAGES,
    TURNS,
    TIMELINE,
    RULE_EVALUATIONS,
    POLICY_DECISIONS,
    CALLS,
    CALL_TURNS,
)
"""Every read model, by the names that `converse projections` takes."""
