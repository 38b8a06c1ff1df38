"""The contact's calendar: which minutes of which days a channel is open for a purpose, in the contact's zone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import msgspec

HORIZON = timedelta(days=400)
"""How far ahead an open minute is looked for."""

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Allowed from..to (HH:MM, `to` excluded) in the contact's zone; over midnight where `to` is the earlier one."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class Holidays(msgspec.Struct, frozen=True, kw_only=True):
    """The public holidays of a country and its subdivision (ISO 3166), and dates of one's own (ISO 8601)."""

    country: str | None = None
    subdivision: str | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """When something may be begun: inside the hours and the contact's `preferred` ones, where there are such.

    Without either a day is open from midnight to midnight. `zone` is an IANA name.
    """

    zone: str
    hours: Hours | None = None
    holidays: Holidays = field(default_factory=Holidays)
    blackout: tuple[str, ...] = ()
    preferred: Hours | None = None

    @property
    def windows(self) -> tuple[Hours, ...]:
        """The windows that bind, all of them at once."""
        return tuple(each for each in (self.hours, self.preferred) if each is not None)

    def local(self, at: datetime) -> datetime:
        """An instant on the contact's clock."""
        return at.astimezone(ZoneInfo(self.zone))

    def within_hours(self, at: datetime) -> bool:
        """Whether an instant is inside the hours of its day; what day it is does not matter here."""
        local = self.local(at)
        now = local.hour * 60 + local.minute
        return all(_holds(window, now) for window in self.windows)

    def closed(self, day: date) -> str | None:
        """Why nothing is begun on a day ("holiday: Diwali", "blackout date"), or None."""
        if day.isoformat() in self.blackout:
            return "blackout date"
        if day.isoformat() in self.holidays.extra:
            return "holiday of the policy"
        if self.holidays.country is None:
            return None
        name = public_holidays(self.holidays.country, self.holidays.subdivision, day.year).get(day)
        return None if name is None else f"holiday: {name}"

    def is_open(self, at: datetime) -> bool:
        """Whether something may be begun at an instant: inside the hours, and on no closed day."""
        return self.within_hours(at) and self.closed(self.local(at).date()) is None

    def next_open(self, at: datetime) -> datetime | None:
        """The first open instant from `at` on: `at` itself, or the full minute at which a window opens.

        Right also over a change of the zone's clocks. None where nothing opens within 400 days.
        """
        if self.is_open(at):
            return self.local(at)
        starts = sorted({0, *(minutes(window.start) for window in self.windows)})
        today = self.local(at).date()
        for ahead in range(HORIZON.days):
            day = today + ahead * _DAY
            if self.closed(day) is not None:
                continue
            for instant in self._openings(day, starts):
                if instant >= at and self.is_open(instant):
                    return self.local(instant)
        return None

    def next_closed(self, at: datetime) -> datetime | None:
        """The first instant after an open one at which nothing may be begun; None where that is not within two days."""
        ends = {minutes(end) for window in self.windows for end in (window.start, window.end)}
        marks = sorted({0, *(end for end in ends if end < _DAY // _MINUTE)})
        today = self.local(at).date()
        for ahead in range(3):
            for instant in self._openings(today + ahead * _DAY, marks):
                if instant > at and not self.is_open(instant):
                    return self.local(instant)
        return None

    def next_day(self, at: datetime) -> datetime:
        """The first instant of the day after an instant's."""
        return self.local(next(self._openings(self.local(at).date() + _DAY, [0])))

    def _openings(self, day: date, starts: Iterable[int]) -> Iterator[datetime]:
        """The instants of a day, in order, at which a window can open: midnight and their `starts`.

        On a day whose clocks change the start may come twice or not at all: then every minute is one.
        """
        zone = ZoneInfo(self.zone)
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        after = datetime.combine(day + _DAY, time(), zone).astimezone(UTC)
        if after - midnight == _DAY:
            for start in starts:
                yield midnight + start * _MINUTE
            return
        instant = midnight
        while instant < after:
            if instant.astimezone(zone).date() == day:
                yield instant
            instant += _MINUTE


def _holds(window: Hours, now: int) -> bool:
    start, end = minutes(window.start), minutes(window.end)
    return start <= now < end if start <= end else now >= start or now < end


def minutes(clock: str) -> int:
    """A time of day as minutes since midnight; "24:00" is the day's end. Raises ValueError for what is none."""
    hour, _, minute = clock.partition(":")
    total = int(hour) * 60 + int(minute)
    if not 0 <= total <= 24 * 60 or not 0 <= int(minute) < 60:
        raise ValueError(f"{clock!r} is not a time of day: HH:MM from 00:00 to 24:00")
    return total


@lru_cache(maxsize=256)
def public_holidays(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    """The holidays of a year by date. Raises ValueError for a country or subdivision that is not known."""
    try:
        return dict(holidays.country_holidays(country, subdiv=subdivision, years=year))
    except NotImplementedError:
        place = f"{country}-{subdivision}" if subdivision else country
        raise ValueError(f"no holidays are known for {place}") from None
