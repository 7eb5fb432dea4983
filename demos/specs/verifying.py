"""The code on the page against the authors' own answers."""

from demos.specs.demo import CASES, Demo

VERIFY = Demo(
    name="verify",
    title="Check this code now",
    summary="Give the code on the page inputs whose answers the authors' own code has "
            "given, and compare every number.",
    images=(0, 0),
    options=(),
    needs=(CASES,),
    seconds=120,
    unit="case",
    fresh=True,
)
