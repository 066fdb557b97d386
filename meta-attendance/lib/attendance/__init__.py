# SPDX-License-Identifier: MIT
"""What the recipes of this layer ask of the project that the layer lies in."""

BBIMPORTS = ["project", "pins"]
