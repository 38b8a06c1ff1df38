"""What the tree promises about itself; each promise is a guard that `make prove-guards` has seen to fail."""
