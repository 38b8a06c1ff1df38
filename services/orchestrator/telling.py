"""Conversations hear the fact in hand, and what they tell becomes a decision with its index rows."""

from collections.abc import Callable, Iterable, Sequence

from events import conversation, followup
from events.base import Draft
from libs.kit.folds import Reached
from libs.kit.world import Decision, Row, World
from services.orchestrator import calling, handing, index, process, turning
from services.orchestrator.gather import CONVERSATIONS, Gatherer, Shell
from services.orchestrator.story import Story


class Telling:
    """Makes decisions of stories."""

    def __init__(self, gather: Gatherer, shell: Shell) -> None:
        self._gather = gather
        self._shell = shell

    async def tell(
        self,
        world: World,
        conversation_id: str,
        verb: Callable[[Story], None],
        rows: Iterable[Row] = (),
        keys: Sequence[str] = (),
    ) -> Decision | None:
        """One conversation hears the fact in hand, and `keys` that seal it become its contact's; None for one that never began."""
        story = await self._gather.story(world, {}, conversation_id)
        if story is None:
            return self.decision(world, [], rows)
        verb(story)
        bound = self._shell.bind_rows(world.tenant, keys, story.contact.id) if keys else []
        return self.told(world, [story], [*rows, *bound])

    def told(
        self, world: World, stories: Iterable[Story], rows: Iterable[Row] = (), drafts: Iterable[Draft] = ()
    ) -> Decision | None:
        """What the stories have to tell, each closed where nothing is left to do in it, before `drafts`."""
        told: list[Draft] = []
        reached: list[Reached] = []
        config = None
        more = list(drafts)
        beside = {draft.stream for draft in more}
        for story in stories:
            handing.by_the_flow(story)
            process.close_if_done(story)
            calling.guide(story)
            told += story.drafts
            config = story.known.current.hash
            if story.stream not in beside:
                reached.append((CONVERSATIONS, story.stream, story.conversation))
        return self.decision(world, [*told, *more], rows, config, reached)

    def decision(
        self,
        world: World,
        drafts: list[Draft],
        rows: Iterable[Row] = (),
        config: str | None = None,
        reached: Sequence[Reached] = (),
    ) -> Decision | None:
        """The facts with the rows that go with them; None when there is neither."""
        rows = list(rows)
        for draft in drafts:
            rows.extend(index.rows_of(world.tenant, draft, world.now()))
            if isinstance(draft.event, conversation.TimerSet | followup.Scheduled):
                rows.append(self._shell.timer_row(world.fact, draft.stream, draft.event))
        own = {n: work for n, draft in enumerate(drafts) if (work := turning.work_of(draft)) is not None}
        return Decision(drafts, rows, config, reached, own) if drafts or rows else None
