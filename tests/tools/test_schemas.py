import json

from ruamel.yaml import YAML

from events import CATEGORIES
from events.base import personal_fields
from libs.kit.wire import Wire
from tools.asyncapi import asyncapi
from tools.json_schemas import FOLDER, schema
from tools.samples import kinds
from tools.schemas import generated, write


def test_what_the_log_seals_is_marked_in_the_schema():
    for kind in kinds():
        properties = json.loads(schema(kind))["$defs"][kind.__name__]["properties"]
        marked = {name: field["x-personal"]["erased"] for name, field in properties.items() if "x-personal" in field}
        assert marked == {name: mark.erased for name, mark in personal_fields(kind).items()}


def test_every_current_fact_is_a_message_whose_frame_is_that_of_the_wire():
    messages = YAML(typ="safe").load(asyncapi())["components"]["messages"]
    assert set(messages) == {tag for category in CATEGORIES for tag in category.current}
    names = list(Wire.__struct_fields__)
    for tag, message in messages.items():
        frame = message["payload"]["items"]
        assert frame[names.index("type")]["const"] == tag
        assert frame[names.index("data")] == {"$ref": f"./json/{tag}.schema.json"}


def test_the_schema_of_a_fact_that_is_gone_is_removed_and_nothing_else_changes(tmp_path):
    write(tmp_path)
    gone = tmp_path / FOLDER / "timer.forgotten.v1.schema.json"
    gone.write_text("{}", encoding="utf-8")
    assert write(tmp_path) == [gone.relative_to(tmp_path)]
    assert all((tmp_path / path).read_text(encoding="utf-8") == text for path, text in generated().items())
