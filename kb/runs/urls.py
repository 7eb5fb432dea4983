"""Addresses of runs."""

from django.urls import path

from kb.runs import sending, views

app_name = "runs"
urlpatterns = [
    path("papers/<slug:slug>/run/<slug:demo>/", sending.new, name="new"),
    path("runs/kept/<str:token>/<str:name>", sending.kept_picture, name="kept"),
    path("runs/<uuid:run_id>/", views.detail, name="detail"),
    path("runs/<uuid:run_id>/page.html", views.offline, name="offline"),
    path("runs/<uuid:run_id>/status/", views.status, name="status"),
    path("runs/<uuid:run_id>/events", views.events, name="events"),
    path("runs/<uuid:run_id>/files/<str:name>", views.file, name="file"),
    path("runs/<uuid:run_id>/cancel/", views.cancel, name="cancel"),
    path("runs/<uuid:run_id>/delete/", views.delete, name="delete"),
    path("runs/<uuid:run_id>/pin/", views.pin, name="pin"),
    path("demos/", views.demos, name="demos"),
    path("queue/", views.queue, name="queue"),
]
