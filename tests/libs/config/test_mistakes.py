"""One deliberate mistake in the shipped bundle gives one finding: the file, the line, the path and a hint."""

from dataclasses import dataclass

import pytest

from tests.libs.config.shipped import CREDENTIALS, TEXTS, added, changed, check

RULES, MAPS, SETTINGS, POLICY, PRICES = "rules.yaml", "state_maps.yaml", "settings.yaml", "policy.yaml", "prices.yaml"
PAYMENT, ORDER, WHATSAPP = "flows/payment.yaml", "flows/order.yaml", "templates/whatsapp.yaml"
MOVES = "state_maps[0].transitions"


@dataclass(frozen=True)
class Mistake:
    """`old` becomes `new` in a file; the finding is expected `below` lines under the change."""

    name: str
    file: str
    old: str
    new: str
    path: str
    says: str
    hint: str
    below: int = 0
    severity: str = "error"


END_STEP = "      - id: already_paid\n        type: end"
COLLECT = "      - id: already_paid\n        type: collect\n        templates: {{whatsapp: payment_reminder}}\n        slots: [{slots}]"

PLAN = "      - id: already_paid\n        type: plan\n        goal: Find out.\n        tools: [{tools}]"


MISTAKES = (
    Mistake("an unknown key of a rule", RULES, "    cooldown: 24h", "    cooldwn: 24h", "rules[0].cooldwn", "has no key 'cooldwn'", "'cooldown'"),
    Mistake("a duration without a unit", RULES, "cooldown: 24h", "cooldown: 24", "rules[0].cooldown", "must be a duration", "24h"),
    Mistake("an unknown operator", RULES, "operator: gte, value: 3", "operator: gtee, value: 3", "rules[0].conditions.all[0].operator", "'gtee' is no operator", "'gte'"),
    Mistake("a value that cannot be compared", RULES, "gte, value: 3", "gte, value: three", "rules[0].conditions.all[0].value", "gte cannot compare with the text 'three'", "value: 3"),
    Mistake("a comparison with nothing", RULES, "operator: gte, value: 3", "operator: gte", "rules[0].conditions.all[0]", "gte needs a value", "value: 3"),
    Mistake("a regular expression that is none", RULES, "days_overdue, operator: gte, value: 3", "days_overdue, operator: matches, value: '(3'", "rules[0].conditions.all[0].value", "no regular expression", "re"),
    Mistake("a mistyped group of conditions", RULES, "      all:", "      al:", "rules[0].conditions", "no key 'al'", "'all'", below=0),
    Mistake("a priority that is none", RULES, "priority: high", "priority: hihg", "rules[0].create_followup.priority", "is no priority", "'high'"),
    Mistake("a channel that is none", RULES, "[voice, whatsapp, email]", "[voice, whatsap, email]", "rules[0].create_followup.channel_priority[1]", "'whatsap' is no channel", "'whatsapp'"),
    Mistake("a process without a map", RULES, "process_type: payment_collection", "process_type: payment_colection", "rules[0].create_followup.process_type", "no state map 'payment_colection'", "'payment_collection'"),
    Mistake("a flow that is not there", RULES, "flow: payment_reminder", "flow: payment_remainder", "rules[0].create_followup.flow", "no flow 'payment_remainder'", "'payment_reminder'"),
    Mistake("a rule without its event", RULES, "    on: invoice_overdue\n", "", "rules[0]", "a rule has no 'on'", "add `on:", below=-1),
    Mistake("a rule that is there twice", RULES, "id: order_placed", "id: overdue_reminder", "rules[1].id", "defined twice", "rules.yaml:3"),
    Mistake("a key that is there twice", RULES, "    cooldown: 24h\n", "    cooldown: 24h\n    cooldown: 12h\n", "rules[0].cooldown", "the key 'cooldown' is defined twice", "rules.yaml:", below=1),
    Mistake("a match of something that is not matched", RULES, "match: {entity_id:", "match: {invoice:", "rules[0].cancel_on[0].match.invoice", "nothing is matched by 'invoice'", "entity_id"),
    Mistake("a rule that names what only a conversation knows", RULES, 'reason: "Payment overdue {{days_overdue}} days"', 'reason: "{{extracted_info.reason}}"', "rules[0].create_followup.reason", "a rule cannot name 'extracted_info'", "field of the data"),
    Mistake("a filter that is none", RULES, "{{days_overdue}} days", "{{days_overdue|inrr}} days", "rules[0].create_followup.reason", "this template cannot be read", "filters"),
    Mistake("a supersede that is neither", RULES, "    cooldown: 24h", "    supersede: perhaps\n    cooldown: 24h", "rules[0].supersede", "must be true or false", "true"),
    Mistake("a schedule at no time of day", RULES, "    cooldown: 24h", '    schedule: {field: due_date, offset: -3d, at: "10"}\n    cooldown: 24h', "rules[0].schedule.at", "no time of day", "10:00"),
    Mistake("a schedule without a unit", RULES, "    cooldown: 24h", "    schedule: {field: due_date, offset: -3}\n    cooldown: 24h", "rules[0].schedule.offset", "must be a duration", "24h"),
    Mistake("a schedule on a field that is written otherwise", RULES, "    cooldown: 24h", "    schedule: {field: invoice_numbr}\n    cooldown: 24h", "rules[0].schedule.field", "'invoice_numbr'", "'invoice_number'", severity="warning"),
    Mistake("a field of the data written otherwise", RULES, 'dedupe_key: "payment:{{invoice_number}}"', 'dedupe_key: "payment:{{invoice_numbr}}"', "rules[0].dedupe_key", "only here the event's data is said to hold 'invoice_numbr'", "'invoice_number'", severity="warning"),
    Mistake("a state that is not there", MAPS, "        to_state: reminded", "        to_state: remindd", f"{MOVES}[1].to_state", "no state 'remindd'", "'reminded'"),
    Mistake("an initial state that is not there", MAPS, "initial_state: pending", "initial_state: pendng", "state_maps[0].initial_state", "no state 'pendng'", "'pending'"),
    Mistake("a state that cannot be reached", MAPS, "[pending, reminded, acknowledged, promised,", "[pending, forgotten, reminded, acknowledged, promised,", "state_maps[0].states[1]", "'forgotten' cannot be reached", "add a transition"),
    Mistake("a state that cannot be left", MAPS, "[issue_reported, delivered, escalated]\n        to_state: completed", "[issue_reported, delivered, escalated]\n        to_state: stuck", "state_maps[1].transitions[14].to_state", "no state 'stuck'", "known are", below=1),
    Mistake("a transition out of a terminal state", MAPS, "from_states: [pending]", "from_states: [closed]", f"{MOVES}[0].from_states[0]", "'closed' is terminal", "leave it out"),
    Mistake("an outcome that never comes", MAPS, "{type: outcome, values: [message_sent, call_answered]}", "{type: outcome, values: [mesage_sent, call_answered]}", f"{MOVES}[1].trigger.values[0]", "'mesage_sent' never comes", "'message_sent'"),
    Mistake("a type of trigger that is none", MAPS, "{type: outcome, values: [message_sent, call_answered]}", "{type: outcom, values: [message_sent, call_answered]}", f"{MOVES}[1].trigger.type", "is no type", "'outcome'"),
    Mistake("an event without a match", MAPS, ', match: {entity_id: "{{invoice_number}}"}', "", f"{MOVES}[16].trigger", "has no 'match'", "entity_id"),
    Mistake("a timer that nobody sets", MAPS, "{type: timer, values: [later]}", "{type: timer, values: [lter]}", f"{MOVES}[26].trigger.values[0]", "the timer 'lter' never fires", "'later'"),
    Mistake("an action that is none", MAPS, "type: update_backend", "type: update_backnd", f"{MOVES}[2].actions[0].type", "is no type", "'update_backend'"),
    Mistake("an endpoint that is not there", MAPS, "endpoint: record_promise", "endpoint: record_promis", f"{MOVES}[2].actions[0].endpoint", "no endpoint 'record_promis'", "'record_promise'"),
    Mistake("a payload without what the path needs", MAPS, '{invoice_id: "{{entity_id}}", promised_date', '{invoice: "{{entity_id}}", promised_date', f"{MOVES}[2].actions[0].payload", "needs 'invoice_id'", "'invoice'"),
    Mistake("a delay that is no number", MAPS, "delay_minutes: 4320", "delay_minutes: three days", f"{MOVES}[2].actions[1].delay_minutes", "must be a whole number", "1 or more"),
    Mistake("a template that no channel has", MAPS, "template: payment_thanks", "template: payment_thank", f"{MOVES}[12].actions[0].template", "no template 'payment_thank'", "'payment_thanks'"),
    Mistake("a name that cannot exist in a map", MAPS, '"disputes invoice {{entity_id}}"', '"disputes invoice {{entityid}}"', f"{MOVES}[30].actions[1].reason", "'entityid' cannot exist here", "'entity_id'"),
    Mistake("an intent written otherwise", MAPS, "values: [dispute_invoice]", "values: [dispute_invoic, dispute_invoice]", f"{MOVES}[30].trigger.values[0]", "'dispute_invoic' is not described", "'dispute_invoice'", severity="warning"),
    Mistake("two transitions of one trigger", MAPS, "{type: manual, values: [close]}", "{type: manual, values: [close, mark_paid]}", f"{MOVES}[36]", "overlaps with transitions[35]", "exclude each other", below=-2, severity="warning"),
    Mistake("a goto to nowhere", PAYMENT, "goto: already_paid", "goto: alredy_paid", "flows[0].steps[1].arms[0].goto", "no step 'alredy_paid'", "'already_paid'"),
    Mistake("a plan whose tool leads nowhere", PAYMENT, END_STEP, PLAN.format(tools="{endpoint: check_paymnt}"), "flows[0].steps[5].tools[0].endpoint", "no endpoint 'check_paymnt'", "'check_payment'", below=3),
    Mistake("a plan whose path Claude would have to fill", PAYMENT, END_STEP, PLAN.format(tools="check_payment"), "flows[0].steps[5].tools[0]", "needs 'invoice_id'", "invoice_id", below=3),
    Mistake("an input that Claude cannot change", PAYMENT, END_STEP, PLAN.format(tools="{endpoint: check_payment, payload_template: {invoice_id: entity_id}, inputs: [{name: invoice_id, type: text}]}"), "flows[0].steps[5].tools[0].inputs[0].name", "'invoice_id' stands in the payload_template", "leave one out", below=3),
    Mistake("a plan that costs no amount", PAYMENT, END_STEP, PLAN.format(tools="{endpoint: check_payment, payload_template: {invoice_id: entity_id}}") + "\n        max_cost: {USD: much}", "flows[0].steps[5].max_cost.USD", "must be an amount", "USD", below=4),
    Mistake("a slot of no type", PAYMENT, END_STEP, COLLECT.format(slots="{name: when, type: dat, ask: When?}"), "flows[0].steps[5].slots[0].type", "is no type", "'date'", below=3),
    Mistake("a choice without choices", PAYMENT, END_STEP, COLLECT.format(slots="{name: how, type: choice, ask: How?}"), "flows[0].steps[5].slots[0]", "needs 'choices'", "choices: [", below=3),
    Mistake("a slot that is required and never asked for", PAYMENT, END_STEP, COLLECT.format(slots="{name: when, type: date}"), "flows[0].steps[5].slots[0]", "has no 'ask'", "the question", below=3),
    Mistake("a slot that is there twice", PAYMENT, END_STEP, COLLECT.format(slots="{name: w, type: date, ask: W?}, {name: w, type: text, ask: W?}"), "flows[0].steps[5].slots[1].name", "'w' is there twice", "name of its own", below=3),
    Mistake("a slot with a name that means something else", PAYMENT, END_STEP, COLLECT.format(slots="{name: state, type: text, ask: W?}"), "flows[0].steps[5].slots[0].name", "already means something else", "another name", below=3),
    Mistake("a question that names what cannot exist", PAYMENT, END_STEP, COLLECT.format(slots="{name: when, type: date, ask: 'When, {{contact_nam}}?'}"), "flows[0].steps[5].slots[0].ask", "'contact_nam' cannot exist here", "'contact_name'", below=3),
    Mistake("a subflow that is not there", PAYMENT, END_STEP, "      - {id: already_paid, type: subflow, flow: promise_chek}", "flows[0].steps[5].flow", "no flow 'promise_chek'", "'promise_check'"),
    Mistake("a flow that calls itself", PAYMENT, END_STEP, "      - {id: already_paid, type: subflow, flow: payment_reminder}", "flows[0].steps[5].flow", "calls itself", "goto"),
    Mistake("an id that the contact says", "flows/payment.yaml", 'invoice_id: "business_context.invoice_number"', 'invoice_id: "slots.payment_date"', "flows[0].steps[0].tool.payload_template.invoice_id", "what the contact says (slots.payment_date)", "write entity_id", severity="warning"),
    Mistake("a slot that nobody collects", MAPS, '"disputes invoice {{entity_id}}"', '"disputes {{slots.what}}"', f"{MOVES}[30].actions[1].reason", "slots has no field 'what'", ""),
    Mistake("a type of step that is none", PAYMENT, "type: generate", "type: genrate", "flows[0].steps[2].type", "no type of step", "'generate'"),
    Mistake("a name that cannot exist in a prompt", PAYMENT, "about invoice {{invoice_number}}", "about invoice {{invoice_numbr}}", "flows[0].steps[2].system_prompt", "'invoice_numbr' cannot exist here", "'invoice_number'"),
    Mistake("a field that the contact does not have", PAYMENT, "Call {{contact_name}}", "Call {{contact.nam}}", "flows[0].steps[2].system_prompt", "contact has no field 'nam'", "'name'"),
    Mistake("a path that cannot exist", PAYMENT, '"business_context.invoice_number"', '"business_context.invoice_no"', "flows[0].steps[0].tool.payload_template.invoice_id", "no field 'invoice_no'", "'invoice_number'"),
    Mistake("a template that is not there", PAYMENT, "{whatsapp: payment_reminder,", "{whatsapp: payment_remindr,", "flows[0].steps[2].templates.whatsapp", "whatsapp has no template 'payment_remindr'", "'payment_reminder'"),
    Mistake("a tool that is not there", PAYMENT, "endpoint: check_payment", "endpoint: check_paymnt", "flows[0].steps[0].tool.endpoint", "no endpoint 'check_paymnt'", "'check_payment'"),
    Mistake("a condition on a name that cannot exist", PAYMENT, "field: payment_status.paid", "field: payment_state.paid", "flows[0].steps[1].arms[0].conditions[0].field", "'payment_state' cannot exist here", "'payment_status'"),
    Mistake("a loop that never waits", ORDER, "        on_error: tell_delay", "        on_error: tell_delay\n        goto: track", "flows[2].steps[0].id", "in a loop that never waits", "generate or wait", below=-3),
    Mistake("a flow that never ends", ORDER, "        for: reply", "        for: reply\n        goto: until_reply", "flows[1].steps", "has no end", "`end` step", below=-2),
    Mistake("a category that is none", WHATSAPP, "category: utility", "category: utilty", "templates[0].category", "is no category", "'utility'"),
    Mistake("a language that is none", WHATSAPP, "language: en", "language: English", "templates[0].language", "no language code", "en_US"),
    Mistake("a gap longer than a year", POLICY, "minimum_gap_minutes: 240", "minimum_gap_minutes: 999999999", "policy.minimum_gap_minutes", "is at most 527040", "or less"),
    Mistake("a check in a thousand years", MAPS, "delay_minutes: 4320", "delay_minutes: 525600000", f"{MOVES}[2].actions[1].delay_minutes", "is at most 2635200", "or less"),
    Mistake("hours that are none", POLICY, 'from: "09:00"', 'from: "9am"', "policy.hours.voice.from", "no time of day", "08:00"),
    Mistake("hours that never open", POLICY, 'to: "19:00"', 'to: "07:00"', "policy.hours.voice", "never open", "before"),
    Mistake("a zone that is none", POLICY, "Asia/Kolkata", "Asia/Kolkatta", "policy.timezone", "no time zone", "IANA"),
    Mistake("a date that is none", POLICY, "blackout_dates: []", "blackout_dates: [2026-02-30]", "policy.blackout_dates[0]", "no date", "2026-11-09"),
    Mistake("a purpose without a map", POLICY, "    payment_collection:", "    payment_colection:", "policy.purposes.payment_colection", "no state map", "'payment_collection'", below=1),
    Mistake("a region without holidays", POLICY, "subdivision: MH", "subdivision: MHA", "policy.holidays.subdivision", "no holidays are known", "'MH'"),
    Mistake("consent that is neither", POLICY, "whatsapp: required", "whatsapp: requird", "policy.consent.whatsapp", "is not known", "'required'"),
    Mistake("a limit in no currency", POLICY, "  blackout_dates: []", "  money_per_day: {Rs: 5000}", "policy.money_per_day.Rs", "no currency", "INR"),
    Mistake("a question about the debt before anybody said who they are", POLICY, "Am I writing to {{contact_name}}?", "Is {{entity_id}} yours?", "policy.right_person.question", "'entity_id' may not be named", "{{contact_name}}"),
    Mistake("a registered question that names the debt", WHATSAPP, "so that we write to the right person.", "about {{invoice_number}}.", "templates[12].body", "'invoice_number' may not be named", "contact", below=-2),
    Mistake("who may hear a matter in writing", POLICY, "text: registered_address", "text: registred_address", "policy.purposes.payment_collection.right_person.text", "is no text", "'registered_address'"),
    Mistake("a series of numbers for no category", POLICY, "promotional: \"140\"", "promotion: \"140\"", "policy.number_series.promotion", "no category", "'promotional'"),
    Mistake("a category of a purpose that is none", POLICY, "category: transactional", "category: transaction", "policy.purposes.order_fulfillment.category", "is no category", "'transactional'"),
    Mistake("a source of no check", POLICY, "{rules: [stop]}", "{rules: [stp]}", "policy.rules[6].applies.rules[0]", "'stp' is none of the rules", "'stop'"),
    Mistake("an amount that is none", PRICES, "amount: 0.8631", "amount: cheap", "prices[0].amount", "must be a number", "0.115"),
    Mistake("a unit that is none", PRICES, "unit: message", "unit: mesage", "prices[0].unit", "is no unit", "'message'"),
    Mistake("a price that is there twice", PRICES, "category: marketing", "category: utility", "prices[1]", "defined twice", "prices.yaml:5", below=1),
    Mistake("a recipient that is none", SETTINGS, '# test_recipients: ["+91987651*"]', 'test_recipients: ["9198*651"]', "channels.whatsapp.test_recipients[0]", "no address of whatsapp", "+91987651*"),
    Mistake("a provider that is none", SETTINGS, "provider: meta", "provider: mta", "channels.whatsapp.provider", "is no provider", "'meta'"),
    Mistake("a channel of the settings that is none", SETTINGS, "  whatsapp:\n", "  whatsap:\n    enabled: false\n  whatsapp:\n", "channels.whatsap", "'whatsap' is no channel", "'whatsapp'"),
    Mistake("a secret that is written out", SETTINGS, '"${WHATSAPP_APP_SECRET}"', "0a1b2c3d4e", "channels.whatsapp.credentials.app_secret", "is written out", "${APP_SECRET}", severity="warning"),
    Mistake("a name of the environment without its braces", SETTINGS, '"${WHATSAPP_APP_SECRET}"', '"$WHATSAPP_APP_SECRET"', "channels.whatsapp.credentials.app_secret", "is written out", 'write "${WHATSAPP_APP_SECRET}"', severity="warning"),
    Mistake("a credential that is none", SETTINGS, "phone_id:", "phone_idd:", "channels.whatsapp.credentials.phone_idd", "no credential 'phone_idd'", "'phone_id'"),
    Mistake("a connector that is not built", SETTINGS, "type: rest", "type: graphql", "backend.type", "'graphql' is not built yet", "rest"),
    Mistake("a path that is none", SETTINGS, "/contacts/{contact_id}", "contacts/{contact_id}", "backend.endpoints.get_contact", "is no path", "slash"),
    Mistake("an expression that is no JMESPath", SETTINGS, "  poll: {every_minutes: 5}", '  mapping: {get_contact: {name: "full_name["}}', "backend.mapping.get_contact.name", "is no JMESPath", "jmespath.org"),
    Mistake("a mapping of no endpoint", SETTINGS, "  poll: {every_minutes: 5}", "  mapping: {get_contct: {name: full_name}}", "backend.mapping.get_contct", "names no endpoint", "'get_contact'"),
    Mistake("a time that is no number", SETTINGS, "every_minutes: 5", "every_minutes: often", "backend.poll.every_minutes", "must be a whole number", "1 or more"),
    Mistake("an unknown key of the settings", SETTINGS, "max_tokens: 600", "max_token: 600", "llm.max_token", "has no key 'max_token'", "'max_tokens'"),
    Mistake("an unknown key of the bundle", SETTINGS, "llm:", "lmm:", "lmm", "a bundle has no key 'lmm'", "'llm'"),
)  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_where_it_was_made(mistake: Mistake):
    texts, line = changed(mistake.file, mistake.old, mistake.new)
    findings = added(texts)
    assert len(findings) == 1, findings
    (found,) = findings
    assert (found.file, found.path, found.severity) == (mistake.file, mistake.path, mistake.severity)
    assert found.line == line + mistake.below
    assert mistake.says in found.message
    assert mistake.hint in found.hint
    assert (check(texts).bundle is None) == (mistake.severity == "error")


