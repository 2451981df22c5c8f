"""Nothing that logs a person in is shown, logged, tagged or written: it is masked in every text that leaves a run."""

from __future__ import annotations

import logging
import re
from typing import Any

MASK = "***"
USER = r"""(?<=://)(?:[^\s/?#"<>]*|[^\s:/"<>]*:[^\s@"<>]*)@"""
"""What stands before the host of a URI; a password may hold a slash, as those of databases do."""
QUERY = (
    r"""(?i)(?<=[?&;#])((?:[\w.-]*[_.-])?(?:user|username|uid|password|passwd|pwd|passphrase|token|secret|key|apikey|"""
    r"""accesskey|(?:aws)?accesskeyid|key_id|sig|signature|credential|credentials|auth|authorization)=)[^\s&;#"'<>]+"""
)
"""Parameters of a query that log in, such as ?password=, &access_token= and &X-Amz-Signature=."""
SETTING = r"""(?i)(?:(?<!\w)|(?<=%3B))((?:password|passwd|pwd)(?:=|%3D))(?!\*)(?:(?!%3B)[^\s&;,#"'<>])+"""
"""A password in the text that a database's driver takes, plain or quoted within a URI."""
HEADER = r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)[\w.~+/=-]+"


def masked(text: str) -> str:
    """The text with the login of every URI in it replaced by asterisks."""
    for secret in (QUERY, SETTING, HEADER):
        text = re.sub(secret, rf"\1{MASK}", text)
    return re.sub(USER, f"{MASK}@", text)


def without_login(uri: str) -> str:
    """A URI with nothing before its host, for a page that asks for the login itself."""
    return masked(re.sub(USER, "", uri))


def mask_logs() -> None:
    """Mask all that is logged in this process from now on, by whichever library and to whichever handler."""
    make = logging.getLogRecordFactory()
    if getattr(make, "masks", False):
        return

    def masking(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        text = record.getMessage()
        if masked(text) != text:
            record.msg, record.args = masked(text), ()
        if record.exc_info:
            record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        return record

    masking.masks = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(masking)
