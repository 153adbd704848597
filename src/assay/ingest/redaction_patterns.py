"""The shapes of e-mail addresses and of secrets, in RE2 syntax.

Secrets are known by the prefixes that their makers gave them so that they can be found (as secret scanners do), by the
word before them (`password = …`, `Bearer …`), and as key blocks.
"""

from assay.judging.patterns import linear

EMAIL = linear(r"[\pL\pN._%+\-]+@(?:[\pL\pN][\pL\pN\-]*\.)+\pL\pL+")

_PREFIXED = (
    r"\bsk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_\-]{20,}",  # OpenAI, Anthropic, OpenRouter
    r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"\bgh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{30,}",
    r"\bglpat-[A-Za-z0-9_\-]{20,}",  # GitLab
    r"\bxox[abeprs]-[A-Za-z0-9\-]{10,}",  # Slack
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS
    r"\bAIza[A-Za-z0-9_\-]{35}",  # Google
    r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"\bnpm_[A-Za-z0-9]{30,}",
    r"\bpypi-[A-Za-z0-9_\-]{40,}",
    r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",  # SendGrid
    r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}",  # a JSON web token
)
_BLOCK = r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^\-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
_BEARER = r"(?i)\bbearer\s+([A-Za-z0-9._~+/\-]{16,}=*)"
_NAMED = (
    r"(?i)\b(?:[a-z0-9_\-]{0,40}(?:api[_\-]?key|secret|token|passw(?:or)?d|pwd))"
    r"[\"']?\s{0,8}[:=]\s{0,8}[\"']?([^\s\"',;<>\[\]]{8,})"
)

# where a pattern has a group, the group alone is taken out
SECRETS = tuple(linear(pattern) for pattern in ("|".join(_PREFIXED), _BLOCK, _BEARER, _NAMED))
