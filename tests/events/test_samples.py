import json
import subprocess
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from events.base import Retired, tag_of
from tools.guards.generated import (
    NoHistory,
    changed_samples,
    read_sample,
    sample_files,
    unreadable_samples,
)
from tools.json_schemas import schema
from tools.samples import FOLDER, kinds, sample, write_missing

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sample_files(ROOT), ids=lambda path: path.stem)
def test_every_sample_ever_written_reads_as_a_current_fact(path):
    event = read_sample(path)
    assert not isinstance(event, Retired)


@pytest.mark.parametrize("path", sample_files(ROOT), ids=lambda path: path.stem)
def test_a_fact_survives_being_written_and_read_again(path):
    event = read_sample(path)
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


@pytest.mark.parametrize("path", sample_files(ROOT), ids=lambda path: path.stem)
def test_a_sample_keeps_to_the_schema_that_other_languages_read(path):
    event = read_sample(path)
    Draft202012Validator(json.loads(schema(type(event)))).validate(json.loads(msgspec.json.encode(event)))


@pytest.mark.parametrize("kind", list(kinds()), ids=tag_of)
def test_a_sample_can_be_made_of_every_type_and_is_the_same_each_time(kind):
    assert sample(kind) == sample(kind)
    assert json.loads(sample(kind))["type"] == tag_of(kind)


def test_a_sample_that_exists_is_not_written_again(tmp_path):
    first, *others = write_missing(tmp_path)
    first.write_text("{}", encoding="utf-8")
    others[0].rename(others[0].with_suffix(".variant.json"))
    assert write_missing(tmp_path) == []
    assert first.read_text(encoding="utf-8") == "{}"


def test_a_field_that_today_has_no_name_for_makes_a_sample_unreadable(tmp_path):
    write_missing(tmp_path)
    path = tmp_path / FOLDER / "timer.fired.v1.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "snoozed": True}), encoding="utf-8")
    assert ["snoozed" in one.words for one in unreadable_samples(tmp_path)] == [True]


def test_a_changed_and_a_deleted_sample_are_seen_against_git(tmp_path):
    changed, deleted, *_ = write_missing(tmp_path)
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "t"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    assert changed_samples(tmp_path) == []
    changed.write_text("{}", encoding="utf-8")
    deleted.unlink()
    (tmp_path / FOLDER / "timer.fired.v1.more.json").write_text("{}", encoding="utf-8")
    assert {Path(one.path).name for one in changed_samples(tmp_path)} == {changed.name, deleted.name}


def test_without_git_there_is_nothing_to_compare_with(tmp_path):
    with pytest.raises(NoHistory):
        changed_samples(tmp_path)
