"""What this process counts for `/metrics`, beside what the rows tell."""

from prometheus_client import Counter

SUBMITTED = Counter(
    "vitrine_submissions_total",
    "Runs asked for; shared: an identical one was done or under way.", ["outcome"],
)
REFUSED = Counter(
    "vitrine_refusals_total", "Requests that were turned down, by code.", ["code"]
)
