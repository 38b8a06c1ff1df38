"""What mail servers send back about a mail: bounces and delays (RFC 3464), complaints (RFC 5965), and bounces without a form."""

from collections.abc import Mapping, Sequence

Headers = Mapping[str, Sequence[str]]
_DAEMON = "MAILER-DAEMON@mx.example"


def bounced(back_to: str, recipient: str, id: str, status: str, headers: Headers) -> bytes:
    """It could not be delivered."""
    return _status(back_to, recipient, id, status, "failed", "Undelivered Mail Returned to Sender", headers)


def delayed(back_to: str, recipient: str, id: str, headers: Headers) -> bytes:
    """It has not been delivered yet."""
    return _status(back_to, recipient, id, "4.4.1", "delayed", "Delayed Mail (still being retried)", headers)


def unformed(back_to: str, recipient: str, id: str, status: str, headers: Headers) -> bytes:
    """It could not be delivered, in qmail's words."""
    return (
        f"From: {_DAEMON}\r\nTo: {back_to}\r\nSubject: failure notice\r\nMessage-ID: <u-{id}>\r\n\r\n"
        "Hi. This is the qmail-send program at mx.example.\r\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n"
        f"<{recipient}>:\r\nRemote host said: 550 {status} no such user\r\n"
    ).encode()


def complaint(back_to: str, recipient: str, id: str, headers: Headers) -> bytes:
    """The receiver said that it is spam."""
    boundary = "feedback-sandbox"
    return (
        f"From: <fbl@mx.example>\r\nTo: {back_to}\r\nSubject: FW: complaint\r\nMessage-ID: <c-{id}>\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=feedback-report; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
        f"--{boundary}\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: abuse\r\nUser-Agent: sandbox/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: <{recipient}>\r\n"
        f"--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n{_original(id, headers)}\r\nspam\r\n--{boundary}--\r\n"
    ).encode()


def _status(back_to: str, recipient: str, id: str, status: str, action: str, subject: str, headers: Headers) -> bytes:
    boundary = "status-sandbox"
    return (
        f"From: Mail Delivery System <{_DAEMON}>\r\nTo: {back_to}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{action}-{id}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nThis is the mail system at host mx.example.\r\n"
        f"--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: {action}\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; 550 {status} <{recipient}>: user unknown\r\n"
        f"\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n{_original(id, headers)}\r\n--{boundary}--\r\n"
    ).encode()


def _original(id: str, headers: Headers) -> str:
    """The headers of the mail that it is about, as the server that returns it knew them."""
    subject = headers.get("subject", [""])[0].encode("ascii", "replace").decode()
    return f"From: <sender@example.com>\r\nSubject: {subject}\r\nMessage-ID: <{id}>\r\n"
