"""What is said before a call is recorded, and how a contact refuses it."""

from datetime import timedelta

import pytest

from libs.domain.recording import ANNOUNCEMENTS, Recording, recording_of, refuses


@pytest.mark.parametrize(
    "text",
    [
        "Please don't record this call.",
        "I do not want to be recorded",
        "Stop recording please",
        "No recording, please.",
        "Recording mat kijiye",
        "record mat karo",
        "Recording band kar dijiye",
        "mujhe recording nahi chahiye",
        "Aap call record na karein",
        "रिकॉर्ड मत कीजिए",
        "रिकॉर्डिंग बंद करो",
        "I don’t want this recorded.",
    ],
)
def test_who_says_so_is_not_recorded(text: str):
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "Haan ji, 20 February tak kar denge.",
        "There is no such invoice in our records",
        "Mere records mein yeh invoice nahi hai",
        "I don't have that on record",
        "We have a good payment record, do not worry",
        "Theek hai, record kar lijiye",
        "Yes, you may record it",
        "Payment band nahi hua",
    ],
)
def test_other_talk_of_records_refuses_nothing(text: str):
    assert not refuses(text)


def test_it_is_off_until_somebody_turns_it_on_and_kept_for_ninety_days():
    assert recording_of({}) == Recording(enabled=False, storage="local", retention=timedelta(days=90))
    told = {"recording": {"enabled": True, "storage": "s3", "bucket": "acme/calls", "retention_days": 30}}
    assert recording_of(told) == Recording(
        enabled=True, storage="s3", bucket="acme/calls", retention=timedelta(days=30)
    )


def test_the_announcement_is_in_the_language_of_the_call():
    own = recording_of({"recording": {"announcement": {"en": "We record this call."}}})
    assert own.announcement("en-IN") == "We record this call."
    assert own.announcement("hi") == own.announcement("ta") == own.announcement(None) == ANNOUNCEMENTS["hi"]
