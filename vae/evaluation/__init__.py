"""Evaluation: likelihoods, the scoreboard of morphs, tables, plots and figures, and reading them back."""
