"""Addresses of the catalogue."""

from django.urls import path

from kb.catalogue import views

app_name = "catalogue"
urlpatterns = [
    path("", views.home, name="home"),
    path("papers/", views.papers, name="list"),
    path("papers/<slug:slug>/", views.paper, name="paper"),
    path("papers/figures/<str:name>", views.figure, name="figure"),
]
