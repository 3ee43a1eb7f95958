"""A package, so that its tests share one daemon and one Chromium, which end with the last of them."""
