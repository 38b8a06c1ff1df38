"""A whole bundle as parsed: each thing beside the place where it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from events.values import FactOffer
from libs.config.model import Content, MessageTemplate, Price, Settings
from libs.config.tree import Node
from libs.domain.flow import Flow
from libs.domain.policy import Policy
from libs.domain.rules import FollowupSpec, Rule
from libs.domain.statemap import CreateFollowup, StateMap

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A value and the node that it was read from; positions in its lists are positions in the node's."""

    value: T
    node: Node


@dataclass(frozen=True, slots=True)
class Parsed:
    settings: Placed[Settings]
    policy: Placed[Policy] | None = None
    rules: tuple[Placed[Rule], ...] = ()
    state_maps: tuple[Placed[StateMap], ...] = ()
    flows: tuple[Placed[Flow], ...] = ()
    templates: dict[str, tuple[Placed[MessageTemplate], ...]] = field(default_factory=dict)
    prices: tuple[Placed[Price], ...] = ()
    facts: Mapping[str, FactOffer] = field(default_factory=dict)
    """Every fact that is used beside the common ones, by name; `declared_facts` are those that the bundle declares."""
    declared_facts: frozenset[str] = frozenset()

    def followups(self) -> tuple[Placed[FollowupSpec], ...]:
        """Every follow-up that a rule or an action may create."""
        from_rules = tuple(Placed(rule.value.create_followup, rule.node.at("create_followup")) for rule in self.rules)
        from_maps = tuple(
            Placed(action.followup, each.node.at("transitions", t, "actions", a))
            for each in self.state_maps
            for t, transition in enumerate(each.value.transitions)
            for a, action in enumerate(transition.actions)
            if isinstance(action, CreateFollowup)
        )
        return from_rules + from_maps

    def template_ids(self, channel: str) -> frozenset[str]:
        return frozenset(each.value.id for each in self.templates.get(channel, ()))

    def content(self) -> Content:
        return Content(
            settings=self.settings.value,
            rules=tuple(each.value for each in self.rules),
            state_maps=tuple(each.value for each in self.state_maps),
            flows=tuple(each.value for each in self.flows),
            templates={channel: tuple(each.value for each in texts) for channel, texts in self.templates.items()},
            policy=Policy() if self.policy is None else self.policy.value,
            prices=tuple(each.value for each in self.prices),
        )
