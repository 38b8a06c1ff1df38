"""What the contact said, as a message to Claude: a named amount or date goes with the order to say it back."""

from libs.llm.calls import END_CALL, READ_BACK, RULES, said


def test_words_alone_are_themselves():
    assert said("kal kar denge", read_back=False) == {"role": "user", "content": "kal kar denge"}


def test_an_amount_goes_with_the_order_to_say_it_back():
    words, order = said("fifty two thousand", read_back=True)["content"]
    assert words["text"] == "fifty two thousand"
    assert order["text"] == READ_BACK
    assert END_CALL in READ_BACK, "it names a tool: the contact cannot have said it"


def test_the_rules_know_pressed_keys_and_late_hours():
    assert "(pressed 1)" in RULES
    assert "disturb" in RULES
