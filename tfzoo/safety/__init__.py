"""What a model may do, told before it is opened."""
