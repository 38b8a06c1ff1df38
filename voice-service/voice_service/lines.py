"""What the agent says by itself, without Claude."""

from libs.domain.floor import Prompt

LINES: dict[Prompt, str] = {
    "gentle_prompt": "Hello? Aap sun pa rahe hain?",
    "check_in": "Kya aap abhi line par hain?",
    "final_check": "Mujhe aapki awaaz nahi aa rahi hai. Kya aap bol sakte hain?",
    "goodbye": "Lagta hai abhi baat nahi ho pa rahi hai. Hum phir call karenge. Namaste.",
}
HOLD_ON = "Ek second."
