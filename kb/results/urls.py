"""Addresses of the results."""

from django.urls import path

from kb.results import budget_views, views

app_name = "results"
urlpatterns = [
    path("results/", views.page, name="page"),
    path("results/same-budget/", budget_views.page, name="same-budget"),
    path("results/same-budget.csv", budget_views.csv, name="same-budget-csv"),
    path("results/same-budget.json", budget_views.json, name="same-budget-json"),
    path("results.csv", views.csv, name="csv"),
    path("results.json", views.json, name="json"),
]
