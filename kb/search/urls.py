"""Addresses below /search/."""

from django.urls import path

from kb.search import views

app_name = "search"
urlpatterns = [
    path("", views.page, name="page"),
    path("suggest/", views.suggest, name="suggest"),
]
