"""Programs that measure, run by hand: the README and models/README.md give their figures."""
