"""Mail over SMTP, and back through SendGrid or Mailgun: its codec's front page."""

from libs.channels.email_address import Mailbox, Token, message_id, message_of, normal, read_token
from libs.channels.email_events import Ignored, NoMore, Progress
from libs.channels.email_inbound import Envelope, Form, Mail, Upload, read_mailgun, read_mime, read_sendgrid
from libs.channels.email_mime import Malformed
from libs.channels.email_outbound import File, Letter, Unsubscribe, Written, check, compose, subject, too_large
from libs.channels.email_outcome import broken, classify, is_permanent, no_auth, no_starttls
from libs.channels.email_report import Report

__all__ = [
    "Envelope",
    "File",
    "Form",
    "Ignored",
    "Letter",
    "Mail",
    "Mailbox",
    "Malformed",
    "NoMore",
    "Progress",
    "Report",
    "Token",
    "Unsubscribe",
    "Upload",
    "Written",
    "broken",
    "check",
    "classify",
    "compose",
    "is_permanent",
    "message_id",
    "message_of",
    "no_auth",
    "no_starttls",
    "normal",
    "read_mailgun",
    "read_mime",
    "read_sendgrid",
    "read_token",
    "subject",
    "too_large",
]
