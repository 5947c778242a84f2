"""Which member of a family of networks fits a device and a budget: measured, not guessed from mult-adds."""
