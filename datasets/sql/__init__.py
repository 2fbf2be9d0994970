"""Statements sent to a database as 21 features: generated (`sql-workload`) or read from a log
(`postgres-log`).

`schema.py` names the features and `encoding.py` turns them into numbers, for both. The workload:
`roles.py` says who works on the database, `habits.py` makes users of them, `statements.py` lets
them work, `intrusions.py` misuses what they do, `workload.py` gives any range of rows.
"""

from aexbench.datasets.sql.generated import sql_workload
from aexbench.datasets.sql.postgres import postgres_log

__all__ = ["postgres_log", "sql_workload"]
