"""Pictures of what a store holds: data first, in pure functions; then charts of altair from them.

Each kind of picture has a file of its own. `choosing` says what of a board is drawn, `names` how it
is called, `looks` in which colours, `drawing` makes files of charts.
"""
