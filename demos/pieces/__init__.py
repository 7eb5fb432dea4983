"""What demos of a family share, from the tokens of a picture to a training run."""
