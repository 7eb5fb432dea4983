"""Addresses of runs."""

from django.urls import path

from kb.runs import views

app_name = "runs"
urlpatterns = [
    path("papers/<slug:slug>/run/<slug:demo>/", views.new, name="new"),
    path("runs/<uuid:run_id>/", views.detail, name="detail"),
    path("runs/<uuid:run_id>/status/", views.status, name="status"),
    path("runs/<uuid:run_id>/events", views.events, name="events"),
    path("runs/<uuid:run_id>/files/<str:name>", views.file, name="file"),
    path("runs/<uuid:run_id>/cancel/", views.cancel, name="cancel"),
    path("runs/<uuid:run_id>/delete/", views.delete, name="delete"),
    path("runs/<uuid:run_id>/pin/", views.pin, name="pin"),
    path("queue/", views.queue, name="queue"),
]
