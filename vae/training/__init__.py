"""Training: data, the loop, the classifiers, and the bank of codes. Serving enters nothing here."""
