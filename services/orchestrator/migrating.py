"""Migrating: what runs in a conversation goes on in another bundle, where that has a place for it."""

from events.dialogue import Migrated, MigrationRefused
from libs.config.bundle import Bundle
from libs.config.moving import obstacle
from services.orchestrator.story import Story


def migrate(story: Story, bundle: Bundle, only: list[str]) -> None:
    """Move each live matter, or say why it stays."""
    for matter in story.conversation.live:
        if matter.bundle == bundle.hash or (only and matter.id not in only):
            continue
        reason = obstacle(matter, bundle)
        if reason is not None:
            story.tell(MigrationRefused(matter=matter.id, bundle=bundle.hash, reason=reason))
        else:
            story.tell(Migrated(matter=matter.id, from_bundle=matter.bundle, to_bundle=bundle.hash))
