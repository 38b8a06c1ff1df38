"""Scopes: which names can exist where a template or a condition stands (api.md, "Names in templates and conditions")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from events.values import FactOffer
from libs.config.findings import nearest, suggest
from libs.config.parsed import Parsed
from libs.domain.facts import COMMON_NAMES
from libs.domain.flow import Collect, Plan, PlanTool, Subflow, ToolCall
from libs.domain.names import PLAIN_NAMES, parts_of
from libs.domain.rules import FollowupSpec
from libs.domain.statemap import StartFlow, UpdateBackend

CONTACT_FIELDS = frozenset({"id", "name", "role", "organization", "channels", "metadata", "language", "timezone"})
ROOTS = ("contact", "business_context", "extracted_info", "said", "slots")
SURELY = 0.85
PLAN_RESULT: frozenset[str] | None = frozenset({"how", "reached", "summary"})
"""What is known of a plan that has ended, under the step's id."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a name, and what was probably meant."""

    severity: Literal["error", "warning"]
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What can be named in one place. `context` None: the business context may hold anything.

    `results`: fields by result key, None where the ERP's answer may hold anything. `event`: an event's data is at hand.
    `slots` are those of the flows that lead here, `collected` those of any: a person may start any flow by hand.
    """

    context: frozenset[str] | None = None
    slots: frozenset[str] = frozenset()
    collected: frozenset[str] = frozenset()
    results: dict[str, frozenset[str] | None] = field(default_factory=dict)
    contact: frozenset[str] = CONTACT_FIELDS
    event: bool = False
    facts: Mapping[str, FactOffer] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()

    def problem(self, path: str) -> Problem | None:
        """Why `path` cannot be meant as written, or None."""
        root, *rest = parts_of(path)
        if root in PLAIN_NAMES:
            return None
        if root in ROOTS:
            return self._below(root, rest)
        definers = [name for name, known in self._sources() if root in known]
        if len(definers) > 1:
            choices = " or ".join(f"{each}.{root}" for each in definers if each != "a tool's answer")
            return Problem("error", f"{root!r} is defined by {' and by '.join(definers)}", f"write {choices}")
        fields = self.results.get(root)
        if rest and fields is not None and rest[0] not in fields:
            return Problem("error", f"{root!r} has no field {rest[0]!r}", suggest(rest[0], fields))
        return None if definers else self._unknown(root)

    def of_several(self) -> "Scope":
        """The same where several matters are said at once: `all_…` lists each name of the business context."""
        lists = {f"all_{name}" for name in (*(self.context or ()), "entity_id")} | {"matters_count"}
        return replace(self, results=self.results | dict.fromkeys(lists))

    def known(self) -> frozenset[str]:
        """Every bare name and root that is known here."""
        return frozenset({*PLAIN_NAMES, *ROOTS, *(name for _, known in self._sources() for name in known)})

    def _sources(self) -> list[tuple[str, Iterable[str]]]:
        return [
            ("slots", self.slots),
            ("a tool's answer", self.results),
            ("business_context", self.context or ()),
            ("contact", self.contact),
        ]

    def _below(self, root: str, rest: list[str]) -> Problem | None:
        known = {"contact": self.contact, "business_context": self.context, "slots": self.collected}.get(root)
        if root == "extracted_info" and rest:
            return self._fact(rest[0])
        if known is None or not rest or rest[0] in known:
            return None
        return Problem("error", f"{root} has no field {rest[0]!r}", suggest(rest[0], known))

    def _fact(self, name: str) -> Problem | None:
        """A fact that nothing declares is taken for what its use says: worth a word, as a slip would look the same."""
        if name in COMMON_NAMES or name in self.declared or name not in self.facts:
            return None
        kind = self.facts[name].kind
        near = nearest(name, COMMON_NAMES | self.declared, SURELY)
        declare = f"declare it at the top of a file, such as facts.yaml: `facts: {{{name}: {{type: {kind}, description: …}}}}`"
        return Problem(
            "warning",
            f"Claude is asked for extracted_info.{name} as {kind}, and told nothing more of it",
            f"did you mean {near!r}? Else {declare}" if near else declare,
        )

    def _unknown(self, root: str) -> Problem | None:
        if self.context is not None and not self.event:
            return Problem("error", f"the name {root!r} cannot exist here", suggest(root, self.known()))
        near = nearest(root, self.known(), SURELY)
        return Problem("warning", f"the name {root!r} is not known here", f"did you mean {near!r}?") if near else None


class Scopes:
    """The scope of each flow and each state map, from what may lead there."""

    def __init__(self, parsed: Parsed) -> None:
        mapping = parsed.settings.value.backend.mapping
        self._followups = tuple(each.value for each in parsed.followups())
        self._facts, self._declared = parsed.facts, parsed.declared_facts
        self._contact = CONTACT_FIELDS | frozenset(mapping.get("get_contact", ()))
        self._results: dict[str, dict[str, frozenset[str] | None]] = {
            flow.value.id: {
                tool.result_key: frozenset(mapping[tool.endpoint]) if tool.endpoint in mapping else None
                for step in flow.value.steps
                for tool in (step.tools if isinstance(step, Plan) else (step,))
                if isinstance(tool, ToolCall | PlanTool)
            }
            | {step.id: PLAN_RESULT for step in flow.value.steps if isinstance(step, Plan)}
            for flow in parsed.flows
        }
        self._slots = {
            flow.value.id: frozenset(
                slot.name for step in flow.value.steps if isinstance(step, Collect) for slot in step.slots
            )
            for flow in parsed.flows
        }
        self._called = {
            flow.value.id: frozenset(step.flow for step in flow.value.steps if isinstance(step, Subflow))
            for flow in parsed.flows
        }
        self._writes = {
            each.value.process_type: frozenset(
                action.result_key
                for transition in each.value.transitions
                for action in transition.actions
                if isinstance(action, UpdateBackend) and action.result_key
            )
            for each in parsed.state_maps
        }
        self._started: dict[str, frozenset[str]] = {
            each.value.process_type: frozenset(
                action.flow
                for transition in each.value.transitions
                for action in transition.actions
                if isinstance(action, StartFlow)
            )
            for each in parsed.state_maps
        }

    def of_flow(self, flow: str) -> Scope:
        processes = self.processes_of(flow)
        callers = {each for each in self._called if flow in self._with_called({each})}
        leading = [each for each in self._followups if each.flow in callers or each.process_type in processes]
        flows = self._with_called(callers).union(*(self.flows_of(process) for process in processes))
        return self._scope(leading, flows, processes)

    def of_process(self, process: str, *, event: bool = False) -> Scope:
        leading = [each for each in self._followups if each.process_type == process]
        return self._scope(leading, self.flows_of(process), {process}, event=event)

    def flows_of(self, process: str) -> frozenset[str]:
        """The flows that may run for a process."""
        asked = frozenset(each.flow for each in self._followups if each.process_type == process and each.flow)
        return self._with_called(asked | self._started.get(process, frozenset()))

    def processes_of(self, flow: str) -> frozenset[str]:
        """The processes that a flow may run for."""
        return frozenset(process for process in self._started if flow in self.flows_of(process))

    def _with_called(self, flows: Iterable[str]) -> frozenset[str]:
        """These flows and those that they call, at any depth."""
        known: set[str] = set()
        ahead = set(flows)
        while ahead:
            flow = ahead.pop()
            known.add(flow)
            ahead |= self._called.get(flow, frozenset()) - known
        return frozenset(known)

    def _scope(
        self, leading: list[FollowupSpec], flows: frozenset[str], processes: Iterable[str], *, event: bool = False
    ) -> Scope:
        contexts = [each.business_context for each in leading]
        results: dict[str, frozenset[str] | None] = {}
        for process in processes:
            results |= dict.fromkeys(self._writes.get(process, ()))
        for flow in sorted(flows):
            results |= self._results.get(flow, {})
        closed = bool(contexts) and all(each is not None for each in contexts)
        return Scope(
            context=frozenset(key for each in contexts for key in each or ()) if closed else None,
            slots=frozenset().union(*(self._slots.get(flow, frozenset()) for flow in flows)),
            collected=frozenset().union(*self._slots.values()),
            results=results,
            contact=self._contact,
            event=event,
            facts=self._facts,
            declared=self._declared,
        )
