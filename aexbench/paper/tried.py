"""What we tried to make the paper's results come out, and what came of it: said below its claims.
The boards of these suites are published (results/README.md).
"""

from __future__ import annotations

FIGURE_2 = (
    "tried to make the paper's LRP come out (suites paper-regime and paper-sql): one, three and "
    "five hidden layers, L1 on the weights and none, features in one column and in several. It "
    "takes one wide hidden layer of sparse weights on features of several columns; depth destroys "
    "most of it; nowhere was LRP above its floors"
)
TABLE_1 = (
    "tried to make the paper's LRP come out (suites image-training and paper-images): three times "
    "the epochs, another initialisation, sparse weights, LRP over its own prior (contrast), a "
    "tenth of the images and all. With all 10,000 of bottles LRP's mean was ahead of the "
    "residual's in each of three networks, with a tenth in one of three; nowhere was LRP above its "
    "floors"
)
