"""On what basis a voice may be kept."""

from __future__ import annotations

CONSENT = ("self", "permission", "public")
"""It is the user's own, its owner agreed, or it is published. Each claims less than the one before."""
TODAY = "today"
"""In the place of the day of a consent: it is given now."""
