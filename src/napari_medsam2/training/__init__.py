"""Training the bundled model: synthetic data, simulated prompts, losses and the loop."""
