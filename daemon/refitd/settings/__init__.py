"""What refitd is told before it starts: `refitd.toml`, the environment, and their checks.

`form` says what may be written, `places` where it is found, `units` how numbers are spelt,
`explain` what is wrong, `values` what comes out. `load` is the way through.
"""

from refitd.settings.load import load
from refitd.settings.values import LogSettings, Settings

__all__ = ["LogSettings", "Settings", "load"]
