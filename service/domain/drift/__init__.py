"""Drift: does the distribution of a score or measured quantity differ from its reference?

`build_reference` fixes the bins, `BinCounts` holds one hour in them, `judge_drift` gives the
verdict. In between: `tolerance_grid` (the bets of one hour) and `e_detector` (their sum over time).
"""
