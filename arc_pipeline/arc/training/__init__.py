"""What is known of a training without its weights: validation. Knows no optimizer."""
