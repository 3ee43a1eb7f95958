"""The behaviours, in the order they are tried. Each raises what is wrong, or `Lacks` when it does not apply.

What a behaviour returns is a remark for the matrix. An agent that is idle afterwards serves the next one too.
"""

from tests.conformance_runtimes import at_work, in_trouble
from tests.conformance_runtimes.behaviour import BEHAVIOURS, Behaviour

__all__ = ["BEHAVIOURS", "Behaviour", "at_work", "in_trouble"]
