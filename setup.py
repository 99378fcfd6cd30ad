"""Builds the C core. All else is in pyproject.toml.

LATCHWORK_CRASH_POINTS=1  a test build that can be stopped, to be killed, at every CRASH mark
LATCHWORK_SANITIZE=1      with the address and undefined-behaviour sanitizers
"""

import os
import sysconfig
from glob import glob

from setuptools import Extension, setup

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
macros = [] if free_threaded else [("Py_LIMITED_API", "0x030B0000")]
flags = ["-std=gnu11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-cast-function-type"]
link = ["-pthread"]
if os.environ.get("LATCHWORK_CRASH_POINTS"):
    macros.append(("LW_CRASH_POINTS", "1"))
if os.environ.get("LATCHWORK_SANITIZE"):
    flags += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
    link += ["-fsanitize=address,undefined"]

setup(
    ext_modules=[
        Extension(
            "latchwork._core",
            sources=sorted(glob("src/latchwork/_binding/*.c") + glob("src/latchwork/_native/*.c")),
            depends=glob("src/latchwork/_binding/*.h") + glob("src/latchwork/_native/*.h"),
            define_macros=macros,
            extra_compile_args=flags,
            extra_link_args=link,
            py_limited_api=not free_threaded,
        )
    ],
    options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
