"""Looking inside: samples, the latent map, directions, one morph taken apart, models side by side."""
