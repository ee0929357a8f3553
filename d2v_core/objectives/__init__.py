"""What a student is asked to predict: one contract, one file each."""
