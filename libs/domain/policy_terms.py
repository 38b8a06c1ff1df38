"""What the contact policy says: its rules as the bundle writes them, each purpose's own, and where they come from."""

from typing import Any, Literal

import msgspec

from libs.domain.hours import Holidays, Hours

Category = Literal["promotional", "service", "transactional"]
"""What a contact is for, as India's TCCCPR 2018 divides it: an offer, a service asked for, or what a transaction entails."""
Confirms = Literal["off", "registered_address", "confirm"]
"""Who may hear a matter: anybody; whoever is reached where the ERP registered the contact; who said that it is they."""


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    per_day: int = 3
    per_matter: int = 8


class RightPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Who may hear a matter in a call and in writing, and how it is found out.

    The question (in a call the `spoken` one) and what is said to the wrong person may name the contact and nothing else.
    `report` names the ERP's endpoint that hears of a wrong person, with a payload of the contact's and the matter's names.
    """

    voice: Confirms | None = None
    text: Confirms | None = None
    question: str = (
        "Namaste, this is an automated assistant. Am I writing to {{contact_name}}? Please answer yes or no."
    )
    subject: str = "A question for {{contact_name}}"
    spoken: str = "Namaste, this is an automated assistant. Am I speaking with {{contact_name}}?"
    sorry: str = "Sorry to have troubled you. We will correct our records and not write to you about this again."
    templates: dict[str, str] = {}
    max_asks: int = 2
    valid_days: int = 180
    report: str | None = None
    report_payload: dict[str, Any] = {}


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """What a process type overrides."""

    hours: dict[str, Hours] = {}
    consent: dict[str, Literal["required", "implied"]] = {}
    category: Category | None = None
    right_person: RightPerson = RightPerson()


class StopConfirmation(msgspec.Struct, frozen=True, kw_only=True):
    """The one message that says that a stop was heard."""

    text: str = "You will hear nothing more from us. Write START if you change your mind."
    templates: dict[str, str] = {}


class Applies(msgspec.Struct, frozen=True, kw_only=True):
    """Which checks a source stands behind; without purposes or channels, in all of them."""

    rules: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule of the policy comes from and since when it holds."""

    id: str
    source: str
    effective: str
    applies: Applies | str | None = None
    note: str | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    timezone: str = "Asia/Kolkata"
    unknown_zone: Literal["policy", "refuse"] = "policy"
    hours: dict[str, Hours] = {}
    purposes: dict[str, Purpose] = {}
    holidays: Holidays = Holidays()
    consent: dict[str, Literal["required", "implied"]] = {}
    do_not_disturb: Literal["all", "promotional", "off"] = "all"
    answer_unsubscribed: bool = False
    attempts: Attempts = Attempts()
    minimum_gap_minutes: int = 240
    no_reply_minutes: int = 1440
    turns_without_progress: int = 6
    out_of_office_days: int = 14
    blackout_dates: tuple[str, ...] = ()
    merge_matters: bool = True
    number_series: dict[str, str] = {}
    right_person: RightPerson = RightPerson()
    stop_words: dict[str, tuple[str, ...]] | None = None
    stop_confirmation: StopConfirmation | bool = False
    disclose_automation: Literal["when_asked", "always"] = "when_asked"
    money_per_day: dict[str, int] = {}
    rules: tuple[Source, ...] = ()
    extra: dict[str, Any] = {}

    def category(self, purpose: str | None) -> Category:
        """What a process type is for; service where the policy does not say."""
        own = self.purposes.get(purpose or "")
        return (own.category if own else None) or "service"

    def confirms(self, purpose: str | None, channel: str) -> Confirms:
        """Who may hear a matter of a process type on a channel: by the purpose, else by the policy, else anybody."""
        own = self.purposes.get(purpose or "")
        for said in (own.right_person if own else RightPerson(), self.right_person):
            mode = said.voice if channel == "voice" else said.text
            if mode is not None:
                return mode
        return "off"
