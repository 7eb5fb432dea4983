"""Addresses of the API and of the probes."""

from django.urls import path, re_path

from kb.api import catalogue, probes, results, runs
from kb.api.docs import docs, schema
from kb.api.errors import no_such_address

app_name = "api"
urlpatterns = [
    path("api/", docs, name="docs"),
    path("api/schema/", schema, name="schema"),
    path("api/search/", catalogue.Search.as_view(), name="search"),
    path("api/papers/", catalogue.Papers.as_view(), name="papers"),
    path("api/papers/<slug:slug>/", catalogue.OnePaper.as_view(), name="paper"),
    path("api/demos/", catalogue.Demos.as_view(), name="demos"),
    path("api/results/", results.Results.as_view(), name="results"),
    path("api/runs/", runs.Runs.as_view(), name="runs"),
    path("api/runs/<uuid:run_id>/", runs.OneRun.as_view(), name="run"),
    path("api/runs/<uuid:run_id>/cancel/", runs.CancelRun.as_view(), name="cancel"),
    re_path(r"^api/(?P<path>(?s:.*))", no_such_address),  # a line break is no end
    path("healthz", probes.healthz, name="healthz"),
    path("healthz/stream", probes.stream, name="stream"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
]
