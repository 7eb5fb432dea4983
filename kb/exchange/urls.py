"""Addresses of references. The suffix of each says its format."""

from django.urls import path

from kb.exchange import views

app_name = "exchange"
urlpatterns = [
    path("papers/<slug:slug>/cite.bib", views.paper, {"name": "bibtex"}, "bib"),
    path("papers/<slug:slug>/cite.ris", views.paper, {"name": "ris"}, "ris"),
    path("papers/<slug:slug>/cite.json", views.paper, {"name": "csl-json"}, "json"),
    path("references.bib", views.everything, {"name": "bibtex"}, "all-bib"),
    path("references.ris", views.everything, {"name": "ris"}, "all-ris"),
    path("references.json", views.everything, {"name": "csl-json"}, "all-json"),
]
