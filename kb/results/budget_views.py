"""The page of our own trainings under one budget, and the same as files."""

from __future__ import annotations

import csv as tables
import io

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kb.catalogue.library import library
from kb.results.budget import COLUMNS, budget
from kb.results.budget_page import (
    FIRST,
    TITLES,
    drawn,
    headings,
    name_of,
    ordered,
)
from kb.results.export import harmless


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`results/same_budget.html`; GET parameter sort, a column or a minus before it.

    shown: (BudgetRow, its name, whether it has an entry) in the order asked for
    headings: list of Heading(column, label, query, direction)
    curves: a Drawn(row, name, points, told, command) for each training
    """
    sort = request.GET.get("sort", FIRST)
    if sort.removeprefix("-") not in TITLES:
        message = f"The table has no column “{sort}”; sort by {', '.join(TITLES)}."
        return render(request, "results/refused.html", {"message": message}, status=400)
    papers, rows = library().papers, budget().rows
    names = {slug: paper.short for slug, paper in papers.items()}
    found = ordered(rows, sort, names)
    context = {
        "shown": [
            (row, name_of(row, names), row.method in papers) for row in found
        ],
        "headings": headings(sort),
        "curves": [drawn(row, names) for row in found if row.curve],
    }
    return render(request, "results/same_budget.html", context)


@require_safe
def csv(request: HttpRequest) -> HttpResponse:
    """All rows as a file for spreadsheets."""
    text = io.StringIO(newline="")
    writer = tables.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in budget().rows:
        writer.writerow([harmless(getattr(row, name)) for name in COLUMNS])
    answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="same_budget.csv"'
    return answer


@require_safe
def json(request: HttpRequest) -> HttpResponse:
    """All rows as a file: cells as they are, and the curve as numbers."""
    rows = [
        {c: getattr(row, c) for c in COLUMNS} | {"curve": row.losses}
        for row in budget().rows
    ]
    answer = {"count": len(rows), "fields": list(COLUMNS), "results": rows}
    response = JsonResponse(answer, json_dumps_params={"indent": 1})
    response["Content-Disposition"] = 'attachment; filename="same_budget.json"'
    return response
