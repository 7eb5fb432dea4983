"""Addresses of the results."""

from django.urls import path

from kb.results import views

app_name = "results"
urlpatterns = [
    path("results/", views.page, name="page"),
    path("results.csv", views.csv, name="csv"),
    path("results.json", views.json, name="json"),
]
