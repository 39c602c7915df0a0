"""One module a tab, and what the first three share: the stage with its two sides (`morph`)."""
