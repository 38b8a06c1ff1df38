"""`voice` of the settings: the profiles of its providers, and whether the model that each names takes what is set."""

from libs.config.fields import Fields
from libs.config.findings import Findings, suggest
from libs.config.tree import Node
from libs.config.voice_models import MODELS, OUTPUT, PROVIDERS, SETTINGS, SPEEDS, model_of

COMPONENTS = tuple(SETTINGS)
_WHOLE = {"endpointing_ms": 10, "keyword_boost": 1, "max_response_words": 5}
_FLAGS = ("interim_results", "smart_format", "filler_words", "eager")


def check_profiles(component: str, node: Node, found: Findings) -> None:
    """The profiles of `voice.<component>`; a setting that the chosen model does not know is a finding, never left unsaid."""
    if node.kind != "mapping":
        found.error(node, f"voice.{component} names settings or profiles", "write {provider: …, model: …}")
        return
    nested = {key: each for key, each in node.keys.items() if each.kind == "mapping"}
    flat = {key: each for key, each in node.keys.items() if key not in nested}
    if flat and "default" in nested:
        first = next(iter(flat.values()))
        found.error(
            first,
            f"voice.{component} has settings beside a profile `default`",
            "move them into it",
            line=first.key_line,
        )
    if flat:
        _profile(component, node, set(nested), found)
    for key, each in nested.items():
        if key in SETTINGS[component]:
            found.error(each, f"{key} is no profile", "write a value", line=each.key_line)
            continue
        _profile(component, each, set(), found)


def _profile(component: str, node: Node, profiles: set[str], found: Findings) -> None:
    fields = Fields(node, found, f"voice.{component}")
    for name in profiles:
        fields.child(name)
    provider = fields.choice("provider", PROVIDERS[component]) or PROVIDERS[component][0]
    if component == "telephony":
        fields.text("media_url")
        fields.finish()
        return
    model = fields.text("model")
    family = model_of(provider, model or MODELS[provider][0].like) if provider in MODELS else None
    if family is None and provider in MODELS:
        likes = sorted({each.like for each in MODELS[provider]})
        found.error(node.at("model"), f"{provider} has no model {model!r}", suggest(model or "", likes))
    for key in SETTINGS[component]:
        if fields.child(key) is None or key in ("provider", "model"):
            continue
        _value(key, fields, found)
        if family is not None and key in family.lacks:
            place = node.at(key)
            found.error(
                place,
                f"{model or family.like} does not know {key}: it would change nothing",
                family.lacks[key],
                line=place.key_line,
            )
    _speed(node, provider, fields, found)
    fields.finish()


def _value(key: str, fields: Fields, found: Findings) -> None:
    """Whether a value is of its setting's kind."""
    if key in _WHOLE:
        fields.whole(key, minimum=_WHOLE[key])
    elif key in _FLAGS:
        fields.flag(key)
    elif key == "keywords":
        fields.texts(key)
    elif key == "output_format":
        if fields.text(key) not in (None, OUTPUT):
            place = fields.node.at(key)
            found.error(place, f"a phone line has {OUTPUT}: another format would be converted", f"write {OUTPUT}")
    elif key == "voice_id":
        fields.text(key)


def _speed(node: Node, provider: str, fields: Fields, found: Findings) -> None:
    if not fields.has("speed"):
        return
    value, (least, most) = fields.data("speed"), SPEEDS.get(provider, (0.6, 1.5))
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        found.error(node.at("speed"), f"{provider} speaks at {least} to {most} times its speed", "1.0 is the usual one")
