"""Multinomial regression: the probabilities of several classes at once, with the duality gap that certifies them."""