ALL_AT_ONCE = (
    "a duration without a unit",
    "an unknown operator",
    "a priority that is none",
    "a channel that is none",
    "a flow that is not there",
    "a filter that is none",
    "an outcome that never comes",
    "an endpoint that is not there",
    "a delay that is no number",
    "a template that no channel has",
    "a name that cannot exist in a map",
    "an intent written otherwise",
    "a timer that nobody sets",
    "a name that cannot exist in a prompt",
    "a field that the contact does not have",
    "a path that cannot exist",
    "a template that is not there",
    "a tool that is not there",
    "a flow that never ends",
    "a category that is none",
    "hours that are none",
    "a zone that is none",
    "an amount that is none",
    "a provider that is none",
    "an unknown key of the settings",
)


def test_twenty_five_mistakes_give_twenty_five_findings_each_with_its_place_and_a_hint():
    texts = dict(TEXTS)
    expected = set()
    for mistake in (each for each in MISTAKES if each.name in ALL_AT_ONCE):
        assert mistake.new.count("\n") == mistake.old.count("\n") or mistake.file == ORDER
        place = texts[mistake.file].index(mistake.old)
        line = texts[mistake.file].count("\n", 0, place) + 1 + mistake.below
        texts[mistake.file] = texts[mistake.file].replace(mistake.old, mistake.new, 1)
        expected.add((mistake.file, line, mistake.path, mistake.severity))
    findings = added(texts)
    assert {(each.file, each.line, each.path, each.severity) for each in findings} == expected
    assert (len(findings), len(ALL_AT_ONCE)) == (25, 25)
    assert all(each.message and each.hint for each in findings)


