"""Stores as a folder of pages that any web server or a double click shows: `aexbench publish`.

`reading` takes each store in once; `boards`, `explainers`, `datasets` and `runs` say what pages
show, as plain data; `pages` writes HTML of it, `writing` the folder. What strangers have named is
text everywhere: in HTML, in pictures, in names of files, in cells of tables.
"""

from aexbench.publishing.publishing import publish

__all__ = ["publish"]
