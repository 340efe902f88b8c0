"""Scores and diffusion: noise processes, exact scores, objectives, samplers, likelihoods."""
