"""Every address of the site."""

from django.urls import include, path

urlpatterns = [
    path("", include("kb.catalogue.urls")),
    path("", include("kb.connections.urls")),
    path("", include("kb.results.urls")),
    path("", include("kb.exchange.urls")),
    path("", include("kb.runs.urls")),
    path("search/", include("kb.search.urls")),
    path("", include("kb.api.urls")),
]