def test_nothing_is_found_wrong_with_the_shipped_bundle():
    assert check().findings == ()
    reached = f"webhook_base_url: https://hooks.example.com\n{TEXTS[SETTINGS]}"
    assert check({**TEXTS, SETTINGS: reached}, CREDENTIALS).findings == (), "with every account, too"


def test_a_dead_end_is_found_at_the_state():
    texts, line = changed(MAPS, "terminal_states: [confirmed, closed]", "terminal_states: [confirmed]")
    (found,) = added(texts)
    assert (found.path, found.line) == ("state_maps[0].states[8]", line - 2)
    assert "'closed' is a dead end" in found.message


def test_a_bare_name_that_two_define_is_refused():
    old = '        invoice_number: "{{invoice_number}}"\n        amount'
    texts, _ = changed(RULES, old, '        name: "{{customer}}"\n' + old)
    prompt = texts[PAYMENT].replace("Call {{contact_name}}", "Call {{name}}")
    (found,) = added({**texts, PAYMENT: prompt})
    assert "defined by business_context and by contact" in found.message
    assert found.hint == "write business_context.name or contact.name"


def test_a_step_that_may_meet_a_closed_window_needs_a_text_or_a_default():
    texts, line = changed(
        PAYMENT,
        "        templates: {whatsapp: payment_reminder, sms: payment_reminder}\n        max_words: 80",
        "        max_words: 80",
    )
    assert added(texts) == []
    settings = TEXTS[SETTINGS].replace("    default_template: general_followup\n", "", 1)
    (found,) = added({**texts, SETTINGS: settings})
    assert (found.path, found.severity) == ("flows[0].steps[2]", "warning")
    assert "whatsapp's window is closed" in found.message
    assert found.line < line


