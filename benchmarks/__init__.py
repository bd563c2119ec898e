"""What is measured, against whom, and how the figures are kept. See README.md for the method."""
