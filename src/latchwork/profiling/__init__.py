"""How long each primitive was waited for and held, by call site: off by default, and free while off.

See docs/profiling.md.
"""

from latchwork.profiling.merging import Line, Profile, load
from latchwork.profiling.recording import start, stop, where
from latchwork.profiling.table import report
from latchwork.profiling.trace import write as write_trace

__all__ = ["Line", "Profile", "load", "report", "start", "stop", "where", "write_trace"]
