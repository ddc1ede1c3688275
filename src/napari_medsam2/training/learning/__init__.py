"""What one step of training computes: a sequence through the network, its losses, and the validation score."""
