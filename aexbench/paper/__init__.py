"""A store beside the paper that the project implements: its Table 1 and Figure 2 in their own
layout, and its claims with what these runs say of them.
"""
