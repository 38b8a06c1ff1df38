"""policy.yaml: who may hear a matter, how it is found out, and how a stop is confirmed."""

from collections.abc import Collection

from libs.config.fields import Fields
from libs.config.findings import Findings
from libs.config.tree import Node
from libs.domain.policy import RightPerson, StopConfirmation
from libs.domain.policy_terms import Confirms

VOICE: tuple[Confirms, ...] = ("off", "confirm")
TEXT: tuple[Confirms, ...] = ("off", "registered_address", "confirm")


def parse_right_person(node: Node | None, found: Findings) -> RightPerson:
    """The whole of it, as it stands at the policy's own level."""
    usual = RightPerson()
    if node is None:
        return usual
    fields = Fields(node, found, "right_person")
    report = fields.child("report")
    endpoint, payload = _report(report, found) if report is not None else (None, {})
    person = RightPerson(
        voice=_mode(fields, "voice", VOICE),
        text=_mode(fields, "text", TEXT),
        question=fields.text("question") or usual.question,
        subject=fields.text("subject") or usual.subject,
        spoken=fields.text("spoken") or usual.spoken,
        sorry=fields.text("sorry") or usual.sorry,
        templates=fields.text_map("templates"),
        max_asks=fields.whole("max_asks", minimum=1) or usual.max_asks,
        valid_days=fields.whole("valid_days", minimum=1) or usual.valid_days,
        report=endpoint,
        report_payload=payload,
    )
    fields.finish()
    return person


def parse_modes(node: Node | None, found: Findings) -> RightPerson:
    """What a purpose overrides: who may hear it, and nothing else."""
    if node is None:
        return RightPerson()
    fields = Fields(node, found, "right_person of a purpose")
    person = RightPerson(voice=_mode(fields, "voice", VOICE), text=_mode(fields, "text", TEXT))
    fields.finish()
    return person


def parse_stop_confirmation(fields: Fields, found: Findings) -> StopConfirmation | bool:
    """`true`: the usual words; a mapping: one's own."""
    node = fields.child("stop_confirmation")
    if node is None or node.kind != "mapping":
        return fields.flag("stop_confirmation") or False
    inner = Fields(node, found, "stop_confirmation")
    said = StopConfirmation(text=inner.text("text") or StopConfirmation().text, templates=inner.text_map("templates"))
    inner.finish()
    return said


def _mode(fields: Fields, key: str, known: Collection[Confirms]) -> Confirms | None:
    chosen = fields.choice(key, known)
    return next((each for each in known if each == chosen), None)


def _report(node: Node, found: Findings) -> tuple[str | None, dict[str, object]]:
    fields = Fields(node, found, "a report")
    endpoint, payload = fields.need("endpoint", like="report_wrong_person"), fields.data_map("payload")
    fields.finish()
    return endpoint or None, payload
