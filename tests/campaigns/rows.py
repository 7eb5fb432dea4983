"""Print every row of a site as JSON; run with the environment of its processes."""

import json

import django

if __name__ == "__main__":
    django.setup()
    from kb.runs.models import Event, Run

    print(json.dumps({
        "runs": list(Run.objects.values()),
        "events": list(Event.objects.order_by("run", "seq").values()),
    }, default=lambda one: one.timestamp() if hasattr(one, "timestamp") else str(one)))
