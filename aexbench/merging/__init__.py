"""Merging: results of several stores become one, without ranking unlike things; and what others
need so that theirs are alike: the anomalies and weights of a board.
"""
