"""Addresses of what ties papers together."""

from django.urls import path

from kb.connections import views

app_name = "connections"
urlpatterns = [
    path("compare/", views.choose, name="choose"),
    path("compare/<str:a>/<str:b>/", views.compare, name="compare"),
    path("concepts/", views.concepts, name="concepts"),
    path("concepts/<str:name>/", views.concept, name="concept"),
    path("map/", views.map_page, name="map"),
]
