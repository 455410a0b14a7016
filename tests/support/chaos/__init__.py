"""Chaos: a cluster of real processes works through numbered tasks while its parts are killed,
frozen, cut off and lied to, by a plan that a seed replays. See ``run.py`` for the flow.
"""