def test_what_is_not_yaml_is_found_with_its_line():
    texts, line = changed(RULES, 'reason: "Payment overdue {{days_overdue}} days"', 'reason: "Payment overdue')
    found = next(each for each in check(texts).findings if each.file == RULES)
    assert "this is not YAML" in found.message
    assert found.line >= line


def test_who_indents_with_a_tab_is_told_to_use_spaces():
    texts, line = changed(RULES, "    on: order_placed", "\ton: order_placed")
    found = next(each for each in check(texts).findings if each.file == RULES)
    assert (found.line, found.hint) == (line, "indent with spaces: YAML takes no tabs")


def test_an_offer_may_not_go_out_where_a_service_was_asked_for():
    texts, _ = changed(WHATSAPP, "    category: utility\n", "    category: marketing\n")
    found = [each for each in added(texts) if "is a marketing text" in each.message]
    assert {(each.file, each.path) for each in found} >= {(PAYMENT, "flows[0].steps[2].templates.whatsapp")}
    promoted = TEXTS[POLICY].replace("      category: service", "      category: promotional")
    assert not [each for each in added({**texts, POLICY: promoted}) if "is a marketing text" in each.message]


def test_offers_that_go_out_in_the_hours_of_reminders_are_said():
    promoted = TEXTS[POLICY].replace("      category: transactional", "      category: promotional")
    found = [each for each in added({**TEXTS, POLICY: promoted}) if "is promotional and goes out" in each.message]
    assert {(each.severity, each.path) for each in found} == {("warning", "policy.purposes.order_fulfillment")}
    assert [each.message.split(" on ")[1].split(":")[0] for each in found] == [
        "email from 08",
        "voice from 09",
        "whatsapp from 08",
    ]
    assert 'whatsapp: {from: "10:00", to: "21:00"}' in found[-1].hint
    abroad = promoted.replace("timezone: Asia/Kolkata", "timezone: Europe/London")
    assert not [each for each in added({**TEXTS, POLICY: abroad}) if "is promotional and goes out" in each.message]


def test_where_nobody_can_be_asked_who_they_are_it_is_said():
    texts, _ = changed(POLICY, "text: registered_address", "text: confirm")
    assert added(texts) == []
    unasked = texts[POLICY].replace("{whatsapp: confirm_person, sms: confirm_person}", "{sms: confirm_person}")
    (found, unused) = added({**texts, POLICY: unasked})
    assert (found.path, found.severity) == ("policy.purposes.payment_collection.right_person.text", "warning")
    assert "nothing sends the template 'confirm_person'" in unused.message
