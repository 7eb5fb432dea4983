"""Drawing: pictures, maps, curves, bars, matrices and their sheets."""
